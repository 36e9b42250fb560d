"""A review as a document: the verdict first, then its evidence. Pure, except for the plot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath

from runner.history.report import headline
from runner.history.review import sections, sections_around
from runner.history.review.checklist import checklist
from runner.history.review.document import Block, Document, Points, Section
from runner.history.review.model import SUMMARY_VERSION, Review
from runner.model.units import finite


def document_of(review: Review, *, plot: bool, width: int = sections.PLOT_WIDTH) -> Document:
    """`plot`: draw the loss, which imports plotext; `width`: of the plot, characters."""
    points, around = checklist(review), sections_around
    titled: tuple[tuple[str, str, Callable[[Review], Iterator[Block]]], ...] = (
        ("checklist", "Checklist", lambda _: iter((Points(points),))),
        ("expected", "Planned vs. actual", sections.expected),
        ("loss", "Loss", partial(sections.loss, plot=plot, width=width)),
        ("checkpoints", "Checkpoints", sections.checkpoints),
        ("best", "Best checkpoint", sections.best),
        ("samples", "Samples", around.samples),
        ("attempts", "Attempts", sections.attempts),
        ("hardware", "Hardware", around.hardware),
        ("warnings", "Warnings and alarms", around.warnings),
        ("timeline", "Timeline", around.timeline),
        ("settings", "Settings", around.settings),
        ("command", "Command", around.command),
        ("repeat", "To repeat it", around.repeat),
        ("preflight", "Preflight", around.preflight),
        ("unknown", "Unknown", around.notes),
    )
    found = (Section(key, title, tuple(blocks(review))) for key, title, blocks in titled)
    spec = review.snapshot.spec
    name = spec.name if spec is not None else review.snapshot.id
    return Document(
        f"{name}: {headline(review.snapshot)}",
        _lead(review),
        tuple(section for section in found if section.blocks),
        _front(review, [point.status for point in points]),
    )


def _lead(review: Review) -> tuple[str, ...]:
    """The reasons of the verdict, its cause, and what to do."""
    status = review.snapshot.status
    if status is None:
        return ()
    lines = [f"{text[:1].upper()}{text[1:]}." for text in status.reasons]
    cause = status.cause
    if cause is not None:
        lines.append(f"Cause: {cause.key}: {cause.evidence}")
        if cause.advice:
            lines.append(f"What to do: {cause.advice}")
        changes = cause.changes or ((cause.fix,) if cause.fix else ())
        if changes:
            lines.append(f"Fix: {' '.join(changes)}")
    return tuple(lines)


def _front(review: Review, points: list[str]) -> tuple[tuple[str, object], ...]:
    """Front matter: plain scalars, for tools; null without a status or spec."""
    snapshot, facts = review.snapshot, review.losses
    status, spec = snapshot.status, snapshot.spec
    folder = spec.output_dir if spec is not None else None
    return (
        ("plasma_tui_summary", SUMMARY_VERSION),
        ("run", snapshot.id),
        ("name", spec and spec.name),
        ("state", str(snapshot.state)),
        ("outcome", snapshot.outcome and str(snapshot.outcome)),
        ("cause", status and status.cause and status.cause.key),
        ("started", status and utc(status.started_at)),
        ("ended", status and utc(status.ended_at)),
        ("steps", status and status.step),
        ("total_steps", status and status.total_steps),
        ("epochs", status and status.epochs),
        ("attempts", len(review.attempts)),
        ("device", status and status.device),
        ("loss_last", finite(facts.last)),
        ("loss_smoothed", finite(facts.smooth)),
        ("first_nonfinite_step", facts.first_nonfinite_step),
        ("checkpoints", sum(not c.removed for c in review.checkpoints)),
        ("best_checkpoint", next((c.checkpoint.name for c in review.candidates), None)),
        ("points_passed", points.count("pass")),
        ("points_failed", points.count("fail")),
        ("output_dir", str(PurePath(folder)) if folder else None),
        ("host", spec and spec.host),
    )


def utc(at: float | None) -> str | None:
    """ISO 8601 in UTC: sortable and comparable. None: unknown, or a time that no calendar has."""
    try:
        return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    except (ValueError, OverflowError, OSError):
        return None
