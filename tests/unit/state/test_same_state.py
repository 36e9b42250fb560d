"""One state, three ways to it: read live, replayed from the journal, read again from the console."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model import AttemptPlan, JournalEvent
from runner.model.events import AttemptSeen, ConsoleEvent, StepShown
from runner.state.attempt_state import AttemptState, StepRow, apply
from runner.state.journal_state import JournalState
from runner.state.step_mapper import StepMapper
from runner.state.translator import Translator
from runner.store.journal import events_of, number, step_row, step_rows
from tests import DATA

LOGS = sorted([*(DATA / "runs").glob("*.log"), *(DATA / "failures").glob("*.log")])
BASES = {"tiny_resume_skip.log": 400, "tiny_resume_noskip.log": 400, "tiny_v091_resume.log": 400}
BEGAN_AT = 1000.0


def clock(offset: int) -> float:
    """The same byte was printed at the same time, however it is read."""
    return BEGAN_AT + offset / 100_000


def attempts_of(log: Path) -> list[list[ConsoleEvent]]:
    """The parser's events, one list an attempt."""
    parser = ConsoleParser(launches=True)
    found: list[list[ConsoleEvent]] = [[]]
    for event in [*parser.feed(log.read_bytes()), *parser.finish()]:
        if isinstance(event, AttemptSeen):
            found.append([])
        else:
            found[-1].append(event)
    return [events for events in found if events]


def translator(attempt: int, base: int, *, catching_up: bool = False) -> Translator:
    return Translator(attempt, base_step=base, catching_up=catching_up)


class Exact:
    """Losses of an event file, as many as the bar has shown steps, in blocks of any size. Of a step whose
    average is not finite, the loss is not."""

    def __init__(self, seed: int, events: list[ConsoleEvent]) -> None:
        self._random = random.Random(seed)
        self._waiting: list[int] = []
        self._average = {e.shown_step: e.average for e in events if isinstance(e, StepShown)}
        self._losses: dict[int, float] = {}

    def show(self, made: Translator, event: StepShown) -> None:
        mapper, average = made.state.mapper, self._average[event.shown_step]
        step, zero = mapper.true_from_bar(event.shown_step), mapper.true_from_global(0)
        if step is None or zero is None or not event.shown_step or step <= zero:
            return
        x = step - zero
        if x not in self._losses:
            self._waiting.append(x)
            bad = average is not None and not math.isfinite(average)
            self._losses[x] = math.nan if bad else 1.0 / (x + 1)

    def come(self, made: Translator, now: float, *, all_of_them: bool = False) -> None:
        count = len(self._waiting) if all_of_them else self._random.randint(0, 3)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        for x in due:
            made.on_exact(x, self._losses[x], now, 1e-4)


def live(
    attempt: int, base: int, events: list[ConsoleEvent], exact: Exact | None
) -> tuple[Translator, bytes, bytes]:
    """As a supervisor reads: event by event, with losses in between. The journals' lines."""
    made, lines, rows = translator(attempt, base), b"", b""

    def write(now: float) -> None:
        nonlocal lines, rows
        for event in made.take_events(now):
            lines += msgspec.json.encode(event) + b"\n"
        for r in made.take_rows():
            at = None if r.at is None else r.at - BEGAN_AT
            rows += step_row(r.step, at, r.loss, r.average, r.lr, attempt)

    now = BEGAN_AT
    for event in events:
        now = clock(event.offset)
        made.on_console(event, now)
        if exact is not None and isinstance(event, StepShown):
            exact.show(made, event)
            exact.come(made, now)
        made.tick(now)
        write(now)
    if exact is not None:
        exact.come(made, now, all_of_them=True)
    made.finish()
    write(now)
    return made, lines, rows


def again(attempt: int, base: int, events: list[ConsoleEvent], exact: Exact | None) -> Translator:
    """As a supervisor reads what one before it has read: the whole console, then the whole event file."""
    made = translator(attempt, base, catching_up=True)
    for event in events:
        made.on_console(event, clock(event.offset))
        if exact is not None and isinstance(event, StepShown):
            exact.show(made, event)
    if exact is not None:
        exact.come(made, BEGAN_AT, all_of_them=True)
    made.finish()
    return made


def replayed(lines: bytes, rows: bytes, plans: dict[int, AttemptPlan]) -> JournalState:
    """By the journals alone: all events, then all rows."""
    state = JournalState(plans.get)
    found, bad = events_of(lines)
    assert not bad
    for event in found:
        state.apply(event)
    for step, _, loss, average, lr, attempt in step_rows(rows)[0]:
        row = StepRow(step, None, number(loss), number(average), number(lr))
        apply(state.attempts[attempt], row)
    return state


def facts(state: AttemptState) -> dict[str, Any]:
    """Every field, numbers as the journal writes them."""
    found = {field.name: getattr(state, field.name) for field in fields(state)}
    return {k: f"{v:.7g}" if isinstance(v, float) else v for k, v in found.items()}


