"""How to go on with a run that has ended early, without harming what it has written.

sd-scripts counts from 0 again after `--resume` and overwrites earlier files, the very state it resumed from
included. So a new attempt writes into a folder of its own, is told the true step by
`--initial_step`, and skips what is trained by `--skip_until_initial_step`, except where that is broken
(gradient accumulation, unset seed) or unknown to the script.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.analysis.alarms import lasting_bad_step
from runner.analysis.outcome import NOT_STARTED
from runner.config.flags import read_flags
from runner.config.hiding import hidden_command
from runner.control import resume_words
from runner.control.changes import Changes, applied, differences, read_changes
from runner.control.gate import GateStatus, approval_for_changed, gate_of_changed
from runner.control.orders import Refused, refuse_live, refuse_made
from runner.control.resume_attempt import (
    LENGTH,
    Before,
    can_skip,
    epoch_steps,
    next_attempt,
    steps_of,
)
from runner.control.resume_checks import (
    dataset_notes,
    refuse_changed,
    refuse_old_state,
    refuse_other_rank,
    version_notes,
    versions_of,
)
from runner.control.resume_source import Source, Wish, choose
from runner.control.tracking import tracks_steps
from runner.model import AttemptPlan, Checkpoint, RunSnapshot
from runner.model.preview import Preview
from runner.state.lineage import resumable
from runner.store.attempt import newest_started
from runner.store.journal import Unreadable, read_json
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.config_file import effective_flags

#: of a resumed command line, what plasma-tui itself decides and the preview says in words
_OURS = (
    "resume",
    "initial_step",
    "initial_epoch",
    "skip_until_initial_step",
    "output_dir",
    "logging_dir",
)


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """What a resume would do. `replayed_steps`: trained again because skipping is not possible;
    `to_step`: the true step at its end; `trained_steps`: what it trains; `notes`: what is lost or differs."""

    plan: AttemptPlan
    source: Source
    from_step: int
    to_step: int | None
    replayed_steps: int
    trained_steps: int | None
    notes: tuple[str, ...]
    preview: Preview
    #: asked about changed settings; None: nothing is changed, or the run was started without a gate
    gate: GateStatus | None = None

    @property
    def shell_line(self) -> str:
        return shlex.join(self.plan.command)

    def approved(self, force: str | None) -> AttemptPlan:
        """The attempt with what the gate says to it. `force`: a reason for going on although the gate is
        closed. Raises GateClosed."""
        if self.gate is None:
            return self.plan
        return replace(self.plan, approval=approval_for_changed(self.gate, force))


def flag_value(command: tuple[str, ...], flag: str) -> str | None:
    """The last value given for `--flag VALUE` or `--flag=VALUE`; empty for a bare one."""
    value = read_flags(command).get(flag.removeprefix("--"))
    if value is None:
        return None
    return "" if value is True else str(value[-1] if isinstance(value, tuple) else value)


def plan_resume(
    snapshot: RunSnapshot, *, named: str | None = None, changes: Sequence[str] = ()
) -> ResumePlan:
    """The next attempt of an ended run. `named`: the checkpoint to go on from (step, name or path);
    `changes`: settings that shall differ, as FLAG=VALUE. Raises Refused with the reason."""
    before = _before(snapshot)
    wanted = _changes(changes)
    flags = effective_flags(_changed(before.newest, wanted))
    source = choose(_candidates(before, named), _wish(before, flags, wanted, named))
    basis = _basis(before, source, wanted)
    tracked = source.state_path is not None and tracks_steps(before.spec, source.state_path)
    plan = next_attempt(Path(snapshot.path), before, basis, source, tracked, wanted)
    plan = replace(plan, approval=before.newest.approval)
    return _gated(_told(before, plan, source, tracked, wanted), before, wanted)


def _gated(found: ResumePlan, before: Before, wanted: Changes) -> ResumePlan:
    """The gate is asked with the settings of the whole run as they will be, without what a resume adds."""
    if not wanted:
        return found
    settings = _changed(before.first, wanted.over(_changes(before.newest.changes)))
    gate = gate_of_changed(before.spec, settings)
    preview = replace(found.preview, warnings=(*found.preview.warnings, *gate_warnings(gate)))
    return replace(found, gate=gate, preview=preview)


def gate_warnings(gate: GateStatus | None) -> tuple[str, ...]:
    """For a preview."""
    if gate is None or gate.open:
        return ()
    return (f"Not approved: {gate.text}. Continuing is recorded as forced.",)


# ----------------------------------------------------------------- what is there


def _before(snapshot: RunSnapshot) -> Before:
    spec, status = snapshot.spec, snapshot.status
    if spec is None or status is None:
        raise Refused(f"run {snapshot.id} cannot be resumed: its spec.json or status.json is gone")
    refuse_made(spec)
    refuse_live(snapshot)
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
        raise Refused(f"run {snapshot.id} cannot be resumed: {error}") from None
    return Before(spec, status, plans[1], plans[last], plans)


def _candidates(before: Before, named: str | None) -> Sequence[Checkpoint]:
    """Without those of a past that the newest attempt left, unless a person names one."""
    status = before.status
    if named is not None:
        return status.checkpoints
    found = resumable(status.checkpoints, status.attempts, before.newest.state_path)
    return found or status.checkpoints


def _changes(words: Sequence[str]) -> Changes:
    try:
        return read_changes(words)
    except ValueError as error:
        raise Refused(str(error)) from None


def _changed(plan: AttemptPlan, wanted: Changes) -> AttemptPlan:
    try:
        return applied(plan, wanted)
    except ValueError as error:
        raise Refused(str(error)) from None


def _wish(before: Before, flags: dict[str, Any], wanted: Changes, named: str | None) -> Wish:
    return Wish(
        skip=can_skip(flags),
        epoch_steps=epoch_steps(before.status, flags),
        bad_step=lasting_bad_step(before.status),
        named=named,
        weights_only=any(name in wanted.train for name in before.program.resume.restored),
        last_step=before.status.total_steps if LENGTH.isdisjoint(wanted.train) else None,
    )


# ----------------------------------------------------------------- the next attempt


def _basis(before: Before, source: Source, wanted: Changes) -> AttemptPlan:
    """The launch that wrote the source, with all that was changed since."""
    wrote = before.plans.get(source.checkpoint.attempt, before.first)
    since = wanted.over(_changes(before.newest.changes))
    now = _changed(wrote, since)
    rules = before.program.resume
    bound = rules.state if source.state_path is not None else rules.weights
    what = "state" if source.state_path is not None else "checkpoint"
    flags = effective_flags(now)
    refuse_changed(effective_flags(wrote), flags, bound, what)
    if source.state_path is not None:
        refuse_other_rank(Path(source.state_path) / "model.safetensors", flags)
        refuse_old_state(Path(source.state_path), versions_of(before.spec))
    else:
        refuse_other_rank(Path(source.checkpoint.path), flags)
    return now


# ----------------------------------------------------------------- in words


def _told(
    before: Before, plan: AttemptPlan, source: Source, tracked: bool, wanted: Changes
) -> ResumePlan:
    flags = effective_flags(plan)
    steps = steps_of(plan, before)
    trained = steps.trained if steps is not None else None
    to_step = plan.base_step + trained if trained is not None else before.status.total_steps
    if trained is not None and plan.stop_step is not None:
        trained, to_step = plan.stop_step - plan.base_step, plan.stop_step
    told = resume_words.Told(
        spec=before.spec,
        status=before.status,
        plan=plan,
        source=source,
        tracked=tracked,
        flags=flags,
        steps=steps,
        to_step=to_step,
        trained_steps=trained,
        first_expected=before.spec.forecast.checkpoints if before.spec.forecast else (),
    )
    notes = (
        *source.passed_over,
        *resume_words.warnings(told),
        *dataset_notes(plan, flags, before.status),
        *version_notes(before.spec),
    )
    shown = tuple(c for c in differences(before.newest, plan, _OURS))
    preview = Preview(
        f"Resume {before.spec.name}",
        resume_words.facts(told),
        notes,
        shown,
        shlex.join(hidden_command(plan.command)),
    )
    return ResumePlan(
        plan,
        source,
        source.step,
        to_step,
        source.replayed_steps if tracked else 0,
        trained,
        notes,
        preview,
    )
