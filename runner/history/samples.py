"""The sample images of a run: files with true step and prompt.

sd-scripts writes to `<output_dir>/sample` and names files by its own numbers: the epoch, or the global step
of the attempt. Each further attempt has its own folder and count; `runner.state.step_mapper` converts them to
true steps using the journal. No image is opened here.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.checkpoints.checkpoint_facts import SampleFile, sample_files
from runner.config.flags import read_flags, whole
from runner.model import AttemptPlan, AttemptStatus, RunSpec, RunState, Status
from runner.state.journal_state import AttemptMappers
from runner.state.lineage import superseded
from runner.store.journal import readable
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.sample_prompts import PromptFile, read_prompt_file
from runner.trainers.sd_scripts.steps import steps_per_epoch

#: a file's time may be slightly before the recorded start
EARLY_S = 1.0
#: and that of the last one after the recorded end: a launcher may exit before its trainer
LATE_S = 30.0
_SEED = re.compile(r"_\d{8,}_(\d+)\.png$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image. `step`: true step, None: unknown. `epoch`: from 1, as the trainer counts; 0: before the
    first. `prompt_index` from 0. `made_at`: seconds since the epoch. `replaced`: a later attempt trained its
    step again."""

    path: str
    step: int | None
    epoch: int | None
    prompt_index: int
    seed: int | None
    attempt: int
    size_bytes: int
    made_at: float
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class SampleRhythm:
    """How often the newest attempt samples, 0: not at all. As in sd-scripts epochs win over steps; both count
    from `origin_step`."""

    every_steps: int = 0
    every_epochs: int = 0
    origin_step: int = 0


def rhythm_of(path: Path) -> SampleRhythm:
    run, number = RunDir(Path(path)), 1
    spec = readable(run.spec, RunSpec)
    if spec is None:
        return SampleRhythm()
    plan = spec.first_plan
    while (found := readable(run.attempt(number), AttemptPlan)) is not None:
        plan, number = found, number + 1
    flags = trainer_flags(read_flags(plan.command), Path(plan.cwd)).values
    if not flags.get("sample_prompts"):
        return SampleRhythm()

    def every(flag: str) -> int:
        with contextlib.suppress(ValueError):
            return max(0, whole(flags, flag) or 0)
        return 0

    return SampleRhythm(
        every("sample_every_n_steps"), every("sample_every_n_epochs"), plan.origin_step
    )


def find_samples(path: Path) -> tuple[Sample, ...]:
    """All images of this run, by step, at most one per step and prompt. Blocking; unreadable ones are
    skipped."""
    return SampleFinder(path).find()


def prompts_of(path: Path) -> tuple[str, ...]:
    """The prompts by index, from the current file; empty if unreadable."""
    return tuple(one.text for one in prompt_file_of(path).prompts)


def prompt_file_of(path: Path) -> PromptFile:
    """The prompt file of a run's first attempt."""
    run = RunDir(Path(path))
    spec = readable(run.spec, RunSpec)
    if spec is None:
        return PromptFile(problem="the run's spec.json cannot be read")
    plan = readable(run.attempt(1), AttemptPlan) or spec.first_plan
    flags = trainer_flags(read_flags(plan.command), Path(plan.cwd)).values
    named = flags.get("sample_prompts")
    if not isinstance(named, str) or not named:
        return PromptFile(problem="the run has no sample_prompts")
    return read_prompt_file(Path(plan.cwd) / named, spec.created_at)


