"""`inspect` as text: the verdict with its cause first, then the figures that the log has. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.analysis.diagnosis.titles import cause_title
from runner.model.units import count, loss
from tui.text import clean
from tui.words.cause import cure_of

if TYPE_CHECKING:
    from runner.history.inspect import InspectReport

_LABEL_CELLS = 14
#: so many names of checkpoints are printed, then how many more there are
_NAMES = 6


def inspect_lines(report: InspectReport) -> Iterator[str]:
    """All text of the log is cleaned."""
    outcome, cause = report.outcome, report.cause
    head = f"{outcome}".replace("_", " ") if outcome is not None else "no verdict"
    yield f"{head}: {cause_title(cause.key)}" if cause is not None else head
    said = [] if cause is None else [cause.evidence, cause.advice]
    said += [reason for reason in report.reasons if reason not in said]
    yield from (f"  {clean(text)}" for text in said if text)
    if cause is not None and (changes := cure_of(cause)):
        yield f"  fix: {', '.join(changes)}"
    yield ""
    yield from (f"{name:<{_LABEL_CELLS}}{clean(text)}" for name, text in _figures(report) if text)


def _figures(report: InspectReport) -> Iterator[tuple[str, str]]:
    total = f" of {report.total_steps}" if report.total_steps else ""
    yield "steps", f"{report.steps_seen}{total}"
    yield "epochs", _epochs(report)
    yield "images", str(report.images or "")
    yield "device", report.device or ""
    if report.last_average_loss is not None:
        yield "average loss", loss(report.last_average_loss)
    if report.first_nonfinite_step is not None:
        yield "first NaN", f"step {report.first_nonfinite_step}"
    yield "checkpoints", _names(report.checkpoints)
    yield "model saved", "yes" if report.model_saved else "no"
    unknown = f", {report.unknown_lines} not understood" if report.unknown_lines else ""
    yield "log", f"{count(report.lines, 'line')}{unknown}"


def _epochs(report: InspectReport) -> str:
    if report.epochs is None:
        return ""
    batches = f" of {report.batches_per_epoch} batches" if report.batches_per_epoch else ""
    return f"{report.epochs}{batches}"


def _names(names: tuple[str, ...]) -> str:
    if len(names) <= _NAMES:
        return ", ".join(names)
    shown = [*names[: _NAMES - 1], names[-1]]
    return f"{', '.join(shown[:-1])}, {len(names) - _NAMES} more, {shown[-1]}"
