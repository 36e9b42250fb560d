"""The next attempt of a run, as a command: counted on where the trainer can, in a folder of its own. Pure but
for looking at which folders are free."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from runner.config.flags import FlagValue, read_flags, whole, with_flags
from runner.control.changes import Changes, read_changes
from runner.control.orders import Refused
from runner.control.resume_source import Source
from runner.model import AttemptPlan, ExpectedCheckpoint, RunSpec, Status
from runner.trainers.protocol import TrainerProgram
from runner.trainers.registry import program_of_run, recorded_trainer
from runner.trainers.sd_scripts.config_file import effective_flags
from runner.trainers.sd_scripts.steps import Steps, steps_per_epoch

#: flags that say how long the training is
LENGTH = frozenset(("max_train_steps", "max_train_epochs"))


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of the run: its first launch, the one that wrote the source, the newest."""

    spec: RunSpec
    status: Status
    first: AttemptPlan
    newest: AttemptPlan
    plans: dict[int, AttemptPlan]

    @property
    def program(self) -> TrainerProgram:
        return program_of_run(self.spec)

    @property
    def reckoned(self) -> bool:
        """Does the program's arithmetic give the number of steps that the trainer itself told? A script of
        another make may count otherwise."""
        if not self.status.batches_per_epoch or self.status.total_steps is None:
            return False
        try:
            flags = effective_flags(self.first)
            steps = self.program.steps(flags, self.status.batches_per_epoch)
        except ValueError:
            return False
        return steps.total == self.status.total_steps


def accumulation(flags: dict[str, Any]) -> int:
    try:
        return max(1, whole(flags, "gradient_accumulation_steps") or 1)
    except ValueError as error:
        raise Refused(str(error)) from None


def can_skip(flags: dict[str, Any]) -> bool:
    return accumulation(flags) == 1 and flags.get("seed") is not None


def epoch_steps(status: Status, flags: dict[str, Any]) -> int | None:
    batches = status.batches_per_epoch
    return steps_per_epoch(batches, accumulation(flags)) if batches else None


def next_attempt(
    run_path: Path,
    before: Before,
    basis: AttemptPlan,
    source: Source,
    tracked: bool,
    wanted: Changes,
) -> AttemptPlan:
    spec = before.spec
    number = before.newest.attempt + 1
    flags = effective_flags(basis)
    if tracked:
        origin, skip = basis.origin_step, can_skip(flags)
        weights = read_flags(before.first.command).get("network_weights")
        state = str(source.state_path)
        steps = before.program.resume_flags(state, weights, source.step - origin, skip)
    else:
        origin, skip = source.step, False
        steps = _untracked(before, basis, flags, source)
    if basis.stop_step is not None:
        steps["save_every_n_steps"] = _asked_for(before, wanted, "save_every_n_steps")
        steps["save_every_n_epochs"] = _asked_for(before, wanted, "save_every_n_epochs")
    output = None
    if spec.output_dir:
        output = _free_folder(Path(spec.output_dir), f"{spec.output_name}-attempt{number}")
        steps["output_dir"] = output
    logging_dir = None
    if before.first.logging_dir or spec.logging_dir:
        logging_dir = str(run_path / "tensorboard" / f"attempt-{number}")
        steps["logging_dir"] = logging_dir
    plan = replace(
        basis,
        attempt=number,
        command=with_flags(basis.command, steps),
        output_dir=output,
        output_name=spec.output_name,
        base_step=source.step - source.replayed_steps if tracked else source.step,
        origin_step=origin,
        state_path=source.state_path,
        weights_path=None if source.state_path else source.checkpoint.path,
        skip=skip,
        logging_dir=logging_dir,
        changes=wanted.over(read_changes(before.newest.changes)).words,
        expected=(),
        stop_step=None,
    )
    plan = _ending_as_planned(plan, before, wanted)
    return replace(plan, expected=_expected(plan, before))


def _asked_for(before: Before, wanted: Changes, flag: str) -> FlagValue:
    """What the first launch and all changes since say; an earlier resume may have replaced it."""
    changed = wanted.over(read_changes(before.newest.changes)).train
    return changed.get(flag, read_flags(before.first.command).get(flag, False))


