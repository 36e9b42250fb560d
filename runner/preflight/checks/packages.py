"""What the trainer's Python imports: needed packages, the script itself, the optimizer."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from runner.analysis.diagnosis.cures import Setting
from runner.analysis.diagnosis.matcher import diagnose
from runner.analysis.diagnosis.needs import ruled_out
from runner.config.errors import nearest
from runner.config.flags import FlagValue
from runner.model.events import ExceptionSeen
from runner.preflight.checks.trainer import filled
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import TENSORBOARD, Facts
from runner.preflight.import_probe import Imported, Raised
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.state.evidence import Evidence

#: package names of modules
_DISTRIBUTIONS = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "lion_pytorch": "lion-pytorch",
    "lycoris": "lycoris-lora",
}

#: settings that avoid a package unusable on the platform
_INSTEAD = {
    "bitsandbytes": 'optimizer_type = "AdamW"',
    "xformers": "sdpa = true in place of xformers",
}
#: the same training without it, but with more memory
_WITHOUT: dict[str, dict[str, FlagValue]] = {
    "bitsandbytes": {"optimizer_type": "AdamW", "use_8bit_adam": REMOVED},
    "xformers": {"xformers": REMOVED, "sdpa": True},
}


@check(
    "packages", "Packages", 40, needs="python",
    foresees=("bitsandbytes_missing", "python_module_missing", "xformers_missing"),
)  # fmt: skip
def packages(facts: Facts) -> Finding:
    """Can the trainer's Python find the packages that this training imports? Nothing is imported here."""
    found, missing = facts.interpreter(), facts.missing()
    pip = f"{shlex.quote(facts.config.trainer.python)} -m pip install"
    if not missing:
        versions = ", ".join(
            f"{name} {version}" for name, version in found.modules.items() if version
        )
        detail = f"{found.python} finds {versions}."
        if TENSORBOARD in found.missing():
            detail += " Without tensorboard there are no exact losses, only the bar's average."
            return warned("no tensorboard", detail, f"{pip} tensorboard")
        return passed(f"torch {(found.modules.get('torch') or '').split('+')[0]}", detail)
    platform = facts.platform
    useless = [n for n in missing if platform.device and ruled_out(f"install.{n}", platform)]
    detail = f"{found.python} cannot find {some(missing, 8)}."
    if useless:
        detail += f" {' and '.join(useless)} cannot train on {platform.device}."
    names = " ".join(_DISTRIBUTIONS.get(name, name) for name in missing if name not in useless)
    advice = [f"{pip} {names}"] * bool(names) + [_INSTEAD[name] for name in useless]
    fix = None
    if all(name in _WITHOUT for name in missing):
        changes = {k: v for name in missing for k, v in _WITHOUT[name].items()}
        present = {k: v for k, v in changes.items() if v is not REMOVED or facts.on(k)}
        fix = Fix("train without them", present)
    evidence = f"no {missing[0]}" if len(missing) == 1 else f"{len(missing)} are missing"
    return failed(evidence, detail, "; ".join(advice), fix)


_TEXT_CHARS = 300


@check("imports", "Imports", 500, slow=True, needs="python")
def imports(facts: Facts) -> Finding:
    """Can the trainer's Python really import the script? A package that is found may still be broken.

    `packages` only asks whether modules exist. This check imports them in the same environment, working
    folder and path as the launch, and reports the exception that would end the trainer.
    """
    trainer = facts.config.trainer
    if trainer.script.endswith(".py") and not filled(Path(trainer.script)):
        return skipped("no script", f"{trainer.script} does not exist or is empty.")
    if missing := facts.missing():
        return skipped("packages missing", f"No {', no '.join(sorted(missing))}.")
    found = facts.imported()
    if found.problem == "cancelled":
        return skipped("cancelled")
    python, script = shlex.quote(trainer.python), trainer.script
    in_python = f"cd {shlex.quote(str(facts.config.trainer_cwd))} && {python}"
    by_hand = f"{in_python} {shlex.quote(script)} --help"
    if found.problem is not None:
        return warned("no answer", f"Importing {script} gave no result: {found.problem}.", by_hand)
    if not found.errors:
        return passed("imported", f"{trainer.python} imports {script} without an error.")
    first, origin = found.errors[0], found.errors[-1]
    if found.doing != script and "." in found.doing:
        by_hand = f"{in_python} -c {shlex.quote(f'import {found.doing}')}"
    detail = f"Importing {found.doing} fails with {_words(first)}."
    if origin is not first:
        detail += f" First error: {_words(origin)}."
    raised = (ExceptionSeen(0, one.name, one.text, one.frames) for one in reversed(found.errors))
    setting = Setting(device=facts.platform.device, runs_on=facts.platform)
    cause = diagnose(Evidence(tuple(raised)), setting)
    advice = f"{cause.advice} " if cause is not None else ""
    return failed(origin.name.rpartition(".")[2], detail, f"{advice}To reproduce it: {by_hand}")


