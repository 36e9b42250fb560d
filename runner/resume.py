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

from runner import resume_words
from runner.attempt import newest_attempt
from runner.changes import Changes, applied, differences, read_changes
from runner.config.flags import FlagValue, read_flags, with_flags
from runner.control import Refused
from runner.flag_numbers import whole
from runner.journal import Unreadable, read_json
from runner.model import AttemptPlan, ExpectedCheckpoint, RunSnapshot, RunSpec, RunState, Status
from runner.names import placed_name
from runner.preview import Preview
from runner.resume_checks import (
    BOUND_TO_STATE,
    BOUND_TO_WEIGHTS,
    RESTORED_BY_STATE,
    dataset_notes,
    effective_flags,
    refuse_changed,
    refuse_old_state,
    refuse_other_rank,
    version_notes,
    versions_of,
)
from runner.resume_source import Source, Wish, choose
from runner.rundir import RunDir
from runner.saves import expected_checkpoints
from runner.steps import Steps, count_steps
from runner.tracking import tracks_steps

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

    @property
    def shell_line(self) -> str:
        return shlex.join(self.plan.command)


@dataclass(frozen=True, slots=True)
class _Before:
    """What is known of the run: its first launch, the one that wrote the source, the newest."""

    spec: RunSpec
    status: Status
    first: AttemptPlan
    newest: AttemptPlan
    plans: dict[int, AttemptPlan]


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
    source = choose(before.status.checkpoints, _wish(before, flags, wanted, named))
    basis = _basis(before, source, wanted)
    tracked = source.state_path is not None and tracks_steps(before.spec, source.state_path)
    plan = _plan(snapshot, before, basis, source, tracked, wanted)
    return _told(before, plan, source, tracked, wanted)


# ----------------------------------------------------------------- what is there


def _before(snapshot: RunSnapshot) -> _Before:
    spec, status = snapshot.spec, snapshot.status
    if spec is None or status is None:
        raise Refused(f"run {snapshot.id} cannot be resumed: its spec.json or status.json is gone")
    if snapshot.state not in (RunState.ENDED, RunState.LOST):
        raise Refused(f"run {snapshot.id} is still {snapshot.state}: stop it first")
    total = status.total_steps
    if total is not None and status.step >= total and str(snapshot.outcome) == "succeeded":
        raise Refused(f"run {snapshot.id} has trained all of its {total} steps")
    run = RunDir(Path(snapshot.path))
    try:
        last = newest_attempt(run)
        plans = {n: read_json(run.attempt(n), AttemptPlan) for n in range(1, last + 1)}
    except Unreadable as error:
        raise Refused(f"run {snapshot.id} cannot be resumed: {error}") from None
    return _Before(spec, status, plans[1], plans[last], plans)


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


def _wish(before: _Before, flags: dict[str, Any], wanted: Changes, named: str | None) -> Wish:
    return Wish(
        skip=_can_skip(flags),
        epoch_steps=_epoch_steps(before.status, flags),
        bad_step=before.status.first_nonfinite_step,
        named=named,
        weights_only=any(name in wanted.train for name in RESTORED_BY_STATE),
    )


def _accumulation(flags: dict[str, Any]) -> int:
    try:
        return max(1, whole(flags, "gradient_accumulation_steps") or 1)
    except ValueError as error:
        raise Refused(str(error)) from None


def _can_skip(flags: dict[str, Any]) -> bool:
    return _accumulation(flags) == 1 and flags.get("seed") is not None


