"""The batches of an epoch: sd-scripts' dataset over the plan of `runner.trainers.sd_scripts.dataset`.

Order and chance are the trainer's: one seed for all datasets, buckets and batches reshuffled with seed +
epoch when the epoch number changes, which happens after the first batch of an epoch (the collator passes the
number after fetching).
"""

from __future__ import annotations

import functools
import logging
import random
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import get_worker_info
from tqdm import tqdm

from runner.embedded.captions import vary_caption
from runner.embedded.pixels import fit, load_image, to_latents
from runner.embedded.text import pad_tokens, tokenize
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSummary, PlannedImage, SubsetSpec

logger = logging.getLogger(__name__)

#: Latents that stay in memory: a picture of 512 pixels takes 48 KB.
REMEMBERED = 4096


class TrainingDataset:
    """One [[datasets]] entry; an item is a complete batch. `fixed_size`: latents are not cached, so
    that without buckets every image must have the resolution."""

    def __init__(
        self,
        summary: DatasetSummary,
        captions: dict[str, str],
        seed: int,
        max_token_length: int | None,
        fixed_size: bool,
    ) -> None:
        self.summary = summary
        self.captions = captions
        self.seed = seed
        self.max_token_length = max_token_length
        self.fixed_size = fixed_size and not summary.spec.enable_bucket
        self.epoch = 0
        self.step = 0
        self.max_train_steps = 0
        self.images = {image.path: image for image in summary.images}
        self.buckets: list[list[str]] = [
            [
                image.path
                for image in summary.images
                if image.bucket == bucket.resolution
                for _ in range(image.repeats)
            ]
            for bucket in summary.buckets
        ]
        self.order = [
            (index, number)
            for index, bucket in enumerate(summary.buckets)
            for number in range(bucket.batches)
        ]
        self._latents = functools.lru_cache(REMEMBERED)(self._load)
        self.shuffle(0)  # sd-scripts sets the seed only after the first shuffle

    def __len__(self) -> int:
        return len(self.order)

    def __getstate__(self) -> dict[str, Any]:  # a spawned worker starts with an empty memory
        return {key: value for key, value in vars(self).items() if key != "_latents"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._latents = functools.lru_cache(REMEMBERED)(self._load)

    def shuffle(self, seed: int) -> None:
        random.seed(seed + self.epoch)
        random.shuffle(self.order)
        for bucket in self.buckets:
            random.shuffle(bucket)

    def set_epoch(self, epoch: int) -> None:
        if epoch == self.epoch:
            return
        text = f"current_epoch: {self.epoch}, epoch: {epoch}"
        if epoch < self.epoch:
            logger.warning("epoch is not incremented. %s", text)
            self.epoch = epoch
            return
        logger.info("epoch is incremented. %s", text)
        while self.epoch < epoch:
            self.epoch += 1
            self.shuffle(self.seed)

    def __getitem__(self, index: int) -> dict[str, Any]:
        bucket, number = self.order[index]
        size = self.summary.spec.batch_size
        paths = self.buckets[bucket][number * size : (number + 1) * size]
        images = [self.images[path] for path in paths]
        latents = []
        captions = []
        for image in images:
            subset = self.subset(image)
            flipped = subset.flip_aug and random.random() < 0.5
            latent = self.latents(image)
            latents.append(latent.flip(-1) if flipped else latent)
            captions.append(self._caption(image, subset))
        tokens = [tokenize(text, self.max_token_length) for text in captions]
        weight = self.summary.spec.prior_loss_weight
        return {
            "latents": torch.stack(latents),
            "tokens": pad_tokens(tokens),
            "captions": captions,
            "loss_weights": torch.tensor([weight if image.is_reg else 1.0 for image in images]),
        }

    def subset(self, image: PlannedImage) -> SubsetSpec:
        return self.summary.subsets[image.subset].spec

    def latents(self, image: PlannedImage) -> torch.Tensor:
        if self.subset(image).random_crop:
            return self._load(image.path)
        return self._latents(image.path)

    def _load(self, path: str) -> torch.Tensor:
        image = self.images[path]
        picture = load_image(path)
        crop = self.subset(image).random_crop
        size = image.resized
        if self.fixed_size:
            check_fixed_size(path, picture.size, image.bucket, crop)
            size = picture.size
        corner = random_corner(size, image.bucket) if crop else None
        return to_latents(fit(picture, size, image.bucket, corner))

    def _caption(self, image: PlannedImage, subset: SubsetSpec) -> str:
        return vary_caption(
            self.captions[image.path],
            subset,
            self.epoch,
            self.step,
            self.max_train_steps,
            random,
        )


def check_fixed_size(
    path: str, size: tuple[int, int], wanted: tuple[int, int], random_crop: bool
) -> None:
    """Without buckets an image must have the resolution, or be larger and cropped."""
    too_large = size[0] > wanted[0] or size[1] > wanted[1]
    if too_large and not random_crop:
        raise AssertionError(f"image too large, but cropping and bucketing are disabled: {path}")
    if size[0] < wanted[0] or size[1] < wanted[1]:
        raise AssertionError(f"image size is small: {path}")


def random_corner(size: tuple[int, int], bucket: tuple[int, int]) -> tuple[int, int]:
    """(left, top) of a crop anywhere in the picture."""
    return (
        random.randint(0, max(0, size[0] - bucket[0])),
        random.randint(0, max(0, size[1] - bucket[1])),
    )


class DatasetGroup:
    """All datasets as one: batches of the first, then of the second, ..."""

    def __init__(self, datasets: list[TrainingDataset]) -> None:
        self.datasets = datasets

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)

    def __getitem__(self, index: int) -> dict[str, Any]:
        for dataset in self.datasets:
            if index < len(dataset):
                return dataset[index]
            index -= len(dataset)
        raise IndexError(index)

    def set_max_train_steps(self, steps: int) -> None:
        for dataset in self.datasets:
            dataset.max_train_steps = steps

    def cache_latents(self) -> None:
        """Encode every image now."""
        for number, dataset in enumerate(self.datasets):
            logger.info("[Dataset %d]", number)
            logger.info("caching latents with caching strategy.")
            logger.info("caching latents...")
            for image in tqdm(dataset.summary.images):
                dataset.latents(image)

    def tell(self, epoch: int, step: int) -> None:
        for dataset in self.datasets:
            dataset.set_epoch(epoch)
            dataset.step = step


