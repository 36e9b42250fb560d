"""The snapshot that a screen would have had at a moment of a recording. Pure but for reading its journals."""

from __future__ import annotations

from dataclasses import replace

from runner.history.replay_events import Reported
from runner.history.replay_recording import Recording
from runner.history.replay_rows import RowsThen
from runner.history.replay_timeline import Place
from runner.model import (
    Alarm,
    AttemptStatus,
    Checkpoint,
    Outcome,
    RunSnapshot,
    RunState,
    Status,
)
from runner.state.attempt_state import PAUSES, AttemptState, StepRow, apply
from runner.state.pace import WINDOW_STEPS, Pace
from runner.state.status import build_status, nonfinite_step
from runner.store.reader import EVENTS


def snapshot_at(recording: Recording, play_s: float) -> RunSnapshot:
    """At the end, the run as it is recorded; before, as it was."""
    if play_s >= recording.timeline.length_s:
        return recording.final
    place = recording.timeline.place(play_s)
    count = recording.events.count_at(place.at)
    reported, rows = recording.events.reported(count), recording.rows.then(place.at)
    samples, use = recording.hardware.then(place.at)
    status = _status(recording, place, reported, rows)
    status = replace(status, hardware=use, sample=samples[-1] if samples else None)
    offset = recording.console.offset_at(place.at, rows.count)
    lines = recording.console.lines(offset)
    return replace(
        recording.final,
        read_at=place.at,
        state=status.state,
        status=status,
        outcome=status.outcome,
        loss=rows.series,
        hardware=samples,
        events=recording.events.events[max(0, count - EVENTS) : count],
        console=lines,
        console_version=offset,
        supervisor_alive=status.state is not RunState.ENDED,
        plan=recording.plan(place.attempt),
    )


def _status(recording: Recording, place: Place, reported: Reported, rows: RowsThen) -> Status:
    attempt, plan = place.attempt, recording.plan(place.attempt)
    state = _state(recording, attempt, reported, rows)
    attempts = _attempts(recording, attempt, state, place)
    over, ended = place.pause_s is not None, attempts[-1].exit if attempts else None
    running = RunState.STOPPING if state.stopping else RunState.RUNNING
    status = build_status(
        place.at,
        state,
        plan,
        run_state=RunState.ENDED if over else running,
        attempts=attempts,
        checkpoints=recording.events.checkpoints(reported, place.at, attempt, _files(recording)),
        alarms=_alarms(recording, reported, attempt, state.mapper.base_step),
        pace=_pace(recording, attempt, rows.count, place.at),
        total_steps=state.total_steps,
        began_at=recording.begin_at,
        ended_at=ended.at if ended is not None else None,
        first_nonfinite_step=_nonfinite_step(recording, reported, attempt),
    )
    return replace(status, outcome=_outcome(state) if over else None)


def _state(recording: Recording, attempt: int, reported: Reported, rows: RowsThen) -> AttemptState:
    """By the events, and by the newest of the rows."""
    state = reported.state.attempt(attempt).copy()
    first_row = recording.rows.first_row.get(attempt, rows.count)
    newest = rows.series.last_step
    if first_row < rows.count and newest is not None:
        apply(state, StepRow(recording.rows.steps[first_row], None, None, None, None))
        apply(state, StepRow(newest, None, rows.loss, rows.average, None))
    return state


def _nonfinite_step(recording: Recording, reported: Reported, attempt: int) -> int | None:
    found: int | None = None
    for number in sorted(n for n in reported.state.attempts if n <= attempt):
        plan, own = recording.plan(number), reported.state.attempts[number].first_nonfinite_step
        found = nonfinite_step(found, plan.base_step if plan is not None else 0, own)
    return found


def _files(recording: Recording) -> tuple[Checkpoint, ...]:
    status = recording.final.status
    return status.checkpoints if status is not None else ()


def _pace(recording: Recording, attempt: int, count: int, at: float) -> Pace:
    """Measured as the supervisor did: steps against the clock, without the pauses."""
    pace = Pace()
    recent = recording.rows.recent(attempt, count, WINDOW_STEPS + 50)
    since = recent[1][1] if len(recent) > 1 else at
    breaks = [
        began
        for began, phase in recording.events.phases(attempt)
        if phase in PAUSES and since <= began <= at
    ]
    for step, when in recent:
        while breaks and breaks[0] <= when:
            pace.pause(breaks.pop(0))
        pace.on_step(step, when)
    for began in breaks:
        pace.pause(began)
    return pace


def _attempts(
    recording: Recording, attempt: int, state: AttemptState, place: Place
) -> tuple[AttemptStatus, ...]:
    """Those before as they ended; the present one without its end."""
    made = [one for one in recording.attempts if one.attempt < attempt]
    for one in recording.attempts:
        if one.attempt == attempt:
            now = replace(
                one,
                last_step=None,
                first_step=one.first_step if state.first_step is not None else None,
            )
            made.append(now if place.pause_s is None else replace(now, exit=one.exit))
            if place.pause_s is None:
                made[-1] = replace(made[-1], exit=None)
    return tuple(made)


def _alarms(recording: Recording, reported: Reported, attempt: int, base: int) -> tuple[Alarm, ...]:
    """Of attempts before, only those about steps that still count; none of them stands any more."""
    made = []
    for raised_in, alarm in reported.alarms.values():
        if raised_in == attempt:
            made.append(alarm)
        elif alarm.step is None or alarm.step <= base:
            over_at = alarm.over_at or recording.ended_at(raised_in) or alarm.since_at
            made.append(replace(alarm, over_at=over_at))
    return tuple(made)


def _outcome(state: AttemptState) -> Outcome | None:
    try:
        return Outcome(str((state.ended or {}).get("outcome")))
    except ValueError:
        return None