def _epoch_steps(status: Status, flags: dict[str, Any]) -> int | None:
    batches = status.batches_per_epoch
    return -(-batches // _accumulation(flags)) if batches else None


# ----------------------------------------------------------------- the next attempt


def _basis(before: _Before, source: Source, wanted: Changes) -> AttemptPlan:
    """The launch that wrote the source, with all that was changed since."""
    wrote = before.plans.get(source.checkpoint.attempt, before.first)
    since = wanted.over(_changes(before.newest.changes))
    now = _changed(wrote, since)
    bound = BOUND_TO_STATE if source.state_path is not None else BOUND_TO_WEIGHTS
    what = "state" if source.state_path is not None else "checkpoint"
    flags = effective_flags(now)
    refuse_changed(effective_flags(wrote), flags, bound, what)
    if source.state_path is not None:
        refuse_other_rank(Path(source.state_path) / "model.safetensors", flags)
        refuse_old_state(Path(source.state_path), versions_of(before.spec))
    else:
        refuse_other_rank(Path(source.checkpoint.path), flags)
    return now


def _plan(
    snapshot: RunSnapshot,
    before: _Before,
    basis: AttemptPlan,
    source: Source,
    tracked: bool,
    wanted: Changes,
) -> AttemptPlan:
    spec = before.spec
    number = before.newest.attempt + 1
    flags = effective_flags(basis)
    if tracked:
        origin, skip = basis.origin_step, _can_skip(flags)
        steps = _tracked(source, origin, skip, before.first)
    else:
        origin, skip = source.step, False
        steps = _untracked(before, basis, flags, source)
    output = None
    if spec.output_dir:
        output = _free_folder(Path(spec.output_dir), f"{spec.output_name}-attempt{number}")
        steps["output_dir"] = output
    logging_dir = None
    if before.first.logging_dir or spec.logging_dir:
        logging_dir = str(Path(snapshot.path) / "tensorboard" / f"attempt-{number}")
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
        changes=wanted.over(_changes(before.newest.changes)).words,
        expected=(),
    )
    return replace(plan, expected=expected_of(plan, before.status))


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


def _tracked(source: Source, origin: int, skip: bool, first: AttemptPlan) -> dict[str, FlagValue]:
    """`--initial_step` in the trainer's own count; its train_state.json may hold another number."""
    original = read_flags(first.command)
    return {
        "initial_epoch": False,
        "network_weights": original.get("network_weights", False),
        "resume": str(source.state_path),
        "initial_step": source.step - origin,
        "skip_until_initial_step": skip,
    }


def _untracked(
    before: _Before, basis: AttemptPlan, flags: dict[str, Any], source: Source
) -> dict[str, FlagValue]:
    """From weights, or by a script that always begins at step 0: it trains what is left, as a training of
    its own."""
    total = before.status.total_steps
    if total is None:
        raise Refused("how many steps there are in all is not known, so neither is what is left")
    left = total - source.step
    if left < 1:
        raise Refused(f"step {source.step} of {total} is the end: nothing is left to train")
    steps: dict[str, FlagValue] = {
        "initial_epoch": False,
        "initial_step": False,
        "skip_until_initial_step": False,
        "resume": source.state_path or False,
        "max_train_epochs": False,
        "max_train_steps": left,
    }
    if source.state_path is None:
        steps["network_weights"] = source.checkpoint.path
    if flags.get("max_train_epochs") and "max_train_epochs" not in read_flags(basis.command):
        # it stands in the trainer's own config_file, where only another number can go against it
        per_epoch = _epoch_steps(before.status, flags) or left
        steps["max_train_epochs"] = -(-left // per_epoch)
        del steps["max_train_steps"]
    return steps


def steps_of(plan: AttemptPlan, status: Status) -> Steps | None:
    """The attempt's own steps by sd-scripts' arithmetic; None: the length of an epoch is not known.
    Raises Refused for what sd-scripts itself would refuse."""
    if not status.batches_per_epoch:
        return None
    try:
        return count_steps(effective_flags(plan), status.batches_per_epoch)
    except ValueError as error:
        raise Refused(str(error)) from None


def expected_of(plan: AttemptPlan, status: Status) -> tuple[ExpectedCheckpoint, ...]:
    """What the attempt will write, by true step, under the names that the files get in the end."""
    steps = steps_of(plan, status)
    if steps is None:
        return ()
    try:
        files = expected_checkpoints(effective_flags(plan), steps)
    except ValueError:
        return ()
    origin = plan.origin_step
    return tuple(
        replace(
            one,
            name=placed_name(one.name, one.step + origin, steps.per_epoch, origin),
            step=one.step + origin,
            removed_at_step=_shifted(one.removed_at_step, origin),
            state_removed_at_step=_shifted(one.state_removed_at_step, origin),
        )
        for one in files
    )


def _shifted(step: int | None, origin: int) -> int | None:
    return None if step is None else step + origin


# ----------------------------------------------------------------- in words


def _told(
    before: _Before, plan: AttemptPlan, source: Source, tracked: bool, wanted: Changes
) -> ResumePlan:
    flags = effective_flags(plan)
    steps = steps_of(plan, before.status)
    trained = steps.trained if steps is not None else None
    to_step = plan.base_step + trained if trained is not None else before.status.total_steps
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
        shlex.join(plan.command),
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
