"""Can torch use the GPU of this Mac?"""

from __future__ import annotations

import sys

from runner.preflight.device import not_askable, unanswered
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped
from runner.preflight.probe import Device


def look(facts: Facts) -> Finding:
    if facts.device_wanted != "mps":
        told = "no Mac" if sys.platform != "darwin" else "not wanted"
        return skipped(told, "No training on MPS is expected here.")
    if told_off := not_askable(facts):
        return told_off
    bare = facts.config.trainer.launcher == "accelerate" and facts.config.processes == 1
    return judge(facts.device(bare=bare))


def judge(found: Device) -> Finding:
    """Of Python alone: the launcher's part is told by another check."""
    if not found.torch:
        return unanswered(found)
    system = f"macOS {found.macos}" if found.macos else "a system that is no macOS"
    if not found.mps_built:
        detail = f"torch {found.torch} is built without MPS ({system})."
        return failed("not built", detail, "install the torch build for macOS on Apple Silicon")
    if not found.mps:
        detail = f"torch {found.torch} has MPS built in, but {system} offers no Metal device."
        return failed("built, not there", detail, "macOS 12.3 or newer on Apple Silicon is needed")
    return passed("available, built", f"torch {found.torch} sees MPS on {system}.")


CHECK = Check("mps", "MPS", look, slow=True)
