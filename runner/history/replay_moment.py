"""The snapshot that a screen would have had at a moment of a recording. Pure but for reading its journals."""

from __future__ import annotations

from dataclasses import replace

from runner.history.replay_events import Told, Words
from runner.history.replay_recording import Recording
from runner.history.replay_rows import RowsThen
from runner.history.replay_timeline import Place
from runner.model import (
    Alarm,
    AttemptPlan,
    AttemptStatus,
    Checkpoint,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
    Status,
)
from runner.state.lineage import resumable, safe_step
from runner.state.pace import WINDOW_STEPS, Pace
from runner.state.progress import PAUSES
from runner.store.reader import EVENTS


def snapshot_at(recording: Recording, play_s: float) -> RunSnapshot:
    """At the end, the run as it is recorded; before, as it was."""
    if play_s >= recording.timeline.length_s:
        return recording.final
    place = recording.timeline.place(play_s)
    count = recording.events.count_at(place.at)
    told, rows = recording.events.told(count), recording.rows.then(place.at)
    samples, use = recording.hardware.then(place.at)
    status = _status(recording, place, told, rows)
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


def _status(recording: Recording, place: Place, told: Told, rows: RowsThen) -> Status:
    attempt, words = place.attempt, told.words_of(place.attempt)
    plan = recording.plan(attempt)
    base = plan.base_step if plan is not None else 0
    trains = recording.rows.first_row.get(attempt, rows.count) < rows.count
    step = (rows.series.last_step or base) if trains else base
    total = _total(words, plan)
    pace = _pace(recording, attempt, rows.count, place.at)
    checkpoints = recording.events.checkpoints(told, place.at, attempt, _files(recording))
    attempts = _attempts(recording, attempt, trains, place)
    epoch, epochs = _epochs(words, plan, step, total)
    over = place.pause_s is not None
    state = RunState.STOPPING if words.stopping else RunState.RUNNING
    return Status(
        state=RunState.ENDED if over else state,
        attempt=attempt,
        heartbeat_at=place.at,
        phase=words.phase,
        phase_detail=words.phase_detail,
        phase_since=words.phase_since,
        outcome=_outcome(words) if over else None,
        step=step,
        total_steps=total,
        epoch=epoch,
        epochs=epochs,
        batches_per_epoch=words.banner.get("batches_per_epoch"),
        device=words.device,
        loss=rows.loss if trains else None,
        average=rows.average if trains else None,
        first_nonfinite_step=words.nonfinite_step,
        seconds_per_step=pace.seconds_per_step,
        eta_s=None if over else pace.eta_s(step, total, place.at),
        started_at=attempts[0].started_at if attempts else recording.begin_at,
        trained_s=sum(_lasted_s(one, recording, place) for one in attempts),
        saving_since=words.phase_since if words.phase is Phase.SAVING and not over else None,
        stop_after_save=words.stop_after_save,
        safe_step=safe_step(resumable(checkpoints, attempts, plan.state_path if plan else None)),
        attempts=attempts,
        checkpoints=checkpoints,
        warnings=words.warnings,
        last_warning=words.last_warning,
        alarms=_alarms(recording, told, attempt, base),
        stop_by=words.stop_by,
    )


def _files(recording: Recording) -> tuple[Checkpoint, ...]:
    status = recording.final.status
    return status.checkpoints if status is not None else ()


def _total(words: Words, plan: AttemptPlan | None) -> int | None:
    """By the banner; a trainer that knows nothing of what came before tells the rest."""
    told = words.banner.get("total_steps")
    return None if told is None else told + (plan.origin_step if plan is not None else 0)


def _epochs(
    words: Words, plan: AttemptPlan | None, step: int, total: int | None
) -> tuple[int | None, int | None]:
    """As the trainer said; of the whole run where it began to count in the middle of it."""
    batches = words.banner.get("batches_per_epoch")
    if plan is None or not plan.origin_step or not batches or total is None:
        return words.epoch, words.epochs or words.banner.get("epochs")
    per_epoch = -(-batches // max(1, words.banner.get("accumulation", 1)))
    return max(0, step - 1) // per_epoch + 1, -(-total // per_epoch)


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
    recording: Recording, attempt: int, trains: bool, place: Place
) -> tuple[AttemptStatus, ...]:
    """Those before as they ended; the present one without its end."""
    made = [one for one in recording.attempts if one.attempt < attempt]
    for one in recording.attempts:
        if one.attempt == attempt:
            now = replace(one, last_step=None, first_step=one.first_step if trains else None)
            made.append(now if place.pause_s is None else replace(now, exit=one.exit))
            if place.pause_s is None:
                made[-1] = replace(made[-1], exit=None)
    return tuple(made)


def _lasted_s(one: AttemptStatus, recording: Recording, place: Place) -> float:
    end_at = one.exit.at if one.exit is not None else None
    if end_at is None and one.attempt == place.attempt:
        end_at = place.at
    return max(0.0, (end_at or one.started_at) - one.started_at)


def _alarms(recording: Recording, told: Told, attempt: int, base: int) -> tuple[Alarm, ...]:
    """Of attempts before, only those about steps that still count; none of them stands any more."""
    made = []
    for raised_in, alarm in told.alarms.values():
        if raised_in == attempt:
            made.append(alarm)
        elif alarm.step is None or alarm.step <= base:
            over_at = alarm.over_at or recording.ended_at(raised_in) or alarm.since_at
            made.append(replace(alarm, over_at=over_at))
    return tuple(made)


def _outcome(words: Words) -> Outcome | None:
    try:
        return Outcome(str((words.ended or {}).get("outcome")))
    except ValueError:
        return None
