"""The next attempt of a run, as a command: continues the step count if the trainer can, in its own folder.

Pure except for checking which folders are free. Raises ValueError for settings that the trainer itself would
reject."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from runner.config.flags import FlagValue, read_flags, whole, with_flags
from runner.control.changes import Changes, read_changes
from runner.control.gate import GateStatus, approval_for_changed
from runner.control.orders import Refused
from runner.control.resume_source import ResumeSource
from runner.model import AttemptPlan, ExpectedCheckpoint, RunSpec, Status
from runner.model.preview import Preview
from runner.trainers.protocol import TrainerProgram
from runner.trainers.registry import program_of_run, recorded_trainer
from runner.trainers.sd_scripts.config_file import effective_flags
from runner.trainers.sd_scripts.steps import Steps, steps_per_epoch

#: flags that say how long the training is
LENGTH = frozenset(("max_train_steps", "max_train_epochs"))


@dataclass(frozen=True, slots=True)
class RunContext:
    """What is known of an ended run; `plans`: of started attempts. `wanted`: changes for the next attempt,
    `changes`: those plus changes of earlier attempts."""

    spec: RunSpec
    status: Status
    plans: Mapping[int, AttemptPlan]
    wanted: Changes

    @property
    def first(self) -> AttemptPlan:
        return self.plans[1]

    @property
    def newest(self) -> AttemptPlan:
        return self.plans[max(self.plans)]

    @property
    def changes(self) -> Changes:
        return self.wanted.over(read_changes(self.newest.changes))

    @property
    def program(self) -> TrainerProgram:
        return program_of_run(self.spec)

    @property
    def changes_length(self) -> bool:
        return not LENGTH.isdisjoint(self.wanted.train)


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """What a resume would do. `tracked`: the trainer continues the state's count; `flags`: with those of its
    own config file; `steps`: see `steps_of`; `notes`: what is lost or differs; `gate`: for changed settings,
    None: nothing changed, or no gate at the start."""

    context: RunContext
    source: ResumeSource
    plan: AttemptPlan
    tracked: bool
    flags: Mapping[str, Any]
    steps: Steps | None
    notes: tuple[str, ...] = ()
    preview: Preview = field(default_factory=Preview)
    gate: GateStatus | None = None

    @property
    def from_step(self) -> int:
        return self.source.step

    @property
    def to_step(self) -> int | None:
        """The true step at its end."""
        if self.steps is None:
            return self.context.status.total_steps
        return self.plan.stop_step or self.plan.base_step + self.steps.trained

    @property
    def trained_steps(self) -> int | None:
        return None if self.steps is None else (self.to_step or 0) - self.plan.base_step

    @property
    def replayed_steps(self) -> int:
        """Trained again because skipping is not possible."""
        return self.source.replayed_steps if self.tracked else 0

    def approved(self, force: str | None) -> AttemptPlan:
        """The attempt with the gate's decision. `force`: a reason to override a closed gate. Raises
        GateClosed."""
        if self.gate is None:
            return self.plan
        return replace(self.plan, approval=approval_for_changed(self.gate, force))


def can_skip(flags: Mapping[str, Any]) -> bool:
    """Can the trainer skip the steps of an epoch that are already trained?"""
    return _accumulation(flags) == 1 and flags.get("seed") is not None


def _accumulation(flags: Mapping[str, Any]) -> int:
    return max(1, whole(flags, "gradient_accumulation_steps") or 1)


def epoch_steps(status: Status, flags: Mapping[str, Any]) -> int | None:
    batches = status.batches_per_epoch
    return steps_per_epoch(batches, _accumulation(flags)) if batches else None


def steps_of(flags: Mapping[str, Any], context: RunContext) -> Steps | None:
    """The attempt's own steps by the program's arithmetic. None: it contradicts the trainer's own number of
    steps (another script may count differently), or the epoch length is unknown."""
    batches, total = context.status.batches_per_epoch, context.status.total_steps
    if not batches or total is None:
        return None
    try:
        holds = context.program.steps(effective_flags(context.first), batches).total == total
    except ValueError:
        holds = False
    return context.program.steps(flags, batches) if holds else None


def next_attempt(
    run_path: Path, context: RunContext, basis: AttemptPlan, source: ResumeSource, *, tracked: bool
) -> ResumePlan:
    """Without its texts. `basis`: the launch that wrote the source, with the changes."""
    spec, first = context.spec, context.first
    number = context.newest.attempt + 1
    flags = effective_flags(basis)
    skip = tracked and can_skip(flags)
    if tracked:
        changes = _counted_on(context, basis, source, skip=skip)
    else:
        changes = _from_zero(context, basis, flags, source)
    if basis.stop_step is not None:  # an earlier resume replaced the requested value
        asked = {**read_flags(first.command), **context.changes.train}
        for flag in ("save_every_n_steps", "save_every_n_epochs"):
            changes[flag] = asked.get(flag, False)
    output_dir = logging_dir = None
    if spec.output_dir:
        output_dir = _free_folder(Path(spec.output_dir), f"{spec.output_name}-attempt{number}")
        changes["output_dir"] = output_dir
    if first.logging_dir or spec.logging_dir:
        logging_dir = str(run_path / "tensorboard" / f"attempt-{number}")
        changes["logging_dir"] = logging_dir
    plan = replace(
        basis,
        attempt=number,
        command=with_flags(basis.command, changes),
        output_dir=output_dir,
        output_name=spec.output_name,
        base_step=source.step - source.replayed_steps if tracked else source.step,
        origin_step=basis.origin_step if tracked else source.step,
        state_path=source.state_path,
        weights_path=None if source.state_path else source.checkpoint.path,
        skip=skip,
        logging_dir=logging_dir,
        changes=context.changes.words,
        expected=(),
        stop_step=None,
        approval=context.newest.approval,
    )
    steps = steps_of(effective_flags(plan), context)
    if steps is not None:
        plan = _ending_as_planned(plan, context, steps)
        plan = replace(
            plan, expected=_expected(plan, effective_flags(plan), steps, context.program)
        )
    return ResumePlan(context, source, plan, tracked, effective_flags(plan), steps)


def _counted_on(
    context: RunContext, basis: AttemptPlan, source: ResumeSource, *, skip: bool
) -> dict[str, FlagValue]:
    """In the trainer's own count; the state's train_state.json may have another number."""
    weights = read_flags(context.first.command).get("network_weights")
    step = source.step - basis.origin_step
    return context.program.resume_flags(source.state_path, weights, step, skip)


def _from_zero(
    context: RunContext, basis: AttemptPlan, flags: Mapping[str, Any], source: ResumeSource
) -> dict[str, FlagValue]:
    """From weights, or by a script that always starts at step 0: trains the rest as a new training."""
    total = context.status.total_steps
    if total is None:
        raise Refused("the total number of steps is unknown, so it is unknown how many are left")
    left = total - source.step
    if left < 1:
        raise Refused(f"step {source.step} of {total} is the last one: nothing left to train")
    changes = context.program.resume_flags(source.state_path, source.checkpoint.path)
    if source.state_path is not None:
        del changes["network_weights"]
    changes |= {"max_train_epochs": False, "max_train_steps": left}
    if flags.get("max_train_epochs") and "max_train_epochs" not in read_flags(basis.command):
        # set in the trainer's own config_file, where only another number can override it
        per_epoch = epoch_steps(context.status, flags) or left
        changes["max_train_epochs"] = -(-left // per_epoch)
        del changes["max_train_steps"]
    return changes


def _free_folder(parent: Path, name: str) -> str:
    """A folder without such a file: another run of the same name may have resumed too."""
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        found = parent / f"{name}{suffix}"
        try:
            if not found.exists() or not any(found.iterdir()):
                return str(found)
        except OSError:
            continue
    raise Refused(f"no free folder for the next attempt next to {parent / name}")


def _ending_as_planned(plan: AttemptPlan, context: RunContext, steps: Steps) -> AttemptPlan:
    """Past the first epoch sd-scripts compares max_train_steps with a count that restarts at each resume, so
    it continues to the end of its last epoch. A smaller max_train_steps would change the learning rate
    schedule and the number of epochs. So save_every_n_steps is set to hit the planned last step, and the
    supervisor stops the trainer there."""
    planned = context.status.total_steps or 0
    if plan.origin_step == 0 and context.changes_length:
        planned = steps.total
    if plan.base_step + steps.trained <= planned:
        return plan
    flags = effective_flags(plan)
    asked = whole(flags, "save_every_n_steps")
    every = _save_every(asked, planned - plan.origin_step - steps.offset)
    saves: dict[str, FlagValue] = {"save_every_n_steps": every}
    if asked and every > 2 * asked and not flags.get("save_every_n_epochs"):
        saves["save_every_n_epochs"] = max(1, round(asked / steps.per_epoch))
    return replace(plan, command=with_flags(plan.command, saves), stop_step=planned)


def _save_every(asked: int | None, last: int) -> int:
    """The divisor of `last` nearest to the request, with at most twice as many files; `last` itself without a
    request."""
    if not asked:
        return last
    fits = [n for n in range(1, last + 1) if last % n == 0 and (2 * n >= asked or n == last)]
    return min(fits, key=lambda n: abs(math.log(n / asked)))


def _expected(
    plan: AttemptPlan, flags: Mapping[str, Any], steps: Steps, program: TrainerProgram
) -> tuple[ExpectedCheckpoint, ...]:
    """What the attempt will write, by true step, under the final file names; with a `stop_step` nothing after
    it, and its file is the final one."""
    try:
        trainer = recorded_trainer(plan.command, plan.cwd)
        files = program.saves(trainer, flags, steps, Path(plan.cwd))
    except ValueError:
        return ()
    origin = plan.origin_step
    end = plan.stop_step if plan.stop_step is not None else math.inf

    def true_step(step: int | None) -> int | None:
        return step + origin if step is not None and step + origin <= end else None

    kept = [
        replace(
            one,
            name=program.names.placed(one.name, one.step + origin, steps.per_epoch, origin),
            step=one.step + origin,
            removed_at_step=true_step(one.removed_at_step),
            state_removed_at_step=true_step(one.state_removed_at_step),
        )
        for one in files
        if one.step + origin <= end
    ]
    if plan.stop_step is not None:
        name = program.names.last(plan.output_name) + PurePath(kept[-1].name).suffix
        kept[-1] = replace(kept[-1], name=name)
    return tuple(kept)
