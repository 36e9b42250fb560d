"""The verdict on an ended run: gathers what is known into facts and has them judged."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.analysis.diagnosis.cures import Setting, setting_of
from runner.analysis.due import due_names
from runner.analysis.facts import RunFacts
from runner.analysis.machine_end import MachineEnd, disk_at_end, memory_at_end
from runner.analysis.outcome import Verdict, judge
from runner.model import (
    AlarmKind,
    AttemptPlan,
    Cause,
    ExitRecord,
    HardwareSample,
    Outcome,
    Status,
)
from runner.state.lineage import current
from runner.store.journal import Unreadable, lines_of, read_json

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

log = logging.getLogger("supervisor")

#: the last minutes of hardware.jsonl
_HARDWARE_BYTES = 1 << 16


def conclude(s: Supervisor, status: Status) -> Verdict:
    """Judge the run. A fault of the judgement itself is never a success."""
    try:
        return judge(facts_of(s, status))
    except Exception as error:
        log.exception("the judgement failed")
        cause = Cause("unknown", f"{type(error).__name__}: {error}", "Please report this.")
        return Verdict(Outcome.FAILED, cause, ("the run could not be judged: see supervisor.log",))


def facts_of(s: Supervisor, status: Status) -> RunFacts:
    """Everything that the judgement looks at."""
    code, signal = trainer_exit(s.exit)
    first = status.attempts[0].first_step if status.attempts else None
    return RunFacts(
        evidence=s.translator.evidence.evidence(),
        exit_code=code,
        signal=signal,
        stop_ordered=s.orders.carried_out,
        guard_reason=s.alarms.reason(),
        recovered_steps=recovered_steps(s, status),
        first_step=first,
        last_step=status.step or None,
        total_steps=status.total_steps,
        first_nonfinite_step=status.first_nonfinite_step,
        device=status.device,
        images=s.translator.images.described,
        expected=_expected(s, status),
        checkpoints=current(status.checkpoints, status.attempts),
        expect=s.spec.expect,
        setting=_setting(s, status),
        stop_step=s.plan.stop_step,
        past_step=s.translator.past_step,
        files_verified=True,
        machine=machine_end(s, status),
        faults=(*s.faults.values(), *s.ingest.problems),
        not_started=s.not_started,
        unreadable=s.asked.problems,
    )


def machine_end(s: Supervisor, status: Status) -> MachineEnd:
    """From the readings of this attempt and what the disk of the run folder refused."""
    ended_at = s.exit.at if s.exit is not None else time.time()
    recorded = lines_of(_tail(s.run.hardware), HardwareSample)[0]
    newest = s.hardware_monitor.sample
    samples = [*recorded, newest] if newest is not None else recorded
    short, free = memory_at_end(samples, status.alarms, ended_at)
    return MachineEnd(short, free, disk_at_end(s.run.path, s.disk_full_at, ended_at))


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _HARDWARE_BYTES))
            return stream.read(_HARDWARE_BYTES)
    except OSError:
        return b""


def recovered_steps(s: Supervisor, status: Status) -> int:
    """How many losses were not finite, if exact losses say that they were few and all later ones finite;
    0: there were none, or that is not known, or not so. Earlier attempts count by their alarms."""
    base, number = s.plan.base_step, 0
    mine, losses = s.translator.state.first_nonfinite_step, s.alarms.guard.losses
    if mine is not None:
        # the event file must reach to the end: what it does not tell may have been bad
        if not losses.recovered or losses.exact_step < status.step - 1:
            return 0
        number += losses.bad.count
    before = s.before.first_nonfinite_step if s.before is not None else None
    if before is not None and before <= base and before != mine:
        counting = [a for a in status.alarms if a.step is not None and a.step <= base]
        bad = [a.step for a in counting if a.kind is AlarmKind.NONFINITE]
        if bad or before not in [a.step for a in counting if a.kind is AlarmKind.ONE_BAD_STEP]:
            return 0
        number += 1
    return number


def trainer_exit(record: ExitRecord | None) -> tuple[int | None, int | None]:
    """(code, signal) of the trainer itself. A launcher that a signal ended may have left it behind:
    then the keeper adopted it and saw how it ended (the last of the orphans to leave)."""
    if record is None:
        return None, None
    if record.signal is not None and record.orphans:
        ended = record.orphans[-1][1]
        if any(code == 0 for _, code in record.orphans):
            ended = 0
        return (ended, None) if ended >= 0 else (None, -ended)
    return record.code, record.signal


def _setting(s: Supervisor, status: Status) -> Setting:
    """What was in force: the command's flags and those of the trainer's own --config_file."""
    from runner.trainers.sd_scripts.config_file import (
        effective_flags,  # needed once, at the very end
    )

    found = setting_of(s.plan, status.device)
    if found.flags is None:
        return found
    runs_on = replace(found.runs_on, flags=_flags_of_script(s.plan))
    return replace(found, flags=effective_flags(s.plan), runs_on=runs_on)


def _flags_of_script(plan: AttemptPlan) -> frozenset[str] | None:
    """The names that its script takes, where they are remembered. Starts nothing."""
    from runner.config.catalog import Effort
    from runner.trainers.registry import flag_report, recorded_trainer

    report = flag_report(recorded_trainer(plan.command, plan.cwd), Effort.CACHED)
    return report.catalog.names if report.catalog is not None else None


def _expected(s: Supervisor, status: Status) -> tuple[str, ...]:
    """Of all attempts; what an attempt's unreadable plan asked for is not demanded."""
    if s.spec.forecast is None:
        return ()
    plans = []
    for number in range(1, s.attempt + 1):
        try:
            plans.append(read_json(s.run.attempt(number), AttemptPlan))
        except Unreadable:
            return ()
    return due_names(s.spec.forecast, plans, status.total_steps)
