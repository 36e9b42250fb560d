"""What the guard found: alarms of this moment, and those that are over."""

from __future__ import annotations

from runner.model import Alarm, AlarmKind, RunSnapshot
from runner.model.units import count
from runner.state.alarms import is_mild
from tui.text import capital, clean
from tui.words.clauses import Clause
from tui.words.progress import first_nonfinite, is_live, nan_since

#: the worst first
_ORDER = (
    AlarmKind.NONFINITE,
    AlarmKind.GPU_TROUBLE,
    AlarmKind.DIVERGING,
    AlarmKind.STALLED,
    AlarmKind.FROZEN,
    AlarmKind.NOT_LOADED,
    AlarmKind.WRONG_DEVICE,
    AlarmKind.DISK_LOW,
    AlarmKind.GPU_MEMORY_LOW,
    AlarmKind.MEMORY_LOW,
    AlarmKind.GPU_IDLE,
    AlarmKind.SLOW_START,
    AlarmKind.SLOW,
    AlarmKind.ONE_BAD_STEP,
    AlarmKind.UNKNOWN,
)
#: what can be done, where the guard's own sentence names only what is wrong
_ADVICE = {
    AlarmKind.GPU_IDLE: "the console (l) shows what it waits for: data, the disk, or the CPU",
    AlarmKind.GPU_MEMORY_LOW: "close other users of the GPU, or train with a smaller batch",
    AlarmKind.GPU_TROUBLE: "stop the run and restart the machine if it happens again; saves are safe",
}
_PAST = {
    AlarmKind.NONFINITE: ("loss was NaN", "finite again"),
    AlarmKind.ONE_BAD_STEP: ("loss was NaN", "finite again"),
    AlarmKind.DIVERGING: ("loss was far too high", "normal again"),
    AlarmKind.STALLED: ("training stalled", "running again"),
    AlarmKind.FROZEN: ("loss was frozen", "changing again"),
    AlarmKind.NOT_LOADED: ("a part did not load", "loaded"),
    AlarmKind.SLOW_START: ("steps were far too slow", "usual pace"),
    AlarmKind.SLOW: ("steps were slow", "usual pace again"),
    AlarmKind.WRONG_DEVICE: ("training was not on the GPU", "it is now"),
    AlarmKind.GPU_IDLE: ("GPU was idle", "busy again"),
    AlarmKind.MEMORY_LOW: ("memory was almost full", "enough again"),
    AlarmKind.GPU_MEMORY_LOW: ("GPU memory was almost full", "enough again"),
    AlarmKind.DISK_LOW: ("disk was too full for the saves", "enough room again"),
    AlarmKind.GPU_TROUBLE: ("GPU had a fault", "working again"),
    AlarmKind.UNKNOWN: ("an alarm of a newer plasma-tui", "over"),
}


def live_alarms(snapshot: RunSnapshot | None) -> tuple[Alarm, ...]:
    """Those that are not over, the worst first; none for a run without a trainer."""
    if snapshot is None or snapshot.status is None or not is_live(snapshot):
        return ()
    found = [one for one in snapshot.status.alarms if one.over_at is None]
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.kind), one.since_at)))


def has_alarm(snapshot: RunSnapshot, *kinds: AlarmKind, live: bool = True) -> bool:
    """Did the supervisor report any of these? `live`: only those of this moment count."""
    if live:
        return any(one.kind in kinds for one in live_alarms(snapshot))
    return snapshot.status is not None and any(one.kind in kinds for one in snapshot.status.alarms)


def must_be_whole(snapshot: RunSnapshot) -> bool:
    """Does an alarm say what to do now, so that it must not be cut? What is past is kept brief."""
    return any(one.kind is not AlarmKind.ONE_BAD_STEP for one in live_alarms(snapshot))


def new_alarms(before: RunSnapshot | None, after: RunSnapshot) -> tuple[Alarm, ...]:
    """Those that have begun between two readings of the same run. At the first reading none has."""
    if before is None or before.id != after.id:
        return ()
    known = {(one.kind, one.since_at) for one in before.status.alarms} if before.status else set()
    return tuple(one for one in live_alarms(after) if (one.kind, one.since_at) not in known)


def alarm_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    """Complete sentences for the beginning of the verdict. A step that was bad and is over belongs to
    what is over (`past_clause`), a loss that is not finite has a verdict of its own."""
    apart = (AlarmKind.ONE_BAD_STEP, AlarmKind.NONFINITE)
    found = [one for one in live_alarms(snapshot) if one.kind not in apart]
    return tuple(Clause(alarm_text(one), alarm_role(one)) for one in found)


def alarm_role(alarm: Alarm) -> str:
    return "warn" if is_mild(alarm) else "bad"


def alarm_text(alarm: Alarm) -> str:
    """As a sentence, with what can be done."""
    text = clean(alarm.text, 400).rstrip(". ") or alarm.kind.value.replace("_", " ")
    if alarm.kind in _ADVICE:
        advice = _ADVICE[alarm.kind]
        asks = text.endswith("?")
        text = f"{text} {capital(advice)}" if asks else f"{text}; {advice}"
    return f"{capital(text)}."


def guard_reason(snapshot: RunSnapshot) -> str:
    """Why the guard stopped a run: its newest alarm that was not over, in brief."""
    alarms = snapshot.status.alarms if snapshot.status is not None else ()
    found = [one for one in alarms if one.over_at is None] or list(alarms)
    if not found:
        return ""
    newest = max(found, key=lambda one: one.since_at)
    return clean(newest.brief or newest.text, 400).rstrip(". ")


def past_clause(snapshot: RunSnapshot) -> Clause | None:
    """All alarms that are over, in one clause: the newest as text, the others counted. Without a supervisor's
    alarms, a loss that was NaN and is finite again."""
    alarms = snapshot.status.alarms if snapshot.status is not None else ()
    brief = AlarmKind.ONE_BAD_STEP
    over = [one for one in alarms if one.over_at is not None or one.kind is brief]
    if not over:
        bad = first_nonfinite(snapshot)
        known = bad is None or nan_since(snapshot) is not None
        text = f"loss was NaN at step {bad}, finite again: trust only checkpoints marked finite"
        return None if known else Clause(text, "warn")
    newest = max(over, key=lambda one: one.over_at or one.since_at)
    what, now = _PAST[newest.kind]
    where = f" at step {newest.step}" if newest.step is not None else ""
    more = f" ({count(len(over) - 1, 'earlier alarm')})" if len(over) > 1 else ""
    return Clause(f"{what}{where}, {now}{more}", "warn")
