"""Can this device train in the asked-for precision with these versions?

sd-scripts passes --mixed_precision to accelerate itself, so what `accelerate config` says does not
count. accelerate before 1.11 gives MPS nothing but "no"; fp16 on a CPU is accepted and then dies in
the first step.
"""

from __future__ import annotations

import re

from runner.config.flags import FlagValue
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.device import not_askable, unanswered
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.preflight.probe import Device

#: flags that only make sense in half precision
_HALF_ONLY = ("full_fp16", "full_bf16", "fp8_base", "fp8_base_unet")


def look(facts: Facts) -> Finding:
    asked = facts.text("mixed_precision") or "no"
    if told := not_askable(facts):
        return told
    found = facts.device()
    if found.name is None:
        return unanswered(found) if found.problem == "cancelled" else skipped("device unknown")
    judged = judge(found, asked, facts.config.trainer.embedded)
    if judged.status in ("fail", "warn"):
        return judged.curable(_cure(facts, found, asked))
    return judged


def judge(found: Device, asked: str, embedded: bool = False) -> Finding:
    versions = f"accelerate {found.accelerate}, torch {found.torch}"
    if asked not in ("fp16", "bf16"):
        return passed("float32", f"mixed_precision is {asked}: every device can ({versions}).")
    if found.refused:
        detail = f"accelerate refuses {asked} on {found.name}: {found.refused} ({versions})"
        return failed(f"no {asked} on {found.kind}", _sentence(detail), _advice(found, asked))
    if asked == "fp16" and found.kind == "cpu" and not embedded:
        detail = "sd-scripts cannot train with mixed_precision fp16 on a CPU."
        return failed("fp16 on a CPU", detail, 'mixed_precision = "no"')
    if asked == "bf16" and found.kind == "cuda" and found.bf16 is False:
        detail = f"{', '.join(found.names) or 'This GPU'} has no bf16 of its own: it is emulated."
        return warned("bf16 is emulated", detail, 'mixed_precision = "fp16"')
    if asked == "fp16" and found.kind == "mps":
        detail = f"fp16 on MPS easily becomes not a number ({versions})."
        return warned("fp16 on MPS", detail, 'mixed_precision = "no"')
    return passed(short(f"{asked} on {found.name}"), f"{asked} is possible ({versions}).")


def _sentence(text: str) -> str:
    return re.sub(r"\s+", " ", text).rstrip(".") + "."


def _advice(found: Device, asked: str) -> str:
    if found.kind == "cuda" and asked == "bf16":
        return 'mixed_precision = "fp16"'
    return 'mixed_precision = "no"'


def _cure(facts: Facts, found: Device, asked: str) -> Cure | None:
    """fp16 where a GPU has no bf16, else float32; flags that need half precision go with it."""
    if found.kind == "cuda" and asked == "bf16":
        extra = {"full_bf16": False} if facts.on("full_bf16") else {}
        changes: dict[str, FlagValue] = {"mixed_precision": "fp16", **extra}
        return flag_cure(facts.config, "precision", "train in fp16", changes)
    gone = {name: False for name in _HALF_ONLY if facts.on(name)}
    changes = {"mixed_precision": "no", **gone}
    return flag_cure(facts.config, "precision", "train in float32", changes)


CHECK = Check("precision", "Precision", look, slow=True)