def cases() -> Iterator[Any]:
    for log in LOGS:
        for exact in (False, True):
            yield pytest.param(log, exact, id=f"{log.stem}-{'exact' if exact else 'averages'}")


@pytest.mark.parametrize(("log", "with_exact"), cases())
def test_the_state_is_the_same_live_replayed_and_read_again(log: Path, with_exact: bool) -> None:
    plans: dict[int, AttemptPlan] = {}
    lines, rows = b"", b""
    first: dict[int, Translator] = {}
    second: dict[int, Translator] = {}
    base = BASES.get(log.name, 0)
    for attempt, events in enumerate(attempts_of(log), 1):
        plans[attempt] = AttemptPlan(attempt, (), {}, "/", None, None, base_step=base)
        ways = [Exact(attempt, events) if with_exact else None for _ in range(2)]
        made, more_lines, more_rows = live(attempt, base, events, ways[0])
        first[attempt], lines, rows = made, lines + more_lines, rows + more_rows
        second[attempt] = again(attempt, base, events, ways[1])
    state = replayed(lines, rows, plans)
    for attempt, made in first.items():
        assert facts(state.attempt(attempt)) == facts(made.state)
        expected, found = facts(made.state), facts(second[attempt].state)
        if with_exact:
            # between two states of the bar for one step, the exact loss may end its row: with the average of
            # the step before, which the first of them shows
            expected.pop("average"), found.pop("average")
        assert found == expected
        assert _files(second[attempt]) == _files(made)
        assert second[attempt].evidence.evidence() == made.evidence.evidence()
        assert second[attempt].bar == made.bar or "nan" in str(made.bar)


def _files(made: Translator) -> list[Any]:
    return [replace(one, loss=None) for one in made.checkpoints]


def test_the_newest_detail_of_a_phase_and_the_last_of_many_warnings_are_in_the_journal() -> None:
    """Thousands of each are applied; of the warnings beyond a number, and of details, few are written."""
    from runner.model import Phase
    from runner.model.events import PhaseChanged, WarningSeen

    events: list[ConsoleEvent] = [
        PhaseChanged(n, Phase.CACHING, f"latents {n}/500") for n in range(500)
    ]
    events += [WarningSeen(500 + n, "WARNING", f"warning {n}") for n in range(455)]
    made, lines, rows = live(1, 0, events, None)
    found = events_of(lines)[0]
    assert len([e for e in found if e.kind == "phase"]) == 2
    assert len([e for e in found if e.kind == "warning"]) == 200 + 2 + 1
    state = replayed(lines, rows, {}).attempt(1)
    assert (state.phase_detail, state.warnings) == ("latents 499/500", 455)
    assert facts(state) == facts(made.state)


def test_a_saved_checkpoint_proves_that_its_step_was_reached() -> None:
    """sd-scripts saves before its bar shows the step: a training that is killed then has trained it."""
    console = (
        "epoch 1/1\n\rsteps:  99%|#| 199/200 [00:19<00:00, 10.00it/s, avr_loss=0.1]\n"
        "saving checkpoint: /out/x-step00000200.safetensors\n"
    )
    parser = ConsoleParser()
    events = [*parser.feed(console.encode()), *parser.finish()]
    made, lines, rows = live(1, 0, events, None)
    assert (made.state.step, made.state.first_step) == (200, 199)
    assert facts(replayed(lines, rows, {}).attempt(1)) == facts(made.state)
    before = JournalState()
    for event in events_of(lines)[0]:
        before.apply(event)
    for step, _, _, average, _, _ in step_rows(rows)[0]:
        apply(before.attempts[1], StepRow(step, None, None, number(average)))
    assert before.attempt(1).step == 200


def test_a_checkpoint_of_the_step_that_was_resumed_from_is_no_step_of_the_attempt() -> None:
    state = AttemptState(2, StepMapper(200))
    data = {"name": "x-step00000200.safetensors", "path": "/out/x", "step": 200, "epoch": None}
    apply(state, JournalEvent(1.0, "checkpoint_saving", 2, None, data))
    assert (state.step, state.first_step, state.last_step) == (200, None, None)


def test_an_event_may_come_before_or_after_the_row_of_its_step() -> None:
    """The journals of events and of steps have no common order."""
    log = DATA / "runs" / "seed_full.log"
    made, lines, rows = live(1, 0, attempts_of(log)[0], None)
    before, after = JournalState(), JournalState()
    written: list[JournalEvent] = events_of(lines)[0]
    steps = [StepRow(r[0], None, number(r[2]), number(r[3]), None) for r in step_rows(rows)[0]]
    before.attempts[1] = AttemptState(1)
    for row in steps:
        apply(before.attempts[1], row)
    for event in written:
        before.apply(event)
        after.apply(event)
    for row in steps:
        apply(after.attempts[1], row)
    assert facts(before.attempt(1)) == facts(after.attempt(1)) == facts(made.state)
