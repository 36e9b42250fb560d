"""The verdict on an ended run: collects the facts and evaluates them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from runner.analysis.diagnosis.cures import Setting, setting_of
from runner.analysis.expected import expected_files
from runner.analysis.facts import JobEnd, RunFacts
from runner.analysis.guard import Guard
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
from runner.state.journaled import last_lines
from runner.state.lineage import current
from runner.state.translator import Translator
from runner.store.journal import Unreadable, lines_of, read_json
from runner.supervisor.context import AttemptContext
from runner.supervisor.trainer import TrainerProcess

log = logging.getLogger("supervisor")

#: the last minutes of hardware.jsonl
_HARDWARE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Ending:
    """The supervision's own facts about the end. `stopped`: on request; `stopped_for`: by the guard, for this
    reason; `faults`: what failed in it, as text; `disk_full_at`: when the run folder's disk last had no room,
    Unix time; `sample`: the newest reading; `console_damaged`: bytes of console.log are gone."""

    stopped: bool
    stopped_for: str | None
    faults: tuple[str, ...]
    disk_full_at: float | None
    sample: HardwareSample | None
    console_damaged: bool = False
    #: because the job's time ends; how its cluster ended the job
    stopped_for_job: str | None = None
    job: JobEnd | None = None


def conclude(
    context: AttemptContext,
    status: Status,
    translator: Translator,
    trainer: TrainerProcess,
    guard: Guard,
    ending: Ending,
) -> Verdict:
    """Evaluate the run. A failure of the evaluation itself is never a success."""
    try:
        code, signal = trainer_exit(trainer.exit)
        return judge(
            RunFacts(
                evidence=translator.evidence.evidence(),
                exit_code=code,
                signal=signal,
                stop_ordered=ending.stopped,
                guard_reason=ending.stopped_for,
                job_reason=ending.stopped_for_job,
                job=ending.job,
                recovered_steps=_recovered_steps(context, status, translator, guard),
                first_step=status.attempts[0].first_step if status.attempts else None,
                last_step=status.step or None,
                total_steps=status.total_steps,
                first_nonfinite_step=status.first_nonfinite_step,
                device=status.device,
                images=translator.images.described,
                expected=_expected(context, status),
                checkpoints=current(status.checkpoints, status.attempts),
                expect=context.spec.expect,
                setting=_setting(context.plan, status.device),
                stop_step=context.plan.stop_step,
                past_step=translator.past_step,
                flat=translator.flat.found,
                files_verified=True,
                machine=_machine_end(context, status, trainer.exit, ending),
                faults=ending.faults,
                not_started=trainer.not_started,
                unreadable=context.problems,
                console_damaged=ending.console_damaged,
                direct=context.spec.launcher == "python",
            )
        )
    except Exception as error:
        log.exception("the evaluation failed")
        cause = Cause("unknown", f"{type(error).__name__}: {error}", "Please report this bug.")
        return Verdict(
            Outcome.FAILED, cause, ("the run could not be evaluated: see supervisor.log",)
        )


def _machine_end(
    context: AttemptContext, status: Status, record: ExitRecord | None, ending: Ending
) -> MachineEnd:
    """From this attempt's readings and refused writes on the run folder's disk."""
    ended_at = record.at if record is not None else time.time()
    samples = lines_of(last_lines(context.run.hardware, _HARDWARE_BYTES), HardwareSample)[0]
    if ending.sample is not None:
        samples.append(ending.sample)
    short, free = memory_at_end(samples, status.alarms, ended_at)
    return MachineEnd(short, free, disk_at_end(context.run.path, ending.disk_full_at, ended_at))


def _recovered_steps(
    context: AttemptContext, status: Status, translator: Translator, guard: Guard
) -> int:
    """Number of non-finite losses, if exact losses show that they were few with all later ones finite;
    otherwise 0. Earlier attempts count by their alarms."""
    base, number, losses = context.plan.base_step, 0, guard.losses
    mine = translator.state.first_nonfinite_step
    if mine is not None:
        # the event file must reach the end: missing losses may have been bad
        if not losses.recovered or losses.exact_step < status.step - 1:
            return 0
        number += losses.bad.count
    before = context.before.first_nonfinite_step if context.before is not None else None
    if before is not None and before <= base and before != mine:
        counting = [a for a in status.alarms if a.step is not None and a.step <= base]
        bad = [a.step for a in counting if a.kind is AlarmKind.NONFINITE]
        if bad or before not in [a.step for a in counting if a.kind is AlarmKind.ONE_BAD_STEP]:
            return 0
        number += 1
    return number


def trainer_exit(record: ExitRecord | None) -> tuple[int | None, int | None]:
    """(code, signal) of the trainer itself. A killed launcher may have orphaned it: then the keeper adopted
    it and saw its end (the last orphan to exit)."""
    if record is None:
        return None, None
    if record.signal is not None and record.orphans:
        ended = record.orphans[-1][1]
        if any(code == 0 for _, code in record.orphans):
            ended = 0
        return (ended, None) if ended >= 0 else (None, -ended)
    return record.code, record.signal


def _setting(plan: AttemptPlan, device: str | None) -> Setting:
    """Effective settings: the command's flags and those of the trainer's own --config_file; also its script's
    known flag names, if cached. Starts nothing."""
    # needed once, at the very end
    from runner.config.catalog import Effort
    from runner.trainers.registry import flag_report, recorded_trainer
    from runner.trainers.sd_scripts.config_file import effective_flags

    found = setting_of(plan, device)
    if found.flags is None:
        return found
    report = flag_report(recorded_trainer(plan.command, plan.cwd), Effort.CACHED)
    names = report.catalog.names if report.catalog is not None else None
    runs_on = replace(found.runs_on, flags=names)
    return replace(found, flags=effective_flags(plan), runs_on=runs_on)


def _expected(context: AttemptContext, status: Status) -> tuple[str, ...]:
    """Of all attempts; an unreadable plan requires nothing."""
    forecast, run = context.spec.forecast, context.run
    if forecast is None:
        return ()
    try:
        plans = [read_json(run.attempt(n), AttemptPlan) for n in range(1, context.attempt + 1)]
    except Unreadable:
        return ()
    return expected_files(forecast, plans, status.total_steps)