def _ending_as_planned(plan: AttemptPlan, before: Before, wanted: Changes) -> AttemptPlan:
    """Past the first epoch sd-scripts compares max_train_steps with a count that restarts at each resume, so it
    trains on to the end of its last epoch. A smaller max_train_steps would change the learning rate schedule
    and the number of epochs. So the file of the planned last step is saved by the grid of
    save_every_n_steps, and the supervisor stops the trainer on it."""
    steps, planned = steps_of(plan, before), before.status.total_steps
    if steps is None or planned is None:
        return plan
    if plan.origin_step == 0 and not LENGTH.isdisjoint(wanted.train):
        planned = steps.total
    if plan.base_step + steps.trained <= planned:
        return plan
    flags = effective_flags(plan)
    last = planned - plan.origin_step - steps.offset
    try:
        asked = whole(flags, "save_every_n_steps")
    except ValueError as error:
        raise Refused(str(error)) from None
    every = _save_every(asked, last)
    saves: dict[str, FlagValue] = {"save_every_n_steps": every}
    if asked and every > 2 * asked and not flags.get("save_every_n_epochs"):
        saves["save_every_n_epochs"] = max(1, round(asked / steps.per_epoch))
    return replace(plan, command=with_flags(plan.command, saves), stop_step=planned)


def _save_every(asked: int | None, last: int) -> int:
    """The divisor of `last` nearest to what was asked for, with at most twice as many files; `last` itself
    where nothing was asked for."""
    if not asked:
        return last
    fits = [n for n in range(1, last + 1) if last % n == 0 and (2 * n >= asked or n == last)]
    return min(fits, key=lambda n: abs(math.log(n / asked)))


def _free_folder(parent: Path, name: str) -> str:
    """A folder that nobody has written into: another run of the same name may have resumed as well."""
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        found = parent / f"{name}{suffix}"
        try:
            if not found.exists() or not any(found.iterdir()):
                return str(found)
        except OSError:
            continue
    raise Refused(f"no free folder for the next attempt beside {parent / name}")


def _untracked(
    before: Before, basis: AttemptPlan, flags: dict[str, Any], source: Source
) -> dict[str, FlagValue]:
    """From weights, or by a script that always begins at step 0: it trains what is left, as a training of
    its own."""
    total = before.status.total_steps
    if total is None:
        raise Refused("how many steps there are in all is not known, so neither is what is left")
    left = total - source.step
    if left < 1:
        raise Refused(f"step {source.step} of {total} is the end: nothing is left to train")
    state = source.state_path
    steps = before.program.resume_flags(state, source.checkpoint.path)
    if state is not None:
        del steps["network_weights"]
    steps |= {"max_train_epochs": False, "max_train_steps": left}
    if flags.get("max_train_epochs") and "max_train_epochs" not in read_flags(basis.command):
        # it stands in the trainer's own config_file, where only another number can go against it
        per_epoch = epoch_steps(before.status, flags) or left
        steps["max_train_epochs"] = -(-left // per_epoch)
        del steps["max_train_steps"]
    return steps


def steps_of(plan: AttemptPlan, before: Before) -> Steps | None:
    """The attempt's own steps by the program's arithmetic; None: it does not hold here, or the length of an
    epoch is not known. Raises Refused for what sd-scripts itself would refuse."""
    if not before.reckoned:
        return None
    try:
        return before.program.steps(effective_flags(plan), before.status.batches_per_epoch or 0)
    except ValueError as error:
        raise Refused(str(error)) from None


def _expected(plan: AttemptPlan, before: Before) -> tuple[ExpectedCheckpoint, ...]:
    """What the attempt will write, by true step, under the names that the files get in the end."""
    steps, program = steps_of(plan, before), before.program
    if steps is None:
        return ()
    try:
        trainer = recorded_trainer(plan.command, plan.cwd)
        files = program.saves(trainer, effective_flags(plan), steps, Path(plan.cwd))
    except ValueError:
        return ()
    origin, stop = plan.origin_step, plan.stop_step
    if stop is not None:
        files = _until(files, stop - origin, program.names.last(plan.output_name))
    return tuple(
        replace(
            one,
            name=program.names.placed(one.name, one.step + origin, steps.per_epoch, origin),
            step=one.step + origin,
            removed_at_step=_shifted(one.removed_at_step, origin),
            state_removed_at_step=_shifted(one.state_removed_at_step, origin),
        )
        for one in files
    )


def _until(
    files: tuple[ExpectedCheckpoint, ...], last: int, name: str
) -> tuple[ExpectedCheckpoint, ...]:
    """Without what would be written past step `last`, whose file is the final one under `name`."""
    kept = [
        replace(
            one,
            removed_at_step=_at_most(one.removed_at_step, last),
            state_removed_at_step=_at_most(one.state_removed_at_step, last),
        )
        for one in files
        if one.step <= last
    ]
    final = replace(kept[-1], name=name + PurePath(kept[-1].name).suffix)
    return (*kept[:-1], final)


def _at_most(step: int | None, last: int) -> int | None:
    return step if step is not None and step <= last else None


def _shifted(step: int | None, origin: int) -> int | None:
    return None if step is None else step + origin
