"""What the trainer's Python imports: the packages that are needed, the script itself, the optimizer."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting
from runner.analysis.diagnosis.matcher import diagnose
from runner.analysis.diagnosis.needs import ruled_out
from runner.config.errors import nearest
from runner.config.flags import FlagValue
from runner.model.events import ExceptionSeen
from runner.preflight.checks.trainer import filled
from runner.preflight.cures.model import Cure
from runner.preflight.cures.settings import REMOVED, flag_cure
from runner.preflight.facts import Facts
from runner.preflight.import_probe import Imported, Raised
from runner.preflight.model import Finding, check, failed, passed, short, skipped, some, warned
from runner.preflight.modules import TENSORBOARD, wanted_modules
from runner.state.evidence import Evidence

#: what a module is called where it is installed from
_DISTRIBUTIONS = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "lion_pytorch": "lion-pytorch",
    "lycoris": "lycoris-lora",
}

#: what does without a package that the platform rules out
_INSTEAD = {
    "bitsandbytes": 'optimizer_type = "AdamW"',
    "xformers": "sdpa = true in place of xformers",
}


@check(
    "packages", "Packages", order=40,
    foresees=("bitsandbytes_missing", "python_module_missing", "xformers_missing"), python=True,
)  # fmt: skip
def packages(facts: Facts) -> Finding:
    """Can the trainer's Python find the packages that this training imports? Nothing is imported here."""
    found = facts.interpreter()
    wanted = wanted_modules(facts.config.trainer, facts.flags)
    absent = set(found.missing())
    missing = [name for name in wanted if name in absent and name != TENSORBOARD]
    python = shlex.quote(facts.config.trainer.python)
    if missing:
        evidence = f"no {missing[0]}" if len(missing) == 1 else f"{len(missing)} are missing"
        platform = facts.platform
        useless = [
            name for name in missing if platform.device and ruled_out(f"install.{name}", platform)
        ]
        detail = f"{found.python} cannot find {some(missing, 8)}."
        if useless:
            detail += f" {' and '.join(useless)} cannot train on {platform.device}."
        names = " ".join(_DISTRIBUTIONS.get(name, name) for name in missing if name not in useless)
        install = [f"{python} -m pip install {names}"] if names else []
        advice = "; ".join((*install, *(_INSTEAD[name] for name in useless)))
        return failed(short(evidence), detail, advice, _without(facts, missing))
    versions = ", ".join(f"{name} {version}" for name, version in found.modules.items() if version)
    detail = f"{found.python} finds {versions}."
    if TENSORBOARD in absent:
        return warned(
            "no tensorboard",
            f"{detail} Without tensorboard there are no exact losses, only the bar's average.",
            f"{python} -m pip install tensorboard",
        )
    torch = (found.modules.get("torch") or "").split("+")[0]
    return passed(short(f"torch {torch}"), detail)


def _without(facts: Facts, missing: list[str]) -> Cure | None:
    """A training without bitsandbytes or xformers is the same training, only hungrier."""
    changes: dict[str, FlagValue] = {}
    for name in missing:
        if name == "xformers":
            changes |= {"xformers": REMOVED, "sdpa": True}
        elif name == "bitsandbytes":
            changes |= plain_adamw(facts)
        else:
            return None
    return flag_cure(facts.config, "packages", "train without them", changes)


def plain_adamw(facts: Facts) -> dict[str, FlagValue]:
    """The flags that make an 8-bit optimizer torch's own AdamW."""
    changes: dict[str, FlagValue] = {"optimizer_type": "AdamW"}
    if facts.on("use_8bit_adam"):
        changes["use_8bit_adam"] = REMOVED
    return changes


_TEXT_CHARS = 300


@check("imports", "Imports", order=500, slow=True)
def imports(facts: Facts) -> Finding:
    """Can the trainer's Python really import the script? A package that is found may still be broken.

    `packages` only asks whether modules exist. This check imports them in the same environment, working
    folder and path as the launch, and reports the exception that the trainer would end with.
    """
    if facts.interpreter().problem:
        return skipped("python does not run")
    trainer = facts.config.trainer
    if not trainer.embedded and not filled(Path(trainer.script)):
        return skipped("no script", f"{trainer.script} does not exist or is empty.")
    absent = set(facts.interpreter().missing()) & set(wanted_modules(trainer, facts.flags))
    if absent - {TENSORBOARD}:
        return skipped("packages missing", f"No {', no '.join(sorted(absent))}.")
    found = facts.imported()
    if found.problem == "cancelled":
        return skipped("cancelled")
    platform = facts.platform
    setting = Setting(device=platform.device, runs_on=platform)
    cwd = str(facts.config.trainer_cwd)
    return judge_imports(found, trainer.python, trainer.script, cwd, setting)


