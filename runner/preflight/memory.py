"""Is there memory left? What a training needs is not known here; very little is a warning."""

from __future__ import annotations

import psutil

from runner.model.units import memory_size
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, warned

#: less than this and even loading torch and a small model begins to swap
LEAST_EMBEDDED_BYTES = 1_000_000_000
LEAST_SD_SCRIPTS_BYTES = 4_000_000_000


def look(facts: Facts) -> Finding:
    memory = psutil.virtual_memory()
    embedded = facts.config.trainer.embedded
    least = LEAST_EMBEDDED_BYTES if embedded else LEAST_SD_SCRIPTS_BYTES
    return judge(memory.available, memory.total, least)


def judge(available: int, total: int, least: int) -> Finding:
    evidence = f"{memory_size(available)} free"
    detail = f"{memory_size(available)} of {memory_size(total)} memory are available."
    if available < least:
        return warned(evidence, detail, "close other programs that use memory or the GPU")
    return passed(evidence, detail)


CHECK = Check("memory", "Memory", look)
