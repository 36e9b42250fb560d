"""What a training will do, before it starts: steps, epochs, files. sd-scripts' own arithmetic. Pure except
for reading the dataset's folders and the prompts. Facts: `train_network.py` and `train_util.py` v0.10,
checked against the real loop by `scripts/check_forecast.py`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.flags import whole
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.model import Forecast
from runner.model.units import count
from runner.trainers.sd_scripts.dataset import (
    DatasetPlan,
    DatasetSpec,
    FolderImages,
    plan_datasets,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.listing import ImageSource
from runner.trainers.sd_scripts.forecast_words import (
    dataset_sources,
    file_sources,
    flag_warnings,
    mask_warning,
    step_sources,
    step_warnings,
)
from runner.trainers.sd_scripts.sample_prompts import expected_samples
from runner.trainers.sd_scripts.saves import expected_checkpoints, save_warnings
from runner.trainers.sd_scripts.scripts import file_ending, no_lora
from runner.trainers.sd_scripts.steps import Steps, count_steps

#: how many starts to compare if every start picks other validation images
DRAWS = 24
#: values that depend on the epoch length, and their fallback if that is unknown
_UNKNOWN: dict[str, Any] = {
    "batches_per_epoch": None,
    "epochs": None,
    "steps": None,
    "checkpoints": (),
    "final": None,
    "samples": None,
    "trained_steps": None,
}

NO_DATA = (
    "No images to train on: the trainer would print `No data found` and exit with 0; check "
    "image_dir, or the N_name folders below train_data_dir"
)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a forecast depends on. `flags`: of the trainer, by their own names without dashes, only
    those given. `base_dir`: the trainer's working directory. `specs`: the datasets, if not to be read from
    the flags' own files. `origins`: the file of a flag, by flag name, if not the command line."""

    flags: Mapping[str, Any]
    base_dir: Path
    source: ImageSource
    processes: int = 1
    reso_divisor: int = 64
    specs: tuple[DatasetSpec, ...] | None = None
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: of sd-scripts; decides what kind of file is written
    script: str = ""
    #: used as seed if none is given: the trainer then draws one for every start
    draw: int = 0

    @property
    def shuffler(self) -> random.Random:
        """As the trainer seeds it before it reads the datasets."""
        seed = whole(self.flags, "seed")
        return random.Random(self.draw if seed is None else seed)

    def plan(self, **changes: Any) -> tuple[tuple[DatasetSpec, ...], DatasetPlan]:
        """One epoch of the datasets. `changes`: changed flags. Raises ValueError."""
        flags = {**self.flags, **changes}
        specs = self.specs
        if specs is None:
            specs = specs_from_flags(flags, self.base_dir)
        cached = bool(flags.get("cache_latents") or flags.get("cache_latents_to_disk"))
        return specs, plan_datasets(specs, self.source, self.shuffler, self.reso_divisor, cached)


def forecast(
    flags: Mapping[str, object],
    base_dir: Path,
    processes: int = 1,
    *,
    images: ImageSource | None = None,
    **more: Any,
) -> Forecast:
    """Steps, epochs, files and samples of a training, as `answer`. `flags`: False and None mean not given;
    `more`: other fields of a `Question`."""
    given = {key: value for key, value in flags.items() if value is not None and value is not False}
    return answer(Question(given, base_dir, images or FolderImages(base_dir), processes, **more))


def answer(question: Question) -> Forecast:
    """Unknown values are None, with the reason as a warning; a wrong dataset raises nothing."""
    found = _drawn(question)
    if not split_by_chance(question):
        return found
    others = [_drawn(dataclasses.replace(question, draw=draw)) for draw in range(1, DRAWS)]
    unknown = {
        name: default
        for name, default in _UNKNOWN.items()
        if any(getattr(other, name) != getattr(found, name) for other in others)
    }
    if not unknown:
        return found
    batches = [other.batches_per_epoch or 0 for other in (found, *others)]
    warning = (
        f"an epoch has {min(batches)} to {max(batches)} batches: the validation images change "
        "with every start; set seed or validation_seed"
    )
    return dataclasses.replace(
        found,
        **unknown,
        sources={name: text for name, text in found.sources.items() if name not in unknown},
        warnings=(warning, *found.warnings),
    )


