"""Will the training run on the device that the user expects?"""

from __future__ import annotations

from runner.preflight.cures.accelerate import own_config_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped
from runner.preflight.probe import Device
from runner.trainers.sd_scripts.accelerate_config import config_path


def look(facts: Facts) -> Finding:
    if told := not_askable(facts):
        return told
    found = facts.device()
    file = config_path(facts.config, facts.environment())
    judged = judge(found, facts.config.expect.device, str(file))
    blamed = found.name is None or found.forced_cpu
    if judged.status == "fail" and blamed and _read_by_launcher(facts):
        return judged.curable(own_config_cure(facts))
    return judged


def _read_by_launcher(facts: Facts) -> bool:
    launched = facts.config.trainer.launcher == "accelerate"
    return launched and config_path(facts.config, facts.environment()).exists()


def not_askable(facts: Facts) -> Finding | None:
    """Why the trainer's Python cannot be asked at all; every check of the probe says so alike."""
    if facts.interpreter().problem:
        return skipped("python does not run")
    absent = {"torch", "accelerate"} & set(facts.interpreter().missing())
    if absent:
        return skipped("packages missing", f"No {' and no '.join(sorted(absent))}.")
    return None


def unanswered(found: Device) -> Finding:
    """The probe could not tell a device."""
    evidence = "cannot be told" if found.problem == "cancelled" else "accelerate fails"
    detail = f"The trainer's Python was asked for its device: {found.problem}."
    return failed(evidence, detail, "run it by hand: `accelerate env`")


def judge(found: Device, expected: str | None, config_file: str) -> Finding:
    """`config_file`: the configuration that `accelerate launch` reads."""
    if found.name is None:
        return unanswered(found)
    detail = (
        f"accelerate {found.accelerate} with torch {found.torch} gives the training {found.name}"
        f"{_named(found)}."
    )
    unused = next((kind for kind in ("cuda", "mps") if getattr(found, kind)), None)
    if expected is None and found.name == "cpu" and unused is not None:
        return _unused_gpu(found, unused, detail, config_file)
    if expected is None or fits(found.name, expected):
        return passed(short(f"trains on {found.name}"), detail)
    wanted = expected.split(":")[0]
    advice = "install a torch build for this device, or correct [expect] device"
    if found.forced_cpu:
        detail += " The configuration of accelerate says use_cpu."
        advice = f"set use_cpu: false in {config_file}"
    elif getattr(found, wanted, False):
        detail += f" torch itself sees {wanted}."
        advice = "look at the configuration of accelerate: `accelerate env`"
    elif wanted in ("cuda", "mps"):
        detail += f" torch itself does not see {wanted}: {_why(found, wanted)}."
    return failed(short(f"{found.name}, not {expected}"), detail, advice)


def _unused_gpu(found: Device, seen: str, detail: str, config_file: str) -> Finding:
    """A training on the CPU takes a hundred times as long, and nobody has said that it is meant."""
    detail += f" torch itself sees {seen}, so the GPU of this machine would not be used."
    advice = "check the configuration of accelerate (`accelerate env`)"
    if found.forced_cpu:
        detail += " The configuration of accelerate says use_cpu."
        advice = f"set use_cpu: false in {config_file}"
    advice += ', or write device = "cpu" into [expect] if the CPU is meant'
    return failed(f"cpu, torch sees {seen}", detail, advice)


def _named(found: Device) -> str:
    return f" ({found.names[0]})" if found.names and found.kind == "cuda" else ""


def _why(found: Device, wanted: str) -> str:
    if wanted == "mps":
        return "this torch is not built for it" if not found.mps_built else "macOS offers none"
    if not found.cuda_build:
        return f"torch {found.torch} is built for the CPU"
    if found.visible is not None and found.visible.strip() in ("", "-1"):
        return f'CUDA_VISIBLE_DEVICES is "{found.visible}"'
    return f"it is built for CUDA {found.cuda_build}, and no driver offers it a GPU"


def fits(name: str, expected: str) -> bool:
    """`cuda` is any GPU, `cuda:1` that one; a bare `cuda` is the first."""
    if ":" not in expected:
        return name.split(":")[0] == expected
    return name == expected or (name == "cuda" and expected == "cuda:0")


CHECK = Check("device", "Device", look, slow=True)
