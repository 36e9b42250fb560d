"""A review as a document: the verdict first, then its evidence. Pure, but for the plot."""

from __future__ import annotations

import time
from pathlib import PurePath

from runner.history.report import headline
from runner.history.review.checklist import checklist
from runner.history.review.document import Document, Section
from runner.history.review.model import SUMMARY_VERSION, Review
from runner.history.review.sections import (
    PLOT_WIDTH,
    attempts_section,
    checklist_section,
    expected_section,
    loss_section,
)
from runner.history.review.sections_around import (
    command_section,
    hardware_section,
    notes_section,
    preflight_section,
    repeat_section,
    samples_section,
    settings_section,
    timeline_section,
    warnings_section,
)
from runner.history.review.sections_files import best_section, checkpoints_section
from runner.model.units import finite


def document_of(review: Review, *, plot: bool, width: int = PLOT_WIDTH) -> Document:
    """`plot`: draw the loss, which imports plotext; `width`: of the plot, characters."""
    found = (
        checklist_section(review),
        expected_section(review),
        loss_section(review, plot=plot, width=width),
        checkpoints_section(review),
        best_section(review),
        samples_section(review),
        attempts_section(review),
        hardware_section(review),
        warnings_section(review),
        timeline_section(review),
        settings_section(review),
        command_section(review),
        repeat_section(review),
        preflight_section(review),
        notes_section(review),
    )
    sections: tuple[Section, ...] = tuple(one for one in found if one is not None)
    spec = review.snapshot.spec
    name = spec.name if spec is not None else review.snapshot.id
    return Document(
        f"{name}: {headline(review.snapshot)}", lead_of(review), sections, front_of(review)
    )


def lead_of(review: Review) -> tuple[str, ...]:
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
            lines.append(f"Cure: {' '.join(changes)}")
    return tuple(lines)


def front_of(review: Review) -> tuple[tuple[str, object], ...]:
    """Front matter: plain scalars, for tools."""
    snapshot, facts = review.snapshot, review.losses
    status, spec = snapshot.status, snapshot.spec
    points = checklist(review)
    best = review.candidates[0].checkpoint.name if review.candidates else None
    return (
        ("plasma_tui_summary", SUMMARY_VERSION),
        ("run", snapshot.id),
        ("name", spec.name if spec is not None else None),
        ("state", str(snapshot.state)),
        ("outcome", str(snapshot.outcome) if snapshot.outcome is not None else None),
        ("cause", status.cause.key if status is not None and status.cause is not None else None),
        ("started", utc(status.started_at) if status is not None else None),
        ("ended", utc(status.ended_at) if status is not None else None),
        ("steps", status.step if status is not None else None),
        ("total_steps", status.total_steps if status is not None else None),
        ("epochs", status.epochs if status is not None else None),
        ("attempts", len(review.attempts)),
        ("device", status.device if status is not None else None),
        ("loss_last", finite(facts.last)),
        ("loss_smoothed", finite(facts.smooth)),
        ("first_nonfinite_step", facts.first_nonfinite_step),
        ("checkpoints", sum(1 for c in review.checkpoints if not c.removed)),
        ("best_checkpoint", best),
        ("points_passed", sum(1 for point in points if point.status == "pass")),
        ("points_failed", sum(1 for point in points if point.status == "fail")),
        ("output_dir", str(PurePath(spec.output_dir)) if spec and spec.output_dir else None),
        ("host", spec.host if spec is not None else None),
    )


def utc(at: float | None) -> str | None:
    """ISO 8601 in UTC: what tools sort and compare."""
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