class Collator:
    """Hands the loop's epoch and step to the dataset, in the main process or in a worker."""

    def __init__(self, epoch: Any, step: Any, group: DatasetGroup | None) -> None:
        self.epoch, self.step, self.group = epoch, step, group

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        worker = get_worker_info()
        group = worker.dataset if worker is not None else self.group
        if group is not None:
            group.tell(self.epoch.value, self.step.value)
        return items[0]


def build_group(
    summaries: tuple[DatasetSummary, ...],
    captions: dict[str, str],
    seed: int,
    max_token_length: int | None,
    fixed_size: bool,
) -> DatasetGroup:
    """Shuffles once, which leaves Python's random numbers where sd-scripts leaves them."""
    return DatasetGroup(
        [TrainingDataset(s, captions, seed, max_token_length, fixed_size) for s in summaries]
    )


def check_supported(plan: DatasetPlan) -> None:
    """Reject what the built-in trainer cannot do instead of training without it."""
    for dataset in (*plan.datasets, *plan.validation):
        for subset in dataset.subsets:
            for name in ("color_aug", "face_crop_aug_range", "alpha_mask", "resize_interpolation"):
                if getattr(subset.spec, name):
                    raise ValueError(
                        f"{Path(subset.spec.image_dir).name}: {name} is not supported by the built-in trainer"
                    )