class SampleFinder:
    """Finds a run's images repeatedly; without changes it only costs a few stat calls."""

    def __init__(self, path: Path) -> None:
        self._run = RunDir(Path(path))
        self._mappers = AttemptMappers(self._run)
        self._spec: RunSpec | None = None
        self._plans: list[AttemptPlan] = []
        self._seen: tuple[object, ...] | None = None
        self._found: tuple[Sample, ...] = ()

    def changed(self) -> bool:
        """Is there anything new for `find`?"""
        return self._state() != self._seen

    def find(self) -> tuple[Sample, ...]:
        """In the order of steps, then of prompts."""
        state, spec = self._state(), self._spec
        if state == self._seen or spec is None:
            return self._found
        self._mappers.read()
        status = readable(self._run.status, Status)
        found = [one for plan in self._known(spec) for one in self._of_attempt(plan, spec, status)]
        attempts = status.attempts if status is not None else ()
        self._found = tuple(sorted(_newest(found, attempts), key=_place))
        self._seen = state
        return self._found

    def _known(self, spec: RunSpec) -> list[AttemptPlan]:
        return self._plans or [spec.first_plan]

    def _state(self) -> tuple[object, ...]:
        """Changes with a new image or new facts about its step. Plans are written once, so read once."""
        while (plan := readable(self._run.attempt(len(self._plans) + 1), AttemptPlan)) is not None:
            self._plans.append(plan)
        self._spec = spec = readable(self._run.spec, RunSpec)
        if spec is None:
            return ()
        folders = filter(None, (_folder(plan, spec) for plan in self._known(spec)))
        return (len(self._plans), *map(_stat, (*folders, self._run.events)))

    def _of_attempt(
        self, plan: AttemptPlan, spec: RunSpec, status: Status | None
    ) -> Iterator[Sample]:
        folder, (since, until) = _folder(plan, spec), _window(plan.attempt, spec, status)
        files: list[SampleFile] = []
        if folder is not None:
            with contextlib.suppress(OSError):
                files = sample_files(folder, plan.output_name or spec.output_name, 0.0)
        for file in files:
            stat = _stat(Path(file.path))
            if stat is None:
                continue  # deleted meanwhile
            written_at, drawn_at = stat[0] / 1e9, stamp_at(file.stamp)
            made_at = written_at if drawn_at is None else drawn_at
            # a copy has its own time; the name has the time of drawing
            if not any(since <= at <= until for at in (written_at, made_at)):
                continue
            seed = _SEED.search(file.path)
            yield Sample(
                file.path,
                *self._place(file, plan, status),
                file.prompt,
                int(seed[1]) if seed else None,
                plan.attempt,
                stat[1],
                made_at,
            )

    def _place(
        self, file: SampleFile, plan: AttemptPlan, status: Status | None
    ) -> tuple[int | None, int | None]:
        """True step and epoch of a file's number."""
        mapper = self._mappers.of(plan)
        per_epoch = mapper.steps_per_epoch or _per_epoch_without_banner(plan, status)
        total = self._mappers.total_steps(plan)
        if file.is_epoch and file.number == 0:
            # --sample_at_first: before the first step of this attempt
            step = mapper.true_from_bar(0)
            step = plan.base_step if step is None else step
            return step, _epoch_of(step, per_epoch)
        if not file.is_epoch:
            step = mapper.true_from_name(file.number)
            return step, _epoch_of(step, per_epoch)
        if per_epoch is None:
            return None, file.number
        step = plan.origin_step + file.number * per_epoch
        # the last epoch may be cut short by max_train_steps, but is still sampled
        step = step if total is None else min(step, total)
        return step, plan.origin_step // per_epoch + file.number


# --------------------------------------------------------------------------- pure parts


def stamp_at(stamp: str) -> float | None:
    """`20261126062311`, the trainer's local time, as Unix seconds; None: not a time."""
    try:
        return time.mktime(time.strptime(stamp[:14], "%Y%m%d%H%M%S"))
    except (ValueError, OverflowError):
        return None


def _epoch_of(step: int | None, per_epoch: int | None) -> int | None:
    if step is None or per_epoch is None:
        return None
    return (step - 1) // per_epoch + 1 if step > 0 else 0


def _newest(found: Iterable[Sample], attempts: Sequence[AttemptStatus]) -> list[Sample]:
    """One image per step and prompt: the newest of the latest attempt."""
    best: dict[object, Sample] = {}
    for one in sorted(found, key=lambda one: (one.attempt, one.made_at)):
        key = one.path if one.step is None else (one.step, one.prompt_index)
        best[key] = replace(one, replaced=superseded(one, attempts) is not None)
    return list(best.values())


def _place(one: Sample) -> tuple[float, float, int]:
    step = one.step if one.step is not None else math.inf
    return step, one.made_at if one.step is None else 0.0, one.prompt_index


def _folder(plan: AttemptPlan, spec: RunSpec) -> Path | None:
    chosen = plan.output_dir or (spec.output_dir if plan.attempt == 1 else None)
    return Path(plan.cwd) / chosen / "sample" if chosen else None


def _window(attempt: int, spec: RunSpec, status: Status | None) -> tuple[float, float]:
    """When the attempt ran: other images in the same folder are from other trainings."""
    if spec.origin:
        return 0.0, math.inf  # its time was not recorded
    since, until = spec.created_at, math.inf
    for one in status.attempts if status is not None else ():
        if one.attempt == attempt:
            since = max(since, one.started_at)
            if one.exit is not None:
                until = one.exit.at + LATE_S
    if status is not None and status.state is RunState.ENDED and status.ended_at is not None:
        until = min(until, status.ended_at + LATE_S)
    return since - EARLY_S, until


def _per_epoch_without_banner(plan: AttemptPlan, status: Status | None) -> int | None:
    """From the status and the command."""
    batches = status.batches_per_epoch if status is not None else None
    if not batches:
        return None
    flags, accumulation = trainer_flags(read_flags(plan.command), Path(plan.cwd)).values, None
    with contextlib.suppress(ValueError):
        accumulation = whole(flags, "gradient_accumulation_steps")
    return steps_per_epoch(batches, accumulation)


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
