"""Which bucket an image falls into: the arithmetic of sd-scripts' `BucketManager`, number for
number (`train_util.py`; resolutions from `make_bucket_resolutions` in `model_util.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, Size


@dataclass(frozen=True, slots=True)
class Placement:
    """Placement of one image: `bucket` and `resized` are (width, height) in pixels."""

    bucket: Size
    resized: Size
    aspect_error: float


@dataclass(frozen=True, slots=True)
class Buckets:
    """How images are placed. `resolutions` is empty when `bucket_no_upscale` derives each bucket
    from the image; it is the one fixed size when bucketing is off."""

    resolution: Size
    resolutions: tuple[Size, ...]
    no_upscale: bool = False
    reso_steps: int = 64
    min_reso: int | None = None
    max_reso: int | None = None

    def place(self, size: Size) -> Placement:
        """Raises ZeroDivisionError where the trainer does: an unreadable size, or no_upscale with a
        side shorter than bucket_reso_steps."""
        width, height = size
        aspect = width / height
        if self.no_upscale:
            bucket, resized = self._shrunk(width, height, aspect)
        else:
            bucket, resized = self._nearest(width, height, aspect)
        return Placement(bucket, resized, bucket[0] / bucket[1] - aspect)

    def _nearest(self, width: int, height: int, aspect: float) -> tuple[Size, Size]:
        bucket = (width, height)
        if bucket not in self.resolutions:
            # the first of equally near ones, as in numpy's argmin
            bucket = min(self.resolutions, key=lambda reso: abs(reso[0] / reso[1] - aspect))
        wider = aspect > bucket[0] / bucket[1]
        scale = bucket[1] / height if wider else bucket[0] / width
        return bucket, (int(width * scale + 0.5), int(height * scale + 0.5))

    def _shrunk(self, width: int, height: int, aspect: float) -> tuple[Size, Size]:
        area = self.resolution[0] * self.resolution[1]
        resized = (width, height)
        if width * height > area:
            ideal_width = math.sqrt(area * aspect)
            by_width, by_height = self._round(ideal_width), self._round(area / ideal_width)
            width_error = abs(by_width / self._round(by_width / aspect) - aspect)
            height_error = abs(self._round(by_height * aspect) / by_height - aspect)
            if width_error < height_error:
                resized = (by_width, int(by_width / aspect + 0.5))
            else:
                resized = (int(by_height * aspect + 0.5), by_height)
        steps = self.reso_steps
        return (resized[0] - resized[0] % steps, resized[1] - resized[1] % steps), resized

    def _round(self, x: float) -> int:
        rounded = int(x + 0.5)
        return rounded - rounded % self.reso_steps


def buckets_for(spec: DatasetSpec) -> Buckets:
    """The buckets of one dataset. Raises DatasetError for settings that fail sd-scripts' asserts."""
    if spec.resolution is None:
        raise DatasetError(
            "resolution is missing: set it in [general], in the dataset or as --resolution.",
            "resolution is required / resolution（解像度）指定は必須です",
            "AssertionError",
        )
    for name in ("batch_size", "bucket_reso_steps") if spec.enable_bucket else ("batch_size",):
        if getattr(spec, name) < 1:
            sentence = f"{name} is {getattr(spec, name)}: it must be at least 1."
            raise DatasetError(sentence, "division by zero", "ZeroDivisionError")
    if not spec.enable_bucket:
        return Buckets(spec.resolution, (spec.resolution,))
    steps, shown = spec.bucket_reso_steps, "{}x{}".format(*spec.resolution)
    low, high = adjusted_limits(spec)
    if low < 1 and not spec.bucket_no_upscale:
        raise DatasetError(
            f"min_bucket_reso is {spec.min_bucket_reso}, less than bucket_reso_steps {steps}: raise "
            "min_bucket_reso.",
            "integer division or modulo by zero",
            "ZeroDivisionError",
        )
    if min(spec.resolution) < low:
        raise DatasetError(
            f"min_bucket_reso is {low}, more than the resolution {shown}: lower min_bucket_reso or "
            "raise resolution.",
            "min_bucket_reso must be equal or less than resolution",
            "AssertionError",
        )
    if max(spec.resolution) > high:
        raise DatasetError(
            f"max_bucket_reso is {high}, less than the resolution {shown}: raise max_bucket_reso or "
            "lower resolution.",
            "max_bucket_reso must be equal or greater than resolution",
            "AssertionError",
        )
    resolutions: tuple[Size, ...] = ()
    if not spec.bucket_no_upscale:
        resolutions = bucket_resolutions(spec.resolution, low, high, steps)
    return Buckets(spec.resolution, resolutions, spec.bucket_no_upscale, steps, low, high)


def adjusted_limits(spec: DatasetSpec) -> Size:
    """min_bucket_reso rounded down and max_bucket_reso rounded up to bucket_reso_steps."""
    low, high, steps = spec.min_bucket_reso, spec.max_bucket_reso, spec.bucket_reso_steps
    return low - low % steps, high + (-high) % steps


def bucket_resolutions(resolution: Size, low: int, high: int, steps: int) -> tuple[Size, ...]:
    """All sizes of about the same area, sides in `low..high` and multiples of `steps`, sorted."""
    area = resolution[0] * resolution[1]
    side = int(math.sqrt(area) // steps) * steps
    found = {(side, side)}
    for width in range(low, high + 1, steps):
        height = min(high, int((area // width) // steps) * steps)
        if height >= low:
            found |= {(width, height), (height, width)}
    return tuple(sorted(found))


def check_reso_steps(specs: Sequence[DatasetSpec], divisor: int = 64) -> None:
    """train_network.py requires bucket_reso_steps to be a multiple of 64 (SDXL: 32). Datasets with masks do
    not know theirs there and are skipped."""
    for spec in specs:
        if not spec.masked and spec.enable_bucket and spec.bucket_reso_steps % divisor:
            said = f"bucket_reso_steps is {spec.bucket_reso_steps}{{}} it must be divisible by {divisor}."
            raise DatasetError(said.format(":"), said.format("."), "AssertionError")
