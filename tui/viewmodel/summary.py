"""What the summary of a run shows besides its document: its state, its chart, checkpoints to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath

from runner.history.review.best import Candidate
from runner.history.review.document import Document, Paragraph, Points, Section
from runner.model.units import file_size
from tui.backend.results import SummarySheet
from tui.text import clean
from tui.viewmodel.chart import ChartModel, chart_model
from tui.viewmodel.state import UNREAD, StateLabel, state_label

BEST, LOSS = "best", "loss"
NONE_TO_CHOOSE = (
    "No checkpoint is whole, finite, there and of a step that can be trusted: none to choose."
)
#: what can be done with a checkpoint that is chosen
COPY_PATH, SHOW_FOLDER, EXPORT = "copy", "folder", "export"


@dataclass(frozen=True, slots=True)
class Pick:
    """A checkpoint that can be chosen, in words. `place`: `1`, or `1=` where several share it; `sample`: the
    name of an image of its step."""

    name: str
    path: str
    place: str
    facts: str
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    sample: str = ""


@dataclass(frozen=True, slots=True)
class SummaryModel:
    """`marks`: the worst status of a section's points, by its place."""

    document: Document
    state: StateLabel = UNREAD
    chart: ChartModel = field(default_factory=ChartModel)
    picks: tuple[Pick, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def best_section(self) -> int | None:
        keys = [section.key for section in self.document.sections]
        return keys.index(BEST) if BEST in keys else None


def summary_model(sheet: SummarySheet) -> SummaryModel:
    document = _with_best(sheet.document)
    return SummaryModel(
        document,
        state_label(sheet.snapshot),
        chart_model(sheet.snapshot),
        picks_of(sheet.candidates),
        tuple(worst_status(section) for section in document.sections),
    )


def picks_of(candidates: tuple[Candidate, ...]) -> tuple[Pick, ...]:
    places = [c.place for c in candidates]
    return tuple(
        _pick(c, f"{c.place}{'=' if places.count(c.place) > 1 else ''}") for c in candidates
    )


def _pick(candidate: Candidate, place: str) -> Pick:
    one = candidate.checkpoint
    facts = [f"step {one.step}" if one.step is not None else "", file_size(one.size_bytes)]
    sample = candidate.sample_path
    return Pick(
        clean(one.name, 300),
        one.path,
        place,
        ", ".join(fact for fact in facts if fact),
        tuple(clean(text, 600) for text in candidate.reasons),
        tuple(clean(text, 600) for text in candidate.cautions),
        clean(PurePath(sample).name, 300) if sample else "",
    )


def _with_best(document: Document) -> Document:
    """Where there is nothing to choose, the place for it says so."""
    keys = [section.key for section in document.sections]
    if BEST in keys or "checkpoints" not in keys:
        return document
    at = keys.index("checkpoints") + 1
    told = Section(BEST, "Best checkpoint", (Paragraph(NONE_TO_CHOOSE),))
    return replace(
        document, sections=(*document.sections[:at], told, *document.sections[at:])
    )  # fmt: skip


def worst_status(section: Section) -> str:
    """Of the points in it; "" for a section without any."""
    found = {p.status for block in section.blocks if isinstance(block, Points) for p in block.items}
    return next((status for status in ("fail", "warn", "pass", "skip") if status in found), "")
