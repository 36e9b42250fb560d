"""Does the training get the same device by its launcher as by Python alone? If not, why?"""

from __future__ import annotations

from runner.preflight.cures.accelerate import own_config_cure
from runner.preflight.cures.model import Cure
from runner.preflight.device import not_askable, unanswered
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.preflight.probe import Device
from runner.trainers.sd_scripts.accelerate_config import config_path, read_config


def look(facts: Facts) -> Finding:
    if facts.config.trainer.launcher != "accelerate":
        return skipped("no launcher", "Python starts the script itself.")
    if facts.config.processes > 1:
        return skipped("several processes", "Several processes are not asked one by one.")
    if told := not_askable(facts):
        return told
    launched = facts.device()
    if facts.cancelled.is_set():
        return skipped("cancelled")
    bare = facts.device(bare=True)
    file = config_path(facts.config, facts.environment())
    found = judge(launched, bare, str(file), read_config(file) is not None)
    if found.status in ("fail", "warn") and launched.problem != "cancelled":
        return found.curable(_cure(facts, launched, bare))
    return found


def judge(launched: Device, bare: Device, file: str, there: bool) -> Finding:
    """`file`: the launcher's configuration, and whether it is there."""
    if launched.name is None:
        if bare.name is None:
            return unanswered(launched)
        detail = f"Python alone gets {bare.name}, accelerate launch fails: {launched.problem}."
        advice = f"correct {file}" if there else "correct [accelerate]"
        return failed("launch fails", detail, advice)
    if bare.name is None:
        detail = f"accelerate launch gets {launched.name}; Python alone fails: {bare.problem}."
        return passed(short(f"{launched.name} by launch"), detail)
    if launched.kind == bare.kind:
        return passed("same as bare", f"Both get {launched.name}.")
    return _differs(launched, bare, file, there)


def _differs(launched: Device, bare: Device, file: str, there: bool) -> Finding:
    reason = "its configuration or environment"
    advice = "look at [accelerate] and [trainer] env"
    if launched.forced_cpu and there:
        reason, advice = f"use_cpu in {file}", f"set use_cpu: false in {file}"
    elif launched.forced_cpu:
        reason, advice = "--cpu or ACCELERATE_USE_CPU", "take cpu out of [accelerate]"
    elif launched.visible != bare.visible:
        reason = f"gpu_ids: CUDA_VISIBLE_DEVICES is {launched.visible}"
        advice = "correct gpu_ids in [accelerate]"
    detail = f"accelerate launch gives {launched.name}, Python alone {bare.name}: {reason}."
    return warned(short(f"{launched.name}, bare {bare.name}"), detail, advice)


def _cure(facts: Facts, launched: Device, bare: Device) -> Cure | None:
    """A configuration of our own helps where the user's is the reason."""
    there = read_config(config_path(facts.config, facts.environment())) is not None
    blamed = launched.name is None or launched.forced_cpu
    return own_config_cure(facts) if there and blamed and bare.name else None


CHECK = Check("launcher", "Launcher", look, slow=True)
