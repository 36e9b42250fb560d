"""How to go on with a run that has ended early, without harming what it has written.

sd-scripts counts from 0 again after `--resume` and overwrites earlier files, the very state it resumed from
included. So a new attempt writes into a folder of its own, is told the true step by
`--initial_step`, and skips what is trained by `--skip_until_initial_step`, except where that is broken
(gradient accumulation, unset seed).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from runner.attempt import newest_attempt
from runner.config.flags import FlagValue, with_flags
from runner.control import Refused
from runner.journal import Unreadable, read_json
from runner.model import AttemptPlan, Checkpoint, RunSnapshot, RunState
from runner.preview import Preview
from runner.rundir import RunDir


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """What a resume would do. `replayed_steps`: trained again because skipping is not possible."""

    plan: AttemptPlan
    from_step: int
    to_step: int | None
    replayed_steps: int
    notes: tuple[str, ...]

    @property
    def preview(self) -> Preview:
        """In words."""
        total = self.to_step if self.to_step is not None else "the end"
        facts = (f"From step {self.from_step} to {total}, as attempt {self.plan.attempt}.",)
        return Preview("Resume", facts, self.notes, command=self.shell_line)

    @property
    def shell_line(self) -> str:
        return shlex.join(self.plan.command)


def flag_value(command: tuple[str, ...], flag: str) -> str | None:
    """The last value given for `--flag VALUE` or `--flag=VALUE`."""
    value = None
    for at, word in enumerate(command):
        if word == flag and at + 1 < len(command):
            value = command[at + 1]
        elif word.startswith(f"{flag}="):
            value = word.split("=", 1)[1]
    return value


def plan_resume(snapshot: RunSnapshot) -> ResumePlan:
    """The next attempt of an ended run, from its newest whole state. Raises Refused."""
    spec, status = snapshot.spec, snapshot.status
    if spec is None or status is None:
        raise Refused(f"run {snapshot.id} cannot be resumed: its spec.json or status.json is gone")
    if snapshot.state not in (RunState.ENDED, RunState.LOST):
        raise Refused(f"run {snapshot.id} is still {snapshot.state}: stop it first")
    total = status.total_steps
    if total is not None and status.step >= total and str(snapshot.outcome) == "succeeded":
        raise Refused(f"run {snapshot.id} has trained all of its {total} steps")
    source = _newest_state(status.checkpoints, status.first_nonfinite_step)
    run = RunDir(Path(snapshot.path))
    try:
        attempt = newest_attempt(run) + 1
        first = read_json(run.attempt(1), AttemptPlan)
    except Unreadable as error:
        raise Refused(f"run {snapshot.id} cannot be resumed: {error}") from None
    return _plan(snapshot, first, source, attempt)


def _newest_state(checkpoints: tuple[Checkpoint, ...], bad_step: int | None) -> Checkpoint:
    whole = [c for c in checkpoints if c.state_complete and c.state_path and c.step is not None]
    good = [
        c for c in whole
        if c.finite is not False and (bad_step is None or (c.step or 0) < bad_step)
        and Path(c.state_path or "").is_dir()
    ]  # fmt: skip
    if good:
        return max(good, key=lambda c: (c.step or 0, c.attempt))
    if whole:
        raise Refused(
            "every saved state is gone or comes after the first non-finite loss: start a new run"
        )
    raise Refused(
        "no whole training state was saved, so there is nothing to resume from: "
        "set save_state = true under [train] for the next run"
    )


def _plan(
    snapshot: RunSnapshot, first: AttemptPlan, source: Checkpoint, attempt: int
) -> ResumePlan:
    spec, status = snapshot.spec, snapshot.status
    assert spec is not None and status is not None and source.step is not None
    accumulation = int(flag_value(first.command, "--gradient_accumulation_steps") or 1)
    seed = flag_value(first.command, "--seed")
    notes = []
    skip = accumulation == 1 and seed is not None
    if accumulation > 1:
        notes.append("skipping is broken with gradient accumulation: the epoch is trained again")
    elif seed is None:
        notes.append("no seed was set, so skipping would skip other images: the epoch is repeated")
    batches = status.batches_per_epoch
    epoch_steps = -(-batches // accumulation) if batches else None
    base = source.step
    replayed = 0
    if not skip and epoch_steps:
        replayed = base % epoch_steps
    output = spec.output_dir and str(Path(spec.output_dir) / f"{spec.output_name}-attempt{attempt}")
    changes: dict[str, FlagValue] = {
        "initial_epoch": False,
        "network_weights": False,
        "resume": str(source.state_path),
        "initial_step": base,
        "skip_until_initial_step": skip,
    }
    if output:
        changes["output_dir"] = output
    logging_dir = None
    if first.logging_dir or spec.logging_dir:
        logging_dir = str(Path(snapshot.path) / "tensorboard" / f"attempt-{attempt}")
        changes["logging_dir"] = logging_dir
    if output:
        notes.append(f"writes into {output}; finished files are placed beside the others")
    plan = AttemptPlan(
        attempt=attempt,
        command=with_flags(first.command, changes),
        env=first.env,
        cwd=first.cwd,
        output_dir=output,
        output_name=spec.output_name,
        base_step=base - replayed,
        state_path=source.state_path,
        skip=skip,
        logging_dir=logging_dir,
    )
    return ResumePlan(plan, base, status.total_steps, replayed, tuple(notes))
