"""The forecast of a plasma.toml, whole: sd-scripts' arithmetic, sizes by network and model, and what an
earlier run with the same settings has shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import Any

from runner.config.dataset_file import dataset_values
from runner.config.model import Config
from runner.model import ExpectedCheckpoint, Forecast
from runner.model.units import count, pace
from runner.preflight.learnt import Learnt, learnt
from runner.trainers.accelerate import launched_processes
from runner.trainers.registry import program_of
from runner.trainers.sd_scripts.config_file import TrainerFlags, trainer_flags
from runner.trainers.sd_scripts.dataset import DatasetSpec, read_specs
from runner.trainers.sd_scripts.file_sizes import FileSizes
from runner.trainers.sd_scripts.forecast import Question
from runner.trainers.sd_scripts.reasons import surprises


def estimate(config: Config, *, smoke: bool = False) -> Forecast:
    """What cannot be told is None and named in the warnings; nothing is raised for wrong flags."""
    read = trainer_flags(config.flags(smoke=smoke), config.trainer_cwd)
    processes = launched_processes(config)
    try:
        question = question_of(config, read, processes.count)
    except ValueError as error:  # [dataset] is no dataset config
        return Forecast(warnings=(str(error),))
    found = program_of(config.trainer).forecast(question)
    found = with_sizes(found, _sizes(config, read.values))
    taught = learnt(config)
    if taught is not None:
        found = with_learnt(found, taught)
    found = with_disk(found)
    first = [text for text in (read.problem, processes.warning) if text]
    told = () if smoke else surprises(config.expect, found, question)
    return replace(found, warnings=tuple(dict.fromkeys((*first, *told, *found.warnings))))


def question_of(config: Config, read: TrainerFlags, processes: int) -> Question:
    """Raises DatasetError for a [dataset] that sd-scripts would refuse."""
    flags = {name: value for name, value in read.values.items() if value is not False}
    return program_of(config.trainer).question(
        config.trainer,
        flags,
        config.trainer_cwd,
        processes=processes,
        specs=_unwritten(config, flags),
        origins=read.origins,
    )


def _unwritten(config: Config, flags: dict[str, Any]) -> tuple[DatasetSpec, ...] | None:
    """[dataset] of plasma.toml, while its file is not there yet."""
    file = flags.get("dataset_config")
    if config.dataset is None or not file or (config.trainer_cwd / str(file)).exists():
        return None
    return read_specs(dataset_values(config), flags, f"{config.path} [dataset]")


def _sizes(config: Config, flags: Any) -> FileSizes | None:
    try:
        return program_of(config.trainer).file_sizes(config.trainer, flags)
    except ValueError:  # a rank that is no number: the checks tell
        return None


def with_sizes(found: Forecast, sizes: FileSizes | None) -> Forecast:
    """Bytes by rank and model."""
    if sizes is None:
        return found
    sources = {"checkpoint_bytes": sizes.checkpoint_source, "state_bytes": sizes.state_source}
    return replace(
        found,
        checkpoint_bytes=sizes.checkpoint_bytes,
        state_bytes=sizes.state_bytes,
        sources=found.sources | sources,
    )


def with_learnt(found: Forecast, taught: Learnt) -> Forecast:
    """What was measured is better than what was reckoned."""
    sources = dict(found.sources)
    changes: dict[str, Any] = {}
    for name in ("checkpoint_bytes", "state_bytes", "seconds_per_step", "memory_bytes"):
        value = getattr(taught, name)
        if value is not None:
            changes[name], sources[name] = value, taught.source
    if "memory_bytes" in changes:
        sources["memory_bytes"] = f"{taught.source}, most {taught.memory_of} seen"
    if taught.seconds_per_step is not None and found.steps is not None:
        changes["duration_s"], sources["duration_s"] = _duration(found, taught)
    return replace(found, **changes, sources=sources)


def _duration(found: Forecast, taught: Learnt) -> tuple[float, str]:
    """Start, steps and saves; the smoke test's own end stands for a save."""
    seconds = taught.seconds_per_step or 0.0
    steps = found.trained_steps if found.trained_steps is not None else found.steps or 0
    saves = len(found.checkpoints)
    total = steps * seconds + (taught.start_s or 0.0) + saves * (taught.end_s or 0.0)
    told = f"{count(steps, 'step')} at {pace(seconds)}"
    if taught.start_s is not None:
        told += ", start"
    if taught.end_s is not None:
        told += f", {count(saves, 'save')}"
    left_out = ", samples not reckoned" if found.samples else ""
    return total, f"{told} ({taught.source}){left_out}"


def with_disk(found: Forecast) -> Forecast:
    """All that lies in output_dir at the fullest moment, sample images not reckoned."""
    if found.checkpoint_bytes is None or not found.checkpoints:
        return found
    if found.state_bytes is None and any(c.state_name for c in found.checkpoints):
        return found
    size_bytes, files, states = peak(
        found.checkpoints, found.checkpoint_bytes, found.state_bytes or 0
    )
    told = count(files, "file")
    if states:
        told += f" and {count(states, 'state')}"
    if found.samples:
        told += ", samples not reckoned"
    return replace(
        found, size_bytes=size_bytes, sources=found.sources | {"size_bytes": f"{told} at most"}
    )


def peak(
    checkpoints: tuple[ExpectedCheckpoint, ...], each_bytes: int, state_bytes: int
) -> tuple[int, int, int]:
    """(bytes, files, states) at the fullest moment: what is deleted goes only after the new is written,
    and the final file comes when that is over."""
    *regular, final = checkpoints
    removed = Counter(c.removed_at_step for c in regular)
    states_removed = Counter(c.state_removed_at_step for c in regular)
    fullest = (0, 0, 0)
    files = states = 0
    for step, group in groupby(regular, lambda c: c.step):
        new = list(group)
        files += len(new)
        states += sum(c.state_name is not None for c in new)
        fullest = max(fullest, (files * each_bytes + states * state_bytes, files, states))
        files -= removed[step]
        states -= states_removed[step]
    files, states = files + 1, states + (final.state_name is not None)
    return max(fullest, (files * each_bytes + states * state_bytes, files, states))
