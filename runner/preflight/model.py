"""What one check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.analysis.diagnosis.needs import Platform, any_ruled_out
from runner.model.units import some as some
from runner.preflight.cures.model import Cure

if TYPE_CHECKING:
    from runner.preflight.facts import Facts

#: the panel is 22 columns wide; a mark and a blank stand in front
EVIDENCE_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`evidence`: a few words; `detail`: one whole sentence; `advice`: a command or a change to make;
    `cures`: what plasma-tui can do itself, the first one is what a key offers."""

    status: str  # pass, warn, fail, skip
    evidence: str
    detail: str = ""
    advice: str = ""
    cures: tuple[Cure, ...] = ()

    def curable(self, *cures: Cure | None) -> Finding:
        """The same, with the cures that there are."""
        return replace(self, cures=tuple(cure for cure in cures if cure is not None))

    def possible(self, platform: Platform) -> Finding:
        """The same, without the cures that the platform rules out."""
        cures = (cure for cure in self.cures if not any_ruled_out(cure.changes, platform))
        return replace(self, cures=tuple(cures)) if self.cures else self


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is for machines and `check --fix`, `title` for the panel. `slow`: may take seconds."""

    name: str
    title: str
    look: Callable[[Facts], Finding]
    slow: bool = False


def passed(evidence: str, detail: str = "") -> Finding:
    return Finding("pass", evidence, detail)


def warned(evidence: str, detail: str, advice: str = "") -> Finding:
    return Finding("warn", evidence, detail, advice)


def failed(evidence: str, detail: str, advice: str = "") -> Finding:
    return Finding("fail", evidence, detail, advice)


def skipped(evidence: str, detail: str = "") -> Finding:
    return Finding("skip", evidence, detail)


def short(text: str, limit: int = EVIDENCE_LIMIT) -> str:
    """Cut in the middle: the ends of a name tell it apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
