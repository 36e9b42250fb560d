"""Does the environment hold what leads a training astray?

What another launcher left behind makes accelerate wait for processes that never come; ACCELERATE_*
decides the device over every configuration; an empty CUDA_VISIBLE_DEVICES hides every GPU;
PYTHONHOME and a PYTHONPATH of another Python break imports (accelerate 1.6, torch 2.x).
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, warned

_RANK = "LOCAL_RANK"
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def look(facts: Facts) -> Finding:
    env = facts.environment()
    return judge(env, facts.device_wanted, facts.config.processes)


def judge(env: Mapping[str, str], wanted: str | None, processes: int) -> Finding:
    leaked = [name for name in (_RANK, *_SIZES) if _several(name, env.get(name))]
    if leaked and processes == 1:
        detail = f"{', '.join(leaked)} is set, so accelerate waits for other processes."
        advice = f"unset {' '.join(leaked)}"
        return failed(short(f"{leaked[0]} is set"), detail, advice)
    if _true(env.get("ACCELERATE_USE_CPU")) and wanted not in (None, "cpu"):
        detail = "ACCELERATE_USE_CPU is set: the training would run on the CPU."
        return failed("forced to the CPU", detail, "unset ACCELERATE_USE_CPU")
    forced = env.get("ACCELERATE_TORCH_DEVICE")
    if forced and wanted and forced.split(":")[0] != wanted:
        detail = f"ACCELERATE_TORCH_DEVICE={forced} decides the device over everything else."
        return failed(short(f"forced to {forced}"), detail, "unset ACCELERATE_TORCH_DEVICE")
    visible = env.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1") and wanted == "cuda":
        detail = f'CUDA_VISIBLE_DEVICES="{visible}" hides every GPU from the training.'
        return failed("GPUs are hidden", detail, "unset CUDA_VISIBLE_DEVICES")
    if env.get("PYTHONHOME"):
        detail = f"PYTHONHOME={env['PYTHONHOME']}: the trainer's Python would use foreign modules."
        return warned("PYTHONHOME is set", detail, "unset PYTHONHOME")
    return passed("clean", "No variable of another launcher is set.")


def _several(name: str, value: str | None) -> bool:
    """A rank at all, or a world of more than one process."""
    try:
        number = int(value or "-1")
    except ValueError:
        return False
    return number >= 0 if name == _RANK else number > 1


def _true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on")


CHECK = Check("environment", "Environment", look)