def _words(error: Raised) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > _TEXT_CHARS:
        text = f"{text[:_TEXT_CHARS]} ..."
    return f"{text} ({error.place})" if error.place else text


FLAG = "optimizer_type"
#: Used if the trainer's torch cannot be imported: from torch 2.0 and newer.
TORCH = (
    "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
)  # fmt: skip
_FUNCTION = re.compile(r"^def get_optimizer\b.*?(?=^\S)", re.DOTALL | re.MULTILINE)
_COMPARED = re.compile(r"""optimizer_type\s*==\s*["'](\w+)["']""")


@check("optimizer", "Optimizer", 510, slow=True)
def optimizer(facts: Facts) -> Finding:
    """Does the trainer have the optimizer? sd-scripts finds out after it has loaded the model.

    The names that it knows are read from its own `get_optimizer` (library/train_util.py, main 48d368fa:
    compared without regard to case); any other must be a class of torch.optim in its exact spelling, or a
    class that can be imported, written `package.module.Class`.
    """
    name = facts.text(FLAG)
    if name is None:
        return passed("AdamW", f"{FLAG} is not set; the trainer uses its default.")
    known = facts.demands.optimizers or names_in_checkout(facts)
    if not known:
        return skipped("unknown", "The optimizers of this checkout could not be read.")
    if name.lower() in {one.lower() for one in known}:
        return passed(name, f"{name} is an optimizer of this trainer.")
    if facts.interpreter().problem:
        return skipped("python does not run")
    asked = facts.imported()
    if asked.problem == "cancelled":
        return skipped("cancelled")
    return _qualified(name, asked) if "." in name else _of_torch(name, known, asked)


def names_in_checkout(facts: Facts) -> tuple[str, ...]:
    """As spelled in `get_optimizer`; empty without that function."""
    folder = facts.config.trainer.sd_scripts or Path()
    try:
        text = (folder / "library/train_util.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    function = _FUNCTION.search(f"{text}\nend")
    return tuple(dict.fromkeys(_COMPARED.findall(function.group()))) if function else ()


def _of_torch(name: str, known: tuple[str, ...], asked: Imported) -> Finding:
    """A name not in the trainer's own list."""
    of_torch = asked.torch_optimizers or TORCH
    if name in of_torch:
        return passed(name, f"{name} is an optimizer of torch.optim.")
    meant = nearest(name, (*known, *of_torch))
    detail = f"{FLAG} {name} is not one of {', '.join(known)} or a class of torch.optim."
    fix = Fix(f"use {meant}", {FLAG: meant}) if meant else None
    advice = fix.words if fix else f"set {FLAG} to one of these names"
    if asked.torch_optimizers is None:
        return warned(f"{name}?", f"{detail} The trainer's torch could not be checked.", advice)
    return failed(f"no {name}", detail, advice, fix)


def _qualified(name: str, asked: Imported) -> Finding:
    package, _, kind = name.rpartition(".")
    if asked.optimizer is True:
        return passed(kind, f"{name} can be imported.")
    if asked.optimizer is None:
        return skipped("not asked", f"It is unknown whether {name} can be imported.")
    why = asked.optimizer or f"{package} has no {kind}"
    return failed(f"no {kind}", f"{FLAG} {name}: {why}.", f"correct {FLAG}, or install {package}")
