"""docs/checks.md: the preflight checks, and the published figures behind the estimate of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.preflight.memory_load import between
from runner.preflight.model import Check
from runner.preflight.registry import CHECKS
from runner.trainers.sd_scripts.memory import Load, memory_need
from runner.trainers.sd_scripts.memory_figures import published
from scripts.docs import FROM, code, table

SOURCES = "runner/preflight/checks/*.py, runner/trainers/sd_scripts/memory.toml"
INTRO = """
# Preflight checks

`plasma-tui check` runs them all, `p` does so on the screen, and every start includes them. `plasma-tui check
--fix NAME` shows a fix and applies it. Slow ones ask the trainer's own Python.
"""
MEMORY = """
## Memory

`memory_need` counts weights, LoRA and optimizer. What a step needs besides is counted on sd-scripts' own
models (`scripts/memory_figures.py`: every tensor of one forward and backward pass, without a GPU); CUDA, its
libraries and fragmentation are a range. A run or a smoke test with the same settings on this machine replaces
the estimate.

The table compares it with what others published: the highest reading (used), or a card on which it ran
(fits) or did not (fails). None of it was measured again on a GPU. There is no estimate for HunyuanImage, Anima
and scripts that train no LoRA.
"""


def page() -> str:
    """The generated page."""
    rows = ([code(one.name), one.title, _question(one), _causes(one)] for one in CHECKS)
    heads = ("name", "on the screen", "question", "[causes](causes.md) that it prevents")
    figures = table(
        ("published", "assumed", "by others, GB", "estimate"), map(_figure, published())
    )
    return "\n".join(
        (FROM.format(SOURCES), INTRO.strip("\n"), "", *table(heads, rows), MEMORY, *figures)
    )


def _question(one: Check) -> str:
    """The first sentence of its docstring."""
    text = " ".join((one.look.__doc__ or "").split("\n\n")[0].split())
    first = re.match(r".*?[?.](?= |$)", text)
    mark = " (slow)" if one.slow else ""
    return (first[0] if first else text) + mark


def _causes(one: Check) -> str:
    return ", ".join(f"[{name}](causes.md#{name})" for name in one.foresees)


def _figure(row: Mapping[str, Any]) -> Iterator[str]:
    load = Load(
        row["kind"], row["flags"], row.get("pixels", 1 << 20), row.get("batch", 1),
        small_encoders=row.get("small_encoders"),
    )  # fmt: skip
    need = memory_need(load)
    yield row["source"]
    yield row.get("assumed", "")
    yield next(f"{word} {row[word]:g}" for word in ("used", "fits", "fails") if word in row)
    yield between(need.low_bytes, need.high_bytes) if need is not None else "unknown"
