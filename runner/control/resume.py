"""How to continue a run that ended early without damaging its files.

sd-scripts counts from 0 again after `--resume` and overwrites earlier files, including the state it resumed
from. So a new attempt writes to its own folder, gets the true step by `--initial_step`, and skips trained
steps by `--skip_until_initial_step`, except where that is broken (gradient accumulation, unset seed) or
unknown to the script.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.analysis.outcome import NOT_STARTED
from runner.config.flags import read_flags
from runner.config.hiding import hidden_command
from runner.control import resume_words
from runner.control.changes import applied, differences, read_changes
from runner.control.gate import GateStatus, gate_of_changed
from runner.control.orders import Refused, refuse_live, refuse_made
from runner.control.resume_attempt import (
    ResumePlan,
    RunContext,
    can_skip,
    epoch_steps,
    next_attempt,
)
from runner.control.resume_checks import (
    dataset_notes,
    refuse_unfit,
    version_notes,
)
from runner.control.resume_source import ResumeRequest, ResumeSource, choose
from runner.model import AttemptPlan, Checkpoint, RunSnapshot, RunSpec, Status
from runner.model.preview import Preview
from runner.state.lineage import lasting_bad_step, resumable
from runner.store.attempt import newest_started
from runner.store.journal import Unreadable, read_json
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer
from runner.trainers.registry import trainer_of
from runner.trainers.sd_scripts.config_file import effective_flags

#: flags of a resume that plasma-tui decides and the preview explains
_OURS = (
    "resume",
    "initial_step",
    "initial_epoch",
    "skip_until_initial_step",
    "output_dir",
    "logging_dir",
)


def flag_value(command: tuple[str, ...], flag: str) -> str | None:
    """The last value given for `--flag VALUE` or `--flag=VALUE`; empty for a bare one."""
    value = read_flags(command).get(flag.removeprefix("--"))
    if value is None:
        return None
    return "" if value is True else str(value[-1] if isinstance(value, tuple) else value)


def plan_resume(
    snapshot: RunSnapshot, *, named: str | None = None, changes: Sequence[str] = ()
) -> ResumePlan:
    """The next attempt of an ended run. `named`: the checkpoint to resume from (step, name or path);
    `changes`: changed settings, as FLAG=VALUE. Raises Refused with the reason."""
    try:
        return _planned(snapshot, named, changes)
    except (ValueError, Unreadable) as error:  # of settings, and of the run's plans
        raise Refused(f"run {snapshot.id} cannot be resumed: {error}") from None


def _planned(snapshot: RunSnapshot, named: str | None, changes: Sequence[str]) -> ResumePlan:
    context = _context(snapshot, changes)
    source = _source(context, named)
    wrote = context.plans.get(source.checkpoint.attempt, context.first)
    basis = applied(wrote, context.changes)
    refuse_unfit(source, effective_flags(wrote), effective_flags(basis), context.spec)
    tracked = source.state_path is not None and context.program.tracks_steps(
        trainer_of(context.spec), Path(source.state_path)
    )
    found = next_attempt(Path(snapshot.path), context, basis, source, tracked=tracked)
    notes = (
        *source.passed_over,
        *resume_words.warnings(found),
        *dataset_notes(found.plan, found.flags, context.status),
        *version_notes(context.spec),
    )
    gate = None
    if context.wanted:  # check with the settings of the full run, without what a resume adds
        gate = gate_of_changed(context.spec, applied(context.first, context.changes))
    preview = Preview(
        f"Resume {context.spec.name}",
        tuple(resume_words.facts(found)),
        (*notes, *gate_warnings(gate)),
        differences(context.newest, found.plan, _OURS),
        shlex.join(hidden_command(found.plan.command)),
    )
    return replace(found, notes=notes, preview=preview, gate=gate)


def gate_warnings(gate: GateStatus | None) -> tuple[str, ...]:
    """For a preview."""
    if gate is None or gate.open:
        return ()
    return (f"Not approved: {gate.text}. Continuing is recorded as forced.",)


def ended_run(snapshot: RunSnapshot, what: str) -> tuple[RunSpec, Status]:
    """Of a run that may be resumed or retried. Raises Refused; `what`: "resumed" or "retried"."""
    refuse_newer(RunDir(Path(snapshot.path)))
    spec, status = snapshot.spec, snapshot.status
    if spec is None or status is None:
        raise Refused(
            f"run {snapshot.id} cannot be {what}: its spec.json or status.json is missing"
        )
    refuse_made(spec)
    refuse_live(snapshot)
    return spec, status


def _context(snapshot: RunSnapshot, changes: Sequence[str]) -> RunContext:
    spec, status = ended_run(snapshot, "resumed")
    if status.cause is not None and status.cause.key == NOT_STARTED and not status.checkpoints:
        raise Refused(
            f"run {snapshot.id} was never started, so there is nothing to resume: `plasma-tui retry "
            f"{snapshot.id}` starts it again"
        )
    total = status.total_steps
    if total is not None and status.step >= total and str(snapshot.outcome) == "succeeded":
        raise Refused(f"run {snapshot.id} has trained all of its {total} steps")
    run = RunDir(Path(snapshot.path))
    try:
        last = newest_started(run, status.attempt)
        plans = {n: read_json(run.attempt(n), AttemptPlan) for n in range(1, last + 1)}
    except Unreadable as error:
        raise Refused(
            f"run {snapshot.id} cannot be resumed, because {error}: start a new run with `plasma-tui start`"
        ) from None
    return RunContext(spec, status, plans, read_changes(changes))


def _source(context: RunContext, named: str | None) -> ResumeSource:
    status, newest = context.status, context.newest
    checkpoints: Sequence[Checkpoint] = status.checkpoints
    if named is None:  # without checkpoints that the newest attempt abandoned
        own = resumable(checkpoints, status.attempts, newest.state_path)
        checkpoints = own or checkpoints
    flags = effective_flags(applied(newest, context.wanted))
    request = ResumeRequest(
        skip=can_skip(flags),
        epoch_steps=epoch_steps(status, flags),
        bad_step=lasting_bad_step(status),
        named=named,
        weights_only=any(name in context.wanted.train for name in context.program.resume.restored),
        last_step=None if context.changes_length else status.total_steps,
    )
    return choose(checkpoints, request)
