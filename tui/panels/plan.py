"""What a configuration would start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.reactive import reactive

from runner.model import Expectation, Forecast, RunSnapshot, RunSpec, RunState
from runner.model.lean import dataclass
from runner.model.units import UNKNOWN, count, duration, file_size, memory_size, pace
from tui.backend.results import Plan
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.panel import ScrollingPanel
from tui.panels.header import Header, header_of, ready_header
from tui.panels.preflight import check_row, detail_rows
from tui.text import clean, crop, wrap
from tui.words.checklist import PreflightRow, preflight_list

if TYPE_CHECKING:
    from runner.control.gate import GateStatus


# ---------------------------------------------------------------------------
# Before a run exists: what its configuration amounts to, in the shapes that the panels know.


def planned_snapshot(plan: Plan) -> RunSnapshot:
    """A snapshot that holds the forecast alone: no status, no step, nothing measured."""
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


def planned_header(plan: Plan | None) -> Header:
    """`None`: plasma.toml is being read."""
    if plan is None:
        return header_of(None)
    forecast = plan.forecast
    return ready_header(
        plan.name,
        forecast.steps if forecast is not None else None,
        forecast.epochs if forecast is not None else None,
        usable=plan.problem is None,
    )


# ---------------------------------------------------------------------------
# Before a run: the forecast in numbers with their sources, the gate in words, the last smoke test.


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A number (`label`, `value`, and in `note` where it comes from), or a sentence (`value` alone)."""

    value: str
    label: str = ""
    note: str = ""
    role: str = "text"


