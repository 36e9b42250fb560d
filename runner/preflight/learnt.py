"""What an earlier run with the same settings has shown: pace, sizes, memory.

Runs are the same when the first part of `runner.trainers.sd_scripts.settings_key` says so and their
command held the same flags, except those that only make a run longer or put its files elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.analysis.smoke import smoke_passed
from runner.config.flags import flags_begin, to_arguments
from runner.config.model import Config
from runner.model import Checkpoint, Outcome, RunSnapshot, RunSpec
from runner.store.journal import Unreadable, read_json
from runner.store.reader import RunReader
from runner.store.registry import LOOK_BACK_RUNS, run_paths
from runner.trainers.sd_scripts.settings_key import FREE_FLAGS, part_of, settings_part


@dataclass(frozen=True, slots=True)
class Learnt:
    """`start_s`: from the launch to the first step. `end_s`: from the last step to the end, so with one
    save. `memory_bytes`: the most that was seen, of the GPU where one was measured, else of all the
    trainer's processes. None: that run did not show it."""

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


def learnt(config: Config) -> Learnt | None:
    """Of the newest run with the same settings that ended well. None: there is none."""
    key = settings_part(config)
    for path in run_paths()[:LOOK_BACK_RUNS]:
        try:
            spec = read_json(path / "spec.json", RunSpec)
        except Unreadable:
            continue
        if part_of(spec.settings_key) != key or not _same_flags(spec.command, config):
            continue
        # a long run's first steps and its newest gauges are enough
        snapshot = RunReader(path, console=False).read()
        if smoke_passed(snapshot) if spec.smoke else snapshot.outcome is Outcome.SUCCEEDED:
            return learnt_from(snapshot)
    return None


def learnt_from(snapshot: RunSnapshot) -> Learnt | None:
    """None: the run cannot be read."""
    spec, status = snapshot.spec, snapshot.status
    if spec is None or status is None:
        return None
    files = [c for c in status.checkpoints if c.complete and not c.removed and c.size_bytes]
    memory, of = _memory(snapshot)
    start_s, end_s = _around(snapshot)
    return Learnt(
        snapshot.id,
        spec.smoke,
        status.seconds_per_step,
        files[-1].size_bytes if files else None,
        _state_bytes(status.checkpoints),
        start_s,
        end_s,
        memory,
        of,
    )


def _around(snapshot: RunSnapshot) -> tuple[float | None, float | None]:
    """Seconds before the first step and after the last, of a run in one attempt."""
    spec, status = snapshot.spec, snapshot.status
    buckets = snapshot.loss.buckets
    if spec is None or status is None or not buckets or len(status.attempts) != 1:
        return None, None
    first, last = buckets[0].elapsed_s, buckets[-1].elapsed_s
    start_s = end_s = None
    if first is not None and status.started_at is not None:
        steps_in_it = buckets[0].last_step - buckets[0].first_step + 1
        trained = steps_in_it * (status.seconds_per_step or 0.0)
        start_s = max(0.0, spec.created_at + first - status.started_at - trained)
    whole = snapshot.read_fraction == 1.0
    if whole and last is not None and status.ended_at is not None:
        end_s = max(0.0, status.ended_at - spec.created_at - last)
    return start_s, end_s


def _memory(snapshot: RunSnapshot) -> tuple[int | None, str]:
    device = snapshot.status.device if snapshot.status is not None else None
    gpu = [s.gpu_memory_used_bytes for s in snapshot.hardware if s.gpu_memory_used_bytes]
    if gpu and device is not None and device.startswith("cuda"):
        return max(gpu), "GPU memory"
    tree = [s.tree_memory_bytes for s in snapshot.hardware if s.tree_memory_bytes]
    return (max(tree) if tree else None), "memory"


def _state_bytes(checkpoints: Iterable[Checkpoint]) -> int | None:
    """Of a whole state that still lies there."""
    for checkpoint in reversed(list(checkpoints)):
        if checkpoint.state_path is None or not checkpoint.state_complete:
            continue
        folder = Path(checkpoint.state_path)
        try:
            return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) or None
        except OSError:
            continue
    return None


def _same_flags(command: Sequence[str], config: Config) -> bool:
    """Did that command hold every flag of [train] that matters, and no other?"""
    try:
        words = command[flags_begin(command) :]
    except ValueError:
        return False
    matter = {name: value for name, value in config.train.items() if name not in FREE_FLAGS}
    if not set(to_arguments(matter)) <= set(words):
        return False
    given = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    return not given - FREE_FLAGS - matter.keys()
