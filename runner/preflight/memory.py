"""Is there memory left? What a training needs is not known here; very little is a warning."""

from __future__ import annotations

import psutil

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, size_text, warned

#: less than this and even loading torch and a small model begins to swap
LEAST_EMBEDDED_BYTES = 1_000_000_000
LEAST_SD_SCRIPTS_BYTES = 4_000_000_000


def look(facts: Facts) -> Finding:
    memory = psutil.virtual_memory()
    embedded = facts.config.trainer.embedded
    least = LEAST_EMBEDDED_BYTES if embedded else LEAST_SD_SCRIPTS_BYTES
    return judge(memory.available, memory.total, least)


def judge(available: int, total: int, least: int) -> Finding:
    evidence = f"{size_text(available)} free"
    detail = f"{size_text(available)} of {size_text(total)} memory are available."
    if available < least:
        return warned(evidence, detail, "close other programs that use memory or the GPU")
    return passed(evidence, detail)


CHECK = Check("memory", "Memory", look)
