"""Where a forecast differs from [expect], and why: the effect of removing one setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from runner.config.flags import whole
from runner.model import Expectation, Forecast
from runner.model.units import count, file_size
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec, SubsetSpec
from runner.trainers.sd_scripts.dataset.config import folder_repeats
from runner.trainers.sd_scripts.forecast import Question, without_regularisation
from runner.trainers.sd_scripts.steps import count_steps

Specs = tuple[DatasetSpec, ...]


def surprises(expect: Expectation, found: Forecast, question: Question) -> tuple[str, ...]:
    """A sentence for each number that differs from [expect]. `found`: the answer to `question`."""
    texts = []
    if expect.steps is not None and found.steps and found.steps != expect.steps:
        reason = why_steps(question, expect.steps) or found.sources.get("steps", "")
        texts.append(f"{found.steps} steps, not {expect.steps}: {reason}")
    if expect.images is not None and found.images is not None and found.images != expect.images:
        reason = why_images(question, expect.images) or found.sources.get("images", "")
        texts.append(f"{count(found.images, 'image')}, not {expect.images}: {reason}")
    if expect.checkpoint_mb is not None and found.checkpoint_bytes is not None:
        low, high = expect.checkpoint_mb
        if not low <= found.checkpoint_bytes / 1e6 <= high:
            size = file_size(found.checkpoint_bytes)
            source = found.sources.get("checkpoint_bytes", "")
            texts.append(f"a checkpoint takes {size}, not {low:g} to {high:g} MB: {source}")
    return tuple(texts)


def why_steps(question: Question, expected: int) -> str | None:
    """The first setting that explains the difference when removed; None: none does."""
    specs, _ = question.plan()
    reasons = _alternatives(question, specs)
    return next((reason for reason, total in reasons if total == expected), None)


def _alternatives(question: Question, specs: Specs) -> Iterator[tuple[str, int | None]]:
    flags, processes = question.flags, question.processes

    def total(changed: Specs = specs, among: int = processes, **changes: object) -> int | None:
        left = {k: value for k, value in {**flags, **changes}.items() if value is not None}
        try:
            plan = replace(question, flags=left, specs=changed).plan()[1]
            return count_steps(left, plan.batches_per_epoch, among).total
        except (ValueError, ZeroDivisionError):  # without this setting nothing could be trained
            return None

    def with_(**changes: Any) -> Specs:
        return tuple(replace(spec, **changes) for spec in specs)

    def repeated(repeats: Callable[[SubsetSpec], int | None]) -> Specs:
        """A subset keeps its own if `repeats` is None."""

        def subset(one: SubsetSpec) -> SubsetSpec:
            return replace(one, num_repeats=number) if (number := repeats(one)) is not None else one

        return tuple(replace(s, subsets=tuple(map(subset, s.subsets))) for s in specs)

    yield "the regularisation subset doubles each epoch", total(without_regularisation(specs))
    if "max_train_epochs" in flags and "max_train_steps" in flags:
        yield "max_train_epochs overrides max_train_steps", total(max_train_epochs=None)
    if processes > 1:
        yield f"{processes} processes share the batches", total(among=1)
    accumulated = whole(flags, "gradient_accumulation_steps") or 1
    if accumulated > 1:
        reason = f"{accumulated} batches are accumulated per step"
        yield reason, total(gradient_accumulation_steps=None)
    # as in the folder names, `10_spyke` ten times
    named = repeated(lambda subset: folder_repeats(PurePath(subset.image_dir).name)[0])
    yield "num_repeats is used, not the folder names", total(named)
    yield "batches have several images", total(with_(batch_size=1))
    flag = whole(flags, "train_batch_size")
    if flag:
        reason = f"batch_size of the dataset config wins over train_batch_size {flag}"
        yield reason, total(with_(batch_size=flag))
    yield "some images are used for validation", total(with_(validation_split=0.0))
    yield "each bucket rounds its batches up", total(with_(enable_bucket=False))
    yield "num_repeats repeats the images", total(repeated(lambda _: 1))


def why_images(question: Question, expected: int) -> str | None:
    """The first omission that explains the difference."""
    specs, plan = question.plan()
    missing = expected - plan.images
    left_out = _left_out(question, specs, plan)
    return next((reason for reason, number in left_out if number and number == missing), None)


def _left_out(question: Question, specs: Specs, plan: DatasetPlan) -> Iterator[tuple[str, int]]:
    used = {subset.spec.image_dir for dataset in plan.datasets for subset in dataset.subsets}
    listings = {
        subset.image_dir: question.source.listing(subset.image_dir)
        for spec in specs
        for subset in spec.subsets
        if not subset.is_reg
    }
    ignored = [name for found in listings.values() if found for name in found.ignored]
    if ignored:
        told = f"{ignored[0]} is" if len(ignored) == 1 else f"{len(ignored)} files are"
        yield f"{told} ignored by sd-scripts (.png .jpg .jpeg .webp .bmp, one case)", len(ignored)
    below = sum(found.below for found in listings.values() if found)
    yield "images in deeper folders are never read", below
    yield "some images are used for validation", plan.validation_images
    yield "regularisation images are not counted", plan.reg_images
    both = plan.images - sum(
        len({image.path for image in dataset.images if not image.is_reg})
        for dataset in plan.datasets
    )
    yield "duplicate images are counted twice", -both
    unused = sum(len(found.paths) for name, found in listings.items() if found and name not in used)
    yield "a folder is skipped", unused
