"""What one check is, how it is registered, and what it finds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.analysis.diagnosis.needs import Platform, any_ruled_out
from runner.model.units import some as some
from runner.preflight.cures.model import Cure
from runner.preflight.facts import Facts
from runner.trainers.sd_scripts.dataset import DatasetError

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


Look = Callable[[Facts], Finding]
#: evidence and detail of a check that is skipped
Excuse = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is for machines and `check --fix`, `title` for the panel. `slow`: may take seconds. `order`: the
    place in the panel. `cures`: names of further cures, beside that of its own name. `foresees`: the causes
    of failed runs (keys of the diagnosis) that it reports before the start."""

    name: str
    title: str
    look: Look
    slow: bool = False
    order: int = 0
    cures: tuple[str, ...] = ()
    foresees: tuple[str, ...] = ()


#: in no order; `runner.preflight.registry` imports all that register themselves
REGISTERED: list[Check] = []


def check(
    name: str,
    title: str,
    *,
    order: int,
    slow: bool = False,
    cures: Sequence[str] = (),
    foresees: Sequence[str] = (),
    builtin: Excuse | None = None,
    unknown_script: Excuse | None = None,
    unlaunched: Excuse | None = None,
    python: bool = False,
    dataset: bool = False,
) -> Callable[[Look], Look]:
    """Registers a function as a check. It is skipped, with this evidence and detail, for the `builtin` trainer,
    for a script that is `unknown_script` here ({script}: its name) or `unlaunched` by accelerate; `python`:
    where the trainer's Python does not run; `dataset`: where the dataset cannot be read."""

    def register(look: Look) -> Look:
        @functools.wraps(look)
        def guarded(facts: Facts) -> Finding:
            trainer = facts.config.trainer
            if builtin is not None and trainer.embedded:
                return skipped(*builtin)
            if unknown_script is not None and facts.script is None:
                evidence, detail = unknown_script
                return skipped(evidence, detail.format(script=Path(trainer.script).name))
            if unlaunched is not None and trainer.launcher != "accelerate":
                return skipped(*unlaunched)
            if python and facts.interpreter().problem:
                return skipped("python does not run")
            try:
                return look(facts)
            except DatasetError as error:
                if not dataset:
                    raise
                return skipped("dataset unread", str(error))

        made = Check(name, title, guarded, slow, order, tuple(cures), tuple(foresees))
        REGISTERED.append(made)
        return guarded

    return register


def passed(evidence: str, detail: str = "") -> Finding:
    return Finding("pass", evidence, detail)


def warned(evidence: str, detail: str, advice: str = "", *cures: Cure | None) -> Finding:
    return Finding("warn", evidence, detail, advice).curable(*cures)


def failed(evidence: str, detail: str, advice: str = "", *cures: Cure | None) -> Finding:
    return Finding("fail", evidence, detail, advice).curable(*cures)


def skipped(evidence: str, detail: str = "") -> Finding:
    return Finding("skip", evidence, detail)


def short(text: str, limit: int = EVIDENCE_LIMIT) -> str:
    """Cut in the middle: the ends of a name tell it apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
