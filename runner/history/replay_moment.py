"""The snapshot that a screen would have had at a moment of a recording. Pure except for reading journals."""

from __future__ import annotations

from dataclasses import replace

from runner.history.replay_recording import Recording
from runner.history.replay_rows import RowsThen
from runner.history.replay_timeline import Place
from runner.model import Alarm, AttemptStatus, Checkpoint, Outcome, RunSnapshot, RunState, Status
from runner.state.attempt_state import PAUSES, AttemptState, StepRow, apply
from runner.state.journal_state import JournalState
from runner.state.pace import WINDOW_STEPS, Pace
from runner.state.status import build_status, nonfinite_step
from runner.store.reader import EVENTS


def snapshot_at(recording: Recording, play_s: float) -> RunSnapshot:
    """At the end, the run as it is recorded; before, as it was."""
    if play_s >= recording.timeline.length_s:
        return recording.final
    place = recording.timeline.place(play_s)
    count = recording.events.count_at(place.at)
    rows = recording.rows.then(place.at)
    samples, use = recording.hardware.then(place.at)
    status = _status(recording, place, recording.events.state(count), rows)
    status = replace(status, hardware=use, sample=samples[-1] if samples else None)
    offset = recording.console.offset_at(place.at, rows.count)
    return replace(
        recording.final,
        read_at=place.at,
        state=status.state,
        status=status,
        outcome=status.outcome,
        loss=rows.series,
        hardware=samples,
        events=recording.events.events[max(0, count - EVENTS) : count],
        console=recording.console.lines(offset),
        console_version=offset,
        supervisor_alive=status.state is not RunState.ENDED,
        plan=recording.plan(place.attempt),
    )


def _status(recording: Recording, place: Place, journal: JournalState, rows: RowsThen) -> Status:
    attempt = place.attempt
    state = _state(recording, attempt, journal, rows)
    attempts = _attempts(recording, state, place)
    over, ended = place.pause_s is not None, attempts[-1].exit if attempts else None
    running = RunState.STOPPING if state.stopping else RunState.RUNNING
    bad: int | None = None
    for number in sorted(n for n in journal.attempts if n <= attempt):
        one = journal.attempts[number]
        bad = nonfinite_step(bad, one.mapper.base_step, one.first_nonfinite_step)
    status = build_status(
        place.at,
        state,
        recording.plan(attempt),
        run_state=RunState.ENDED if over else running,
        attempts=attempts,
        checkpoints=_checkpoints(recording, journal, place),
        alarms=_alarms(recording, journal, state),
        pace=_pace(recording, attempt, rows.count, place.at),
        total_steps=state.total_steps,
        began_at=recording.begin_at,
        ended_at=ended.at if ended is not None else None,
        first_nonfinite_step=bad,
    )
    told = str((state.ended or {}).get("outcome"))
    known = over and told in {str(one) for one in Outcome}
    return replace(status, outcome=Outcome(told) if known else None)


def _state(
    recording: Recording, attempt: int, journal: JournalState, rows: RowsThen
) -> AttemptState:
    """From events, and the first and newest rows."""
    state, first = (
        journal.attempt(attempt).copy(),
        recording.rows.first_row.get(attempt, rows.count),
    )
    newest = rows.series.last_step
    if first < rows.count and newest is not None:
        apply(state, StepRow(recording.rows.steps[first], None, None, None, None))
        apply(state, StepRow(newest, None, rows.loss, rows.average, None))
    return state


def _attempts(recording: Recording, state: AttemptState, place: Place) -> tuple[AttemptStatus, ...]:
    """Earlier ones as they ended; the current one without its end."""
    made = []
    for one in recording.attempts:
        if one.attempt == place.attempt:
            first = one.first_step if state.first_step is not None else None
            exit_ = one.exit if place.pause_s is not None else None
            one = replace(one, last_step=None, first_step=first, exit=exit_)
        if one.attempt <= place.attempt:
            made.append(one)
    return tuple(made)


def _checkpoints(
    recording: Recording, journal: JournalState, place: Place
) -> tuple[Checkpoint, ...]:
    """Files written by then, with what was known of them."""
    final, now, ever = recording.final.status, journal.files, recording.events.last.files
    return tuple(
        now.as_known(one, ever)
        for one in (final.checkpoints if final is not None else ())
        if one.attempt <= place.attempt and now.knows(one, ever, place.at)
    )


def _alarms(recording: Recording, journal: JournalState, state: AttemptState) -> tuple[Alarm, ...]:
    """Of earlier attempts, only those about steps that still count; none is active."""
    made = []
    for raised_in, alarm in journal.alarms.values():
        if raised_in == state.attempt:
            made.append(alarm)
        elif alarm.step is None or alarm.step <= state.mapper.base_step:
            over_at = alarm.over_at or recording.ended_at(raised_in) or alarm.since_at
            made.append(replace(alarm, over_at=over_at))
    return tuple(made)


def _pace(recording: Recording, attempt: int, count: int, at: float) -> Pace:
    """Measured as the supervisor did: steps against the clock, without the pauses."""
    pace = Pace()
    recent = recording.rows.recent(attempt, count, WINDOW_STEPS + 50)
    since = recent[1][1] if len(recent) > 1 else at
    phases = recording.events.phases.get(attempt, ())
    breaks = [began for began, phase in phases if phase in PAUSES and since <= began <= at]
    for step, when in recent:
        while breaks and breaks[0] <= when:
            pace.pause(breaks.pop(0))
        pace.on_step(step, when)
    for began in breaks:
        pace.pause(began)
    return pace