def judge_imports(
    found: Imported, python: str, script: str, cwd: str, setting: Setting = NOT_KNOWN
) -> Finding:
    by_hand = f"cd {shlex.quote(cwd)} && {shlex.quote(python)} {shlex.quote(script)} --help"
    if found.problem is not None:
        return warned("no answer", f"Importing {script} gave no answer: {found.problem}.", by_hand)
    if not found.errors:
        return passed("imported", f"{python} imports {script} without an error.")
    first, origin = found.errors[0], found.errors[-1]
    if found.doing != script and "." in found.doing:
        code = shlex.quote(f"import {found.doing}")
        by_hand = f"cd {shlex.quote(cwd)} && {shlex.quote(python)} -c {code}"
    detail = f"Importing {found.doing} fails with {_words(first)}."
    if origin is not first:
        detail += f" It began with {_words(origin)}."
    seen = Evidence(tuple(_seen(error) for error in reversed(found.errors)))
    cause = diagnose(seen, setting)
    advice = f"{cause.advice} " if cause is not None else ""
    return failed(
        short(origin.name.rpartition(".")[2]), detail, f"{advice}To reproduce it: {by_hand}"
    )


def _words(error: Raised) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > _TEXT_CHARS:
        text = f"{text[:_TEXT_CHARS]} ..."
    return f"{text} ({error.place})" if error.place else text


def _seen(error: Raised) -> ExceptionSeen:
    return ExceptionSeen(0, error.name, error.text, error.frames)


FLAG = "optimizer_type"
#: of runner.embedded.optimizer
EMBEDDED = ("AdamW", "SGDNesterov")
#: Where the trainer's torch cannot be asked: of torch 2.0 and newer.
TORCH = (
    "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
)  # fmt: skip
_FUNCTION = re.compile(r"^def get_optimizer\b.*?(?=^\S)", re.DOTALL | re.MULTILINE)
_COMPARED = re.compile(r"""optimizer_type\s*==\s*["'](\w+)["']""")


@check("optimizer", "Optimizer", order=510, slow=True)
def optimizer(facts: Facts) -> Finding:
    """Does the trainer have the optimizer? sd-scripts finds out after it has loaded the model.

    The names that it knows are read from its own `get_optimizer` (library/train_util.py, main 48d368fa:
    compared without regard to case); any other must be a class of torch.optim in its exact spelling, or a
    class that can be imported, written `package.module.Class`.
    """
    name = facts.text(FLAG)
    if name is None:
        return passed("AdamW", f"{FLAG} is not set; the trainer takes its default.")
    known = EMBEDDED if facts.config.trainer.embedded else names_in_checkout(facts)
    if not known:
        return skipped("not known", "Which optimizers this checkout has cannot be read from it.")
    if name.lower() in {one.lower() for one in known}:
        return passed(short(name), f"{name} is an optimizer of this trainer.")
    if facts.interpreter().problem:
        return skipped("python does not run")
    found = judge_optimizer(name, known, facts.imported())
    meant = _meant(name, known, facts.imported())
    if found.status == "fail" and meant:
        return found.curable(flag_cure(facts.config, "optimizer", f"use {meant}", {FLAG: meant}))
    return found


def names_in_checkout(facts: Facts) -> tuple[str, ...]:
    """As `get_optimizer` spells them; empty where there is no such function."""
    folder = facts.config.trainer.sd_scripts or Path()
    try:
        text = (folder / "library/train_util.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    function = _FUNCTION.search(f"{text}\nend")
    return tuple(dict.fromkeys(_COMPARED.findall(function.group()))) if function else ()


def judge_optimizer(name: str, known: tuple[str, ...], asked: Imported) -> Finding:
    """A name that the trainer's own list does not hold."""
    if asked.problem == "cancelled":
        return skipped("cancelled")
    if "." in name:
        return _qualified(name, asked)
    if name in (asked.torch_optimizers or TORCH):
        return passed(short(name), f"{name} is an optimizer of torch.optim.")
    meant = _meant(name, known, asked)
    detail = f"{FLAG} {name} is neither one of {', '.join(known)} nor a class of torch.optim."
    advice = f'{FLAG} = "{meant}"' if meant else f"set {FLAG} to one of these names"
    if asked.torch_optimizers is None:
        return warned(
            short(f"{name}?"), f"{detail} The trainer's torch could not be asked.", advice
        )
    return failed(short(f"no {name}"), detail, advice)


def _qualified(name: str, asked: Imported) -> Finding:
    package, _, kind = name.rpartition(".")
    if asked.optimizer is True:
        return passed(short(kind), f"{name} can be imported.")
    if asked.optimizer is None:
        return skipped("not asked", f"Whether {name} can be imported is not known.")
    why = f"{package} has no {kind}" if asked.optimizer is False else asked.optimizer
    return failed(
        short(f"no {kind}"), f"{FLAG} {name}: {why}.", f"correct {FLAG}, or install {package}"
    )


def _meant(name: str, known: tuple[str, ...], asked: Imported) -> str | None:
    return nearest(name, (*known, *(asked.torch_optimizers or TORCH))) if "." not in name else None
