"""Can the trainer's Python find the packages that this training imports? Nothing is imported here."""

from __future__ import annotations

import shlex

from runner.analysis.diagnosis.needs import ruled_out
from runner.config.flags import FlagValue
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import REMOVED, flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, some, warned
from runner.preflight.modules import TENSORBOARD, wanted_modules

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


def look(facts: Facts) -> Finding:
    found = facts.interpreter()
    if found.problem:
        return skipped("python does not run")
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
        return failed(short(evidence), detail, advice).curable(_without(facts, missing))
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


CHECK = Check("packages", "Packages", look)
