"""Flags that do not work on a Mac's GPU, or badly.

sd-scripts main 48d368fa on MPS: validation asks for CUDA's random state (train_network.py 1379);
bitsandbytes and xformers are for CUDA; loader workers are spawned, and each imports torch anew at
every epoch.
"""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, skipped
from runner.preflight.rules import Rule, judge


def _eight_bit(facts: Facts) -> bool:
    name = (facts.text("optimizer_type") or "").lower()
    return facts.on("use_8bit_adam") or name.endswith("8bit") or name.startswith("paged")


def _validates(facts: Facts) -> bool:
    if (facts.number("validation_split") or 0.0) > 0:
        return True
    try:
        return any(spec.validation_split > 0 for spec in facts.specs())
    except ValueError:  # DatasetError is one
        return False


def _workers(facts: Facts) -> float:
    """8 unless it is set."""
    given = facts.number("max_data_loader_n_workers")
    return 8 if given is None else given


RULES = (
    Rule(
        "8-bit optimizer", _eight_bit, "8-bit optimizers come from bitsandbytes, which needs CUDA.",
        'optimizer_type = "AdamW"', {"optimizer_type": "AdamW", "use_8bit_adam": False}, row=17,
    ),
    Rule(
        "xformers", lambda f: f.on("xformers"), "xformers needs CUDA.",
        "sdpa = true in its place", {"xformers": False, "sdpa": True}, row=50,
    ),
    Rule(
        "validation", _validates, "Validation asks for CUDA's random state, which a Mac has not.",
        "validation_split = 0", row=17,
    ),
    Rule(
        "half precision",
        lambda f: (f.text("mixed_precision") or "no") != "no",
        "Half precision on MPS is refused by accelerate before 1.11 and easily becomes not a number.",
        'mixed_precision = "no"',
        {"mixed_precision": "no", "full_fp16": False, "full_bf16": False}, fatal=False, row=14,
    ),
    Rule(
        "fp8", lambda f: f.on("fp8_base") or f.on("fp8_base_unet"), "MPS has no fp8.",
        "take fp8_base out", {"fp8_base": False, "fp8_base_unet": False},
    ),
    Rule(
        "many workers", lambda f: _workers(f) > 1,
        "Each loader worker is a new process that imports torch, some 10 s at every epoch.",
        "max_data_loader_n_workers = 1 with persistent_data_loader_workers",
        {"max_data_loader_n_workers": 1, "persistent_data_loader_workers": True},
        fatal=False, row=77,
    ),
)  # fmt: skip


def look(facts: Facts) -> Finding:
    if facts.device_wanted != "mps" or facts.config.trainer.embedded:
        return skipped("not for MPS", "No training of sd-scripts on MPS is expected.")
    fine = ("none", "No flag is set that does not work on MPS.")
    return judge(facts, "mps_traps", "flags that work on MPS", RULES, fine)


CHECK = Check("mps_traps", "MPS traps", look)
