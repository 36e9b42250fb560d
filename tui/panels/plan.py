"""What plasma.toml would start: forecast, smoke test, notes; or the problems of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.reactive import reactive

from runner.model import Expectation, Forecast, RunSnapshot, RunSpec, RunState
from runner.model.units import UNKNOWN, count, duration, file_size, memory_size, pace
from tui.backend.results import Plan
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.panel import ScrollingPanel
from tui.panels.header import Header, header_of, ready_header
from tui.panels.preflight import check_row, detail_rows
from tui.text import clean, crop, wrap
from tui.words.checklist import Checklist, preflight_list
from tui.words.state import CHECKING, NOT_READY

if TYPE_CHECKING:
    from runner.control.gate import GateStatus

# ----------------------------------------------------------------- shapes of other panels


def planned_snapshot(plan: Plan) -> RunSnapshot:
    """A snapshot that holds the forecast alone."""
    spec = RunSpec(
        id="",
        name=clean(plan.name),
        command=(),
        cwd="",
        env={},
        created_at=0.0,
        host="",
        forecast=plan.forecast,
    )
    return RunSnapshot(
        id="", path="", read_at=0.0, state=RunState.STARTING, spec=spec, preflight=plan.checks
    )


def planned_header(plan: Plan | None, checklist: Checklist) -> Header:
    """`None`: plasma.toml is being read. Ready only if the verdict says so, too."""
    if plan is None:
        return header_of(None)
    found = plan.forecast or Forecast()
    usable = plan.problem is None
    header = ready_header(plan.name, found.steps, found.epochs, usable=usable)
    if usable and checklist.failed:
        return replace(header, state=NOT_READY)
    return replace(header, state=CHECKING) if usable and checklist.running else header


# ----------------------------------------------------------------- sentences


def gate_lines(gate: GateStatus) -> tuple[str, str]:
    """What the long run still needs, and its role."""
    if not gate.needed:
        return "No smoke test required: [smoke] gate is off.", "dim"
    if gate.open:
        return f"Gate open: {clean(gate.text, 200)}. s starts.", "good"
    return gate_sentence(gate), "warn"


def gate_sentence(gate: GateStatus) -> str:
    """The state of a closed gate, with the key that continues."""
    run = clean(gate.smoke_run, 80)
    if gate.smoke_run is None:
        return "Before the long run: a smoke test with these settings. t starts it."
    if gate.smoke_passed:
        return f"Smoke test {run} passed and waits for your approval: y."
    if not gate.smoke_ended:
        return f"Smoke test {run} has not ended yet; h opens it."
    return f"Smoke test {run} did not pass; t retries, h opens it."


# ----------------------------------------------------------------- rows

LABEL = 9


def plan_rows(plan: Plan | None, width: int, details: bool) -> list[Row]:
    """Parts with blank rows between them. `details`: with every source in full and the smoke test's verdict
    line by line."""
    if plan is None:
        return _text("Reading plasma.toml…", "dim", width)
    problems = plan.problems or ((plan.problem,) if plan.problem else ())
    if problems:
        rows = [row for text in problems for row in _text(clean(text, 600), "bad", width)]
        return [*rows, *_text("e opens the file; saving it checks it again.", "accent", width)]
    parts = [
        _numbers(plan.forecast or Forecast(), plan.expect, width, details),
        _text(*gate_lines(plan.gate_status), width) if plan.gate_status is not None else [],
        _smoke(plan, width, details) if plan.smoke_lines else [],
        _notes(plan, width),
    ]
    return [row for part in parts if part for row in (EMPTY, *part)][1:]


def _text(text: str, role: str, width: int) -> list[Row]:
    return [(Span(" "), Span(line, role)) for line in wrap(text, width - 2)]


def _head(text: str, width: int) -> Row:
    return (Span(f" {crop(text, width - 2)}", "title"),)


def _smoke(plan: Plan, width: int, details: bool) -> list[Row]:
    verdict = preflight_list(plan.smoke_lines)
    rows = [_head(f"Last smoke test: {verdict.summary}", width)]
    longest = max(cell_len(check.title) for check in verdict.rows)
    for check in verdict.rows:
        rows.append(check_row(check, width, longest))
        if (details or check.role == "bad") and check.detail != check.evidence:
            rows += detail_rows(check, width)
    return rows


def _notes(plan: Plan, width: int) -> list[Row]:
    warnings = plan.forecast.warnings if plan.forecast is not None else ()
    rows = [
        row for note in (*warnings, *plan.notes) for row in _text(clean(note, 600), "warn", width)
    ]
    return [_head("Notes", width), *rows] if rows else []


def _numbers(found: Forecast, expect: Expectation | None, width: int, details: bool) -> list[Row]:
    rows: list[Row] = []
    for label, value, *sources in _forecast_lines(found):
        note = next((clean(found.sources[s], 300) for s in sources if found.sources.get(s)), "")
        role = "dim" if value == UNKNOWN else "strong" if label == "steps" else "text"
        rows += _number(label, value, note, role, width, details)
        if label == "steps" and expect is not None:
            for what, wanted, got in (
                ("steps", expect.steps, found.steps),
                ("images", expect.images, found.images),
            ):
                if wanted is not None and got is not None and wanted != got:
                    rows += _text(f"{got} {what}, [expect] says {wanted}", "warn", width)
    return rows


def _forecast_lines(found: Forecast) -> Iterator[tuple[str, ...]]:
    """Label, value, and the fields that its source may be recorded under."""
    yield "steps", UNKNOWN if found.steps is None else str(found.steps), "steps"
    reg = f" and {found.reg_images} for regularisation" if found.reg_images else ""
    yield "images", UNKNOWN if found.images is None else f"{found.images}{reg}", "images"
    epochs = UNKNOWN if found.epochs is None else str(found.epochs)
    if found.epochs is not None and found.batches_per_epoch is not None:
        batches = found.batches_per_epoch
        epochs += f" of {batches} batch{'es' * (batches != 1)}"
    yield "epochs", epochs, "epochs", "batches_per_epoch"
    yield "files", _files(found), "checkpoints", "checkpoint_bytes"
    yield "on disk", file_size(found.size_bytes), "size_bytes", "checkpoint_bytes"
    yield "time", duration(found.duration_s), "duration_s", "seconds_per_step"
    if found.seconds_per_step is not None:
        yield "pace", pace(found.seconds_per_step), "seconds_per_step"
    yield "memory", memory_size(found.memory_bytes), "memory_bytes"
    if found.samples:
        yield "samples", count(found.samples, "image"), "samples"


def _files(found: Forecast) -> str:
    if not found.checkpoints:
        return UNKNOWN if found.steps is None else "none"
    size = f" of {file_size(found.checkpoint_bytes)}" if found.checkpoint_bytes else ""
    states = sum(one.state_name is not None for one in found.checkpoints)
    with_states = f", {count(states, 'state')}" if states else ""
    return f"{count(len(found.checkpoints), 'checkpoint')}{size}{with_states}"


def _number(label: str, value: str, note: str, role: str, width: int, details: bool) -> list[Row]:
    """The source beside the number, cropped; with `details` in full, below the number if need be."""
    value = crop(value, width - LABEL - 2)
    head: Row = (cell(f" {label}", LABEL + 1, "dim"), Span(value, role))
    room = width - LABEL - 2 - cell_len(value) - 2
    if not note:
        return [head]
    if cell_len(note) <= room or (not details and room > 12):
        return [(*head, Span("  " + crop(note, room), "dim"))]
    if not details:
        return [head]
    indent = Span(" " * (LABEL + 1))
    return [head, *((indent, Span(text, "dim")) for text in wrap(note, width - LABEL - 2))]


class PlanPanel(ScrollingPanel):
    """In the place of the loss until a run is open. `details`: zoomed, or on a high screen."""

    TITLE = "Forecast"
    FOLLOWS = False

    model: reactive[Plan | None] = reactive(None, layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    watch_details = watch_model

    def note(self) -> Row:
        number = len(self.model.problems) if self.model is not None else 0
        return (Span(count(number, "problem"), "bad"),) if number else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        rows = plan_rows(self.model, width, self.details)
        top = self.window(len(rows), height, 0)
        shown = rows[top : top + height]
        hidden = len(rows) - top - height
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more", "dim"),)
        return shown
