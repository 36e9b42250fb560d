"""Will the training run on the device that the user expects?"""

from __future__ import annotations

import os
from pathlib import Path

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped
from runner.preflight.probe import Device, probe


def look(facts: Facts) -> Finding:
    if facts.interpreter().problem:
        return skipped("python does not run")
    absent = {"torch", "accelerate"} & set(facts.interpreter().missing())
    if absent:
        return skipped("packages missing", f"No {' and no '.join(sorted(absent))}.")
    found = probe(facts.config, facts.command(), facts.cancelled)
    half = facts.flags.get("mixed_precision") == "fp16" and not facts.config.trainer.embedded
    if half and found.name == "cpu":
        # accelerate 1.6 accepts it in silence; sd-scripts then dies in the first step
        detail = "sd-scripts cannot train with mixed_precision fp16 on a CPU."
        return failed("fp16 on a CPU", detail, 'mixed_precision = "no"')
    own = facts.config.accelerate.get("config_file")
    return judge(found, facts.config.expect.device, own if isinstance(own, str) else None)


def judge(found: Device, expected: str | None, config_file: str | None = None) -> Finding:
    """`config_file`: the configuration that `accelerate launch` was told to read."""
    if found.name is None:
        evidence = "cannot be told" if found.problem == "cancelled" else "accelerate fails"
        return failed(evidence, f"The trainer's Python was asked for its device: {found.problem}.")
    detail = (
        f"accelerate {found.accelerate} with torch {found.torch} gives the training {found.name}."
    )
    if expected is None or fits(found.name, expected):
        return passed(short(f"trains on {found.name}"), detail)
    wanted = expected.split(":")[0]
    cure = "install a torch build for this device, or correct [expect] device"
    if found.forced_cpu:
        detail += " The configuration of accelerate says use_cpu."
        cure = f"set use_cpu: false in {config_file or accelerate_config()}"
    elif getattr(found, wanted, False):
        detail += f" torch itself sees {wanted}."
        cure = "look at the configuration of accelerate: `accelerate env`"
    elif wanted in ("cuda", "mps"):
        detail += f" torch itself does not see {wanted}."
    return failed(short(f"{found.name}, not {expected}"), detail, cure)


def fits(name: str, expected: str) -> bool:
    """`cuda` is any GPU, `cuda:1` that one; a bare `cuda` is the first."""
    if ":" not in expected:
        return name.split(":")[0] == expected
    return name == expected or (name == "cuda" and expected == "cuda:0")


def accelerate_config() -> Path:
    """The file that `accelerate launch` reads without being told (accelerate 1.6)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(os.environ.get("HF_HOME") or Path(cache) / "huggingface")
    return home / "accelerate" / "default_config.yaml"


CHECK = Check("device", "Device", look, slow=True)