def split_by_chance(question: Question) -> bool:
    """Can another start pick validation images that change the batches?"""
    if question.flags.get("seed") is not None:
        return False
    try:
        _, plan = question.plan()
    except ValueError:
        return False
    return any(
        0.0 < dataset.spec.validation_split <= 1.0
        and dataset.spec.validation_seed is None
        and dataset.spec.batch_size > 1
        and len(dataset.buckets) > 1
        for dataset in plan.datasets
    )


def _drawn(question: Question) -> Forecast:
    flags = question.flags
    alone = save_warnings(flags)
    try:
        if flags.get("dataset_class"):
            raise ValueError("dataset_class: a custom dataset cannot be counted")
        specs, plan = question.plan()
    except ValueError as error:  # DatasetError, or a non-numeric flag
        return Forecast(warnings=(str(error), *alone))
    known = Forecast(
        images=plan.images,
        reg_images=plan.reg_images,
        batches_per_epoch=plan.batches_per_epoch,
        sources=dataset_sources(flags, specs, plan),
    )
    if not plan.batches_per_epoch:
        return dataclasses.replace(known, steps=0, warnings=(*plan.warnings, NO_DATA))
    try:
        state_step = _state_step(flags, question.base_dir)
        steps = count_steps(flags, plan.batches_per_epoch, question.processes, state_step)
        ending = file_ending(question.script, flags, question.base_dir)
        checkpoints = expected_checkpoints(flags, steps, ending)
        samples = expected_samples(flags, question.base_dir, steps)
    except ValueError as error:
        return dataclasses.replace(known, warnings=tuple(dict.fromkeys((str(error), *alone))))
    warnings = (
        no_lora(question.script),
        mask_warning(flags, specs, question.script),
        _doubling(question, specs, plan, steps),
        *plan.warnings,
        *alone,
        *flag_warnings(flags, specs),
        *step_warnings(flags, plan, steps),
        samples.problem,
    )
    return dataclasses.replace(
        known,
        batches_per_epoch=steps.batches,
        epochs=steps.epochs,
        steps=steps.total,
        checkpoints=checkpoints,
        final=checkpoints[-1].name,
        samples=samples.count,
        trained_steps=steps.trained,
        sources={
            **known.sources,
            **step_sources(flags, question.origins, plan, steps, question.processes),
            **file_sources(flags, question.origins, samples),
        },
        warnings=tuple(text for text in warnings if text),
    )


def without_regularisation(specs: Iterable[DatasetSpec]) -> tuple[DatasetSpec, ...]:
    """The same datasets, trained alone."""
    return tuple(
        dataclasses.replace(spec, subsets=tuple(s for s in spec.subsets if not s.is_reg))
        for spec in specs
    )


def _doubling(
    question: Question, specs: tuple[DatasetSpec, ...], plan: DatasetPlan, steps: Steps
) -> str | None:
    """Effect of the regularisation images on the number of steps."""
    if not plan.reg_images:
        return None
    train = without_regularisation(specs)
    batches = plan_datasets(train, question.source, question.shuffler, 1).batches_per_epoch
    if not batches or batches == plan.batches_per_epoch:
        return None
    alone = count_steps({**question.flags, "initial_step": 0}, batches, question.processes)
    doubled = "the regularisation subset doubles each epoch"
    if "max_train_epochs" in question.flags:
        return f"{steps.total} steps, not {alone.total}: {doubled}"
    if steps.epochs == alone.epochs:
        return f"{steps.batches} batches an epoch, not {alone.batches}: {doubled}"
    return (
        f"{count(steps.epochs, 'epoch')}, not {alone.epochs}: {doubled}, "
        f"{steps.batches} batches instead of {alone.batches}"
    )


def _state_step(flags: Mapping[str, Any], base_dir: Path) -> int | None:
    """Metadata of the state in --resume (train_state.json, since sd-scripts v0.9)."""
    resume = flags.get("resume")
    if not resume or flags.get("resume_from_huggingface"):
        return None
    file = base_dir / str(resume) / "train_state.json"
    try:
        step = parse_json(read_text(file))["current_step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return step if isinstance(step, int) else None