@dataclass(frozen=True, slots=True)
class PlanPart:
    """Lines under a heading; `checks` are lines of a verdict."""

    title: str
    lines: tuple[PlanLine, ...] = ()
    checks: tuple[PreflightRow, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanBoard:
    """`note` stands in the rule. `parts` in the order of their worth."""

    parts: tuple[PlanPart, ...] = ()
    note: str = ""


def plan_board(plan: Plan | None) -> PlanBoard:
    """What a start would do, or everything that keeps the file from being read."""
    if plan is None:
        return PlanBoard((PlanPart("", (PlanLine("Reading plasma.toml.", role="dim"),)),))
    if plan.problems or plan.problem:
        return _broken(plan)
    parts = [PlanPart("", _numbers(plan.forecast, plan.expect))]
    if plan.gate_status is not None:
        parts.append(PlanPart("", gate_lines(plan.gate_status)))
    if plan.smoke_lines:
        verdict = preflight_list(plan.smoke_lines)
        parts.append(PlanPart(f"Last smoke test: {verdict.summary}", checks=verdict.rows))
    notes = [PlanLine(clean(text, 600), role="warn") for text in _warnings(plan)]
    if notes:
        parts.append(PlanPart("To know", tuple(notes)))
    return PlanBoard(tuple(parts))


def _broken(plan: Plan) -> PlanBoard:
    """All problems of the file; the place without the folders that lead to it."""
    found = plan.problems or (plan.problem or "",)
    lines = [PlanLine(clean(text, 600), role="bad") for text in found]
    lines.append(PlanLine("e opens the file; it is read again when it has changed.", role="accent"))
    return PlanBoard((PlanPart("", tuple(lines)),), count(len(found), "problem"))


def _warnings(plan: Plan) -> Sequence[str]:
    forecast = plan.forecast.warnings if plan.forecast is not None else ()
    return (*forecast, *plan.notes)


# --------------------------------------------------------------------------- numbers


def _numbers(forecast: Forecast | None, expect: Expectation | None) -> tuple[PlanLine, ...]:
    """Steps first; what nobody knows is called so."""
    found = forecast or Forecast()
    said = found.sources

    def line(label: str, value: str, *fields: str, role: str = "text") -> PlanLine:
        note = next((clean(said[name], 300) for name in fields if said.get(name)), "")
        return PlanLine(value, label, note, "dim" if value == UNKNOWN else role)

    steps = UNKNOWN if found.steps is None else str(found.steps)
    lines = [line("steps", steps, "steps", role="strong"), *_expected(found, expect)]
    lines.append(line("images", _images(found), "images"))
    per_epoch = found.batches_per_epoch
    epochs = UNKNOWN if found.epochs is None else str(found.epochs)
    if found.epochs is not None and per_epoch is not None:
        epochs = f"{epochs} of {count(per_epoch, 'batch').replace('batchs', 'batches')}"
    lines.append(line("epochs", epochs, "epochs", "batches_per_epoch"))
    lines += [
        line("files", _files(found), "checkpoints", "checkpoint_bytes"),
        line("on disk", file_size(found.size_bytes), "size_bytes", "checkpoint_bytes"),
        line("time", duration(found.duration_s), "duration_s", "seconds_per_step"),
    ]
    if found.seconds_per_step is not None:
        lines.append(line("pace", pace(found.seconds_per_step), "seconds_per_step"))
    lines.append(line("memory", memory_size(found.memory_bytes), "memory_bytes"))
    if found.samples:
        lines.append(line("samples", count(found.samples, "image"), "samples"))
    return tuple(lines)


def _expected(found: Forecast, expect: Expectation | None) -> list[PlanLine]:
    """[expect] says something else."""
    if expect is None:
        return []
    lines = []
    for label, wanted, got in (
        ("steps", expect.steps, found.steps),
        ("images", expect.images, found.images),
    ):
        if wanted is not None and got is not None and wanted != got:
            lines.append(PlanLine(f"{got} {label}, [expect] says {wanted}", role="warn"))
    return lines


def _images(found: Forecast) -> str:
    if found.images is None:
        return UNKNOWN
    reg = f" and {found.reg_images} for regularisation" if found.reg_images else ""
    return f"{found.images}{reg}"


def _files(found: Forecast) -> str:
    if not found.checkpoints:
        return UNKNOWN if found.steps is None else "none"
    size = f" of {file_size(found.checkpoint_bytes)}" if found.checkpoint_bytes else ""
    states = sum(one.state_name is not None for one in found.checkpoints)
    with_states = f", {count(states, 'state')}" if states else ""
    return f"{count(len(found.checkpoints), 'checkpoint')}{size}{with_states}"


# --------------------------------------------------------------------------- the gate


def gate_lines(gate: GateStatus) -> tuple[PlanLine, ...]:
    """What stands between this configuration and its long run, and which key goes on."""
    if not gate.needed:
        return (PlanLine("No smoke test is asked for: [smoke] gate is off.", role="dim"),)
    if gate.open:
        return (PlanLine(f"Gate open: {clean(gate.text, 200)}. s starts.", role="good"),)
    return (PlanLine(gate_sentence(gate), role="warn"),)


def gate_sentence(gate: GateStatus) -> str:
    """The state of a closed gate, with the key that goes on."""
    run = clean(gate.smoke_run, 80)
    if gate.smoke_run is None:
        return "Before the long run: a smoke test with these settings. t starts it."
    if gate.smoke_passed:
        return f"Smoke test {run} passed and waits for your approval: y."
    if not gate.smoke_ended:
        return f"Smoke test {run} has not ended yet; h opens it."
    return f"Smoke test {run} did not pass; t tries again, h opens it."


# ---------------------------------------------------------------------------
# Rows of what a configuration would start.

LABEL = 9
#: the sources stand beside their numbers from this width on
WIDE = 60


def board_rows(board: PlanBoard, width: int, details: bool) -> list[Row]:
    """All rows. `details`: with the source of every number and the whole verdict."""
    rows: list[Row] = []
    for part in board.parts:
        if rows:
            rows.append(EMPTY)
        rows += _part_rows(part, width, details)
    return rows


def _part_rows(part: PlanPart, width: int, details: bool) -> list[Row]:
    rows: list[Row] = []
    if part.title:
        rows.append((Span(f" {crop(part.title, width - 2)}", "title"),))
    for line in part.lines:
        rows += _number_rows(line, width, details) if line.label else _sentence(line, width)
    longest = max((cell_len(row.title) for row in part.checks), default=0)
    for check in part.checks:
        rows.append(check_row(check, width, longest, False))
        if details or check.role == "bad":
            rows += detail_rows(check, width) if check.detail != check.evidence else []
    return rows


def _number_rows(line: PlanLine, width: int, details: bool) -> list[Row]:
    """The source beside the number where there is room, under it where there is time for it."""
    value = crop(line.value, width - LABEL - 2)
    head: Row = (cell(f" {line.label}", LABEL + 1, "dim"), Span(value, line.role))
    room = width - LABEL - 2 - cell_len(value) - 2
    if not line.note:
        return [head]
    if cell_len(line.note) <= room or (width >= WIDE and not details and room > 20):
        return [(*head, Span("  " + crop(line.note, room), "dim"))]
    if not details:
        return [(*head, Span("  " + crop(line.note, room), "dim"))] if room > 12 else [head]
    indent = " " * (LABEL + 1)
    under = wrap(line.note, width - LABEL - 2)
    return [head, *((Span(indent), Span(text, "dim")) for text in under)]


def _sentence(line: PlanLine, width: int) -> list[Row]:
    return [(Span(" "), Span(text, line.role)) for text in wrap(line.value, width - 2)]


# ---------------------------------------------------------------------------
# What a configuration would start: in the place of the loss, before there is one.


class PlanPanel(ScrollingPanel):
    """`details`: with the source of every number (zoomed)."""

    TITLE = "Forecast"
    FOLLOWS = False

    model: reactive[PlanBoard] = reactive(PlanBoard(), layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        return (Span(self.model.note, "bad"),) if self.model.note else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        rows = board_rows(self.model, width, self.details)
        top = self.window(len(rows), height, 0)
        shown = rows[top : top + height]
        hidden = len(rows) - top - height
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more", "dim"),)
        return shown
