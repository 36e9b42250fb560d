"""Measurements of an earlier run with the same settings: pace, sizes, memory.

Runs are the same if the first part of `runner.trainers.sd_scripts.settings_key` matches and their command had
the same flags, except those that only change length or file locations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.analysis.smoke import smoke_passed
from runner.config.flags import flags_begin, to_arguments
from runner.config.hiding import hidden_command
from runner.config.model import Config
from runner.model import Outcome, RunSnapshot, RunSpec, Status
from runner.store.journal import Unreadable, read_json
from runner.store.reader import RunReader
from runner.store.registry import LOOK_BACK_RUNS, run_paths
from runner.trainers.sd_scripts.settings_key import FREE_FLAGS, part_of, settings_part


@dataclass(frozen=True, slots=True)
class PriorRun:
    """`start_s`: from the launch to the first step. `end_s`: from the last step to the end, so with one save.
    `memory_bytes`: the maximum, of the run's part of the GPU if measured, of the GPU, else of all the
    trainer's processes. None: not
    measured."""

    run_id: str
    smoke: bool
    seconds_per_step: float | None = None
    checkpoint_bytes: int | None = None
    state_bytes: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    memory_bytes: int | None = None
    memory_of: str = "memory"

    @property
    def source(self) -> str:
        return f"{'smoke test' if self.smoke else 'run'} {self.run_id}"


def prior_run(config: Config) -> PriorRun | None:
    """The newest successful run with the same settings. None: none."""
    for spec, run in _same(config):
        good = smoke_passed(run) if spec.smoke else run.outcome is Outcome.SUCCEEDED
        if good and run.status is not None:
            return _shown_by(run, spec, run.status)
    return None


OUT_OF_MEMORY = frozenset(("cuda_out_of_memory", "mps_out_of_memory", "host_out_of_memory"))


def ran_out_of_memory(config: Config) -> str | None:
    """The newest run with the same settings, if that ended it."""
    for _, run in _same(config):
        cause = run.status.cause if run.status is not None else None
        return run.id if cause is not None and cause.key in OUT_OF_MEMORY else None
    return None


def _same(config: Config) -> Iterator[tuple[RunSpec, RunSnapshot]]:
    """Runs with the same settings, newest first. Read partly: a long run's first steps and newest readings
    are enough."""
    key = settings_part(config)
    for path in run_paths()[:LOOK_BACK_RUNS]:
        try:
            spec = read_json(path / "spec.json", RunSpec)
        except Unreadable:
            continue
        if part_of(spec.settings_key) == key and _same_flags(spec.command, config):
            yield spec, RunReader(path, console=False, files=False).read()


def _shown_by(run: RunSnapshot, spec: RunSpec, status: Status) -> PriorRun:
    sizes = [
        c.size_bytes for c in status.checkpoints if c.complete and not c.removed and c.size_bytes
    ]
    start_s, end_s = _around(run, spec, status)
    gpu = [s.gpu_memory_used_bytes for s in run.hardware if s.gpu_memory_used_bytes]
    tree = [s.tree_memory_bytes for s in run.hardware if s.tree_memory_bytes]
    on_gpu = bool(gpu) and (status.device or "").startswith("cuda")
    use = status.hardware
    most = (
        use.gpu_memory_run_max_bytes or max(use.gpu_memory_max_bytes or 0, *gpu)
        if on_gpu
        else max(use.tree_memory_max_bytes or 0, *tree, 0)
    )
    return PriorRun(
        run.id,
        spec.smoke,
        status.seconds_per_step,
        sizes[-1] if sizes else None,
        _state_bytes(status),
        start_s,
        end_s,
        most or None,
        "GPU memory" if on_gpu else "memory",
    )


def _around(run: RunSnapshot, spec: RunSpec, status: Status) -> tuple[float | None, float | None]:
    """Seconds before the first step and after the last, of a run in one attempt."""
    buckets = run.loss.buckets
    if not buckets or len(status.attempts) != 1:
        return None, None
    first, last = buckets[0].elapsed_s, buckets[-1].elapsed_s
    start_s = end_s = None
    if first is not None and status.started_at is not None:
        steps_in_it = buckets[0].last_step - buckets[0].first_step + 1
        trained = steps_in_it * (status.seconds_per_step or 0.0)
        start_s = max(0.0, spec.created_at + first - status.started_at - trained)
    if run.read_fraction == 1.0 and last is not None and status.ended_at is not None:
        end_s = max(0.0, status.ended_at - spec.created_at - last)
    return start_s, end_s


def _state_bytes(status: Status) -> int | None:
    """Of the newest complete state that still exists."""
    for checkpoint in reversed(status.checkpoints):
        if checkpoint.state_path is not None and checkpoint.state_complete:
            files = Path(checkpoint.state_path).rglob("*")
            try:
                return sum(file.stat().st_size for file in files if file.is_file()) or None
            except OSError:
                continue
    return None


def _same_flags(command: Sequence[str], config: Config) -> bool:
    """Did that command have every relevant flag of [train], and no other?"""
    try:
        words = command[flags_begin(command) :]
    except ValueError:
        return False
    matter = {name: value for name, value in config.train.items() if name not in FREE_FLAGS}
    given = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    wanted, had = hidden_command(to_arguments(matter)), hidden_command(words)
    return set(wanted) <= set(had) and not given - FREE_FLAGS - matter.keys()
