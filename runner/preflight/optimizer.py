"""Does the trainer have the optimizer? sd-scripts finds out after it has loaded the model.

The names that it knows are read from its own `get_optimizer` (library/train_util.py, main 48d368fa: compared
without regard to case); any other must be a class of torch.optim in its exact spelling, or a class that can
be imported, written `package.module.Class`.
"""

from __future__ import annotations

import re
from pathlib import Path

from runner.config.errors import nearest
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.import_probe import Imported
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned

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


def look(facts: Facts) -> Finding:
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
    found = judge(name, known, facts.imported())
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


def judge(name: str, known: tuple[str, ...], asked: Imported) -> Finding:
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


CHECK = Check("optimizer", "Optimizer", look, slow=True)
