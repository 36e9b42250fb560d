"""Can the trainer's Python find the packages that this training imports? Nothing is imported here."""

from __future__ import annotations

import shlex

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, some, warned
from runner.preflight.modules import TENSORBOARD

#: what a module is called where it is installed from
_DISTRIBUTIONS = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "lion_pytorch": "lion-pytorch",
    "lycoris": "lycoris-lora",
}


def look(facts: Facts) -> Finding:
    found = facts.interpreter()
    if found.problem:
        return skipped("python does not run")
    missing = [name for name in found.missing() if name != TENSORBOARD]
    python = shlex.quote(facts.config.trainer.python)
    if missing:
        evidence = f"no {missing[0]}" if len(missing) == 1 else f"{len(missing)} are missing"
        names = " ".join(_DISTRIBUTIONS.get(name, name) for name in missing)
        return failed(
            short(evidence),
            f"{found.python} cannot find {some(missing, 8)}.",
            f"{python} -m pip install {names}",
        )
    versions = ", ".join(f"{name} {version}" for name, version in found.modules.items() if version)
    detail = f"{found.python} finds {versions}."
    if TENSORBOARD in found.missing():
        return warned(
            "no tensorboard",
            f"{detail} Without tensorboard there are no exact losses, only the bar's average.",
            f"{python} -m pip install tensorboard",
        )
    torch = (found.modules.get("torch") or "").split("+")[0]
    return passed(short(f"torch {torch}"), detail)


CHECK = Check("packages", "Packages", look)
