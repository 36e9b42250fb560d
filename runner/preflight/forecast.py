"""The forecast of a plasma.toml, complete: sd-scripts' arithmetic, sizes by network and model, and
measurements of an earlier run with the same settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from runner.config.model import Config, Trainer, dataset_values
from runner.model import ExpectedCheckpoint, Forecast
from runner.model.units import count, pace
from runner.preflight.header import read_model
from runner.preflight.memory_load import between, load_of
from runner.preflight.prior_runs import PriorRun, prior_run
from runner.trainers.accelerate import launched_processes
from runner.trainers.registry import program_of
from runner.trainers.sd_scripts.config_file import TrainerFlags, trainer_flags
from runner.trainers.sd_scripts.dataset import DatasetSpec, read_specs, specs_from_flags
from runner.trainers.sd_scripts.forecast import Question
from runner.trainers.sd_scripts.memory import memory_need
from runner.trainers.sd_scripts.reasons import surprises
from runner.trainers.sd_scripts.scripts import BASE_MODEL


def estimate(config: Config, *, smoke: bool = False) -> Forecast:
    """Unknown values are None and named in the warnings; wrong flags raise nothing."""
    read = trainer_flags(config.flags(smoke=smoke), config.trainer_cwd)
    processes = launched_processes(config)
    try:
        question = question_of(config, read, processes.count)
    except ValueError as error:  # [dataset] is not a dataset config
        return Forecast(warnings=(str(error),))
    program = program_of(config.trainer)
    found = with_sizes(program.forecast(question), config.trainer, read.values)
    found = with_memory(found, config, question)
    if (prior := prior_run(config)) is not None:
        found = with_prior(found, prior)
    found = with_disk(found)
    first = (text for text in (read.problem, processes.warning) if text)
    surprising = () if smoke else surprises(config.expect, found, question)
    return replace(found, warnings=tuple(dict.fromkeys((*first, *surprising, *found.warnings))))


def question_of(config: Config, read: TrainerFlags, processes: int) -> Question:
    """Raises DatasetError for a [dataset] that sd-scripts would reject."""
    flags = {name: value for name, value in read.values.items() if value is not False}
    return program_of(config.trainer).question(
        config.trainer,
        flags,
        config.trainer_cwd,
        processes=processes,
        specs=unwritten_specs(config, flags),
        origins=read.origins,
    )


def unwritten_specs(config: Config, flags: Mapping[str, Any]) -> tuple[DatasetSpec, ...] | None:
    """[dataset] of plasma.toml, while its file does not exist."""
    file = flags.get("dataset_config")
    if config.dataset is None or not file or (config.trainer_cwd / str(file)).exists():
        return None
    return read_specs(dataset_values(config), flags, f"{config.path} [dataset]")


def with_sizes(
    found: Forecast, trainer: Trainer, flags: Mapping[str, Any], kind: str | None = None
) -> Forecast:
    """Bytes by rank and model; `kind`: of the base model, if it was read."""
    try:
        sizes = program_of(trainer).file_sizes(trainer, flags, kind)
    except ValueError:  # a rank that is not a number: reported by the checks
        return found
    if sizes is None:
        return found
    sources = {"checkpoint_bytes": sizes.checkpoint_source, "state_bytes": sizes.state_source}
    return replace(
        found,
        checkpoint_bytes=sizes.checkpoint_bytes,
        state_bytes=sizes.state_bytes,
        sources=found.sources | sources,
    )


def with_memory(found: Forecast, config: Config, question: Question) -> Forecast:
    """The estimate of GPU memory as a source without a number: it is a range."""
    if (config.expect.device or "cuda").partition(":")[0] in ("cpu", "mps"):
        return found
    try:
        specs = question.specs or specs_from_flags(question.flags, question.base_dir)
        name = question.flags.get(BASE_MODEL)
        shapes = read_model(question.base_dir / name) if isinstance(name, str) and name else None
        batches = [(spec.resolution, spec.batch_size) for spec in specs if spec.resolution]
        load = load_of(config, question.flags, shapes, batches, on_gpu=True)
        need = memory_need(load) if load is not None else None
    except ValueError:  # reported by the forecast itself or by the checks
        return found
    if need is None:
        return found
    text = f"about {between(need.low_bytes, need.high_bytes)} of GPU memory (estimate)"
    return replace(found, sources={**found.sources, "memory_bytes": text})


def with_prior(found: Forecast, prior: PriorRun) -> Forecast:
    """Measured values replace estimates."""
    names = ("checkpoint_bytes", "state_bytes", "seconds_per_step", "memory_bytes")
    changes = {name: value for name in names if (value := getattr(prior, name)) is not None}
    sources = dict(found.sources) | dict.fromkeys(changes, prior.source)
    if "memory_bytes" in changes:
        sources["memory_bytes"] = f"{prior.source}, most {prior.memory_of} used"
    if prior.seconds_per_step is not None and found.steps is not None:
        changes["duration_s"], sources["duration_s"] = _duration(found, prior)
    return replace(found, **changes, sources=sources)


def _duration(found: Forecast, prior: PriorRun) -> tuple[float, str]:
    """Start, steps and saves; the smoke test's own end counts as a save."""
    seconds = prior.seconds_per_step or 0.0
    steps = found.trained_steps if found.trained_steps is not None else found.steps or 0
    saves = len(found.checkpoints)
    total = steps * seconds + (prior.start_s or 0.0) + saves * (prior.end_s or 0.0)
    start = ", start" if prior.start_s is not None else ""
    end = f", {count(saves, 'save')}" if prior.end_s is not None else ""
    left_out = ", excluding samples" if found.samples else ""
    return (
        total,
        f"{count(steps, 'step')} at {pace(seconds)}{start}{end} ({prior.source}){left_out}",
    )


def with_disk(found: Forecast) -> Forecast:
    """Everything in output_dir at the fullest moment, excluding sample images."""
    states_saved = any(c.state_name for c in found.checkpoints)
    if found.checkpoint_bytes is None or (found.state_bytes is None and states_saved):
        return found
    if not found.checkpoints:
        return found
    size, files, states = peak(found.checkpoints, found.checkpoint_bytes, found.state_bytes or 0)
    source = count(files, "file") + (f" and {count(states, 'state')}" if states else "")
    source += "at most, excluding samples" if found.samples else " at most"
    return replace(found, size_bytes=size, sources=found.sources | {"size_bytes": source})


def peak(
    checkpoints: tuple[ExpectedCheckpoint, ...], each_bytes: int, state_bytes: int
) -> tuple[int, int, int]:
    """(bytes, files, states) at the fullest moment: old files are deleted only after new ones are written,
    and the final file is written after that."""
    if not checkpoints:
        return (0, 0, 0)
    *regular, final = checkpoints
    removed = Counter(c.removed_at_step for c in regular)
    states_removed = Counter(c.state_removed_at_step for c in regular)
    fullest = (0, 0, 0)
    files = states = 0
    for step, group in groupby((*regular, final), lambda c: None if c is final else c.step):
        new = list(group)
        files += len(new)
        states += sum(c.state_name is not None for c in new)
        fullest = max(fullest, (files * each_bytes + states * state_bytes, files, states))
        files -= removed[step]
        states -= states_removed[step]
    return fullest
