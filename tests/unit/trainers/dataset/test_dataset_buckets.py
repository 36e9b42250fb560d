"""Buckets against what sd-scripts' own BucketManager chose (tests/data/buckets.json)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from runner.trainers.sd_scripts.dataset import DatasetError, DatasetSpec, SubsetSpec
from runner.trainers.sd_scripts.dataset.buckets import (
    adjusted_limits,
    buckets_for,
    check_reso_steps,
)
from tests import DATA

RECORDED = json.loads((DATA / "buckets.json").read_text())["settings"]


def spec_of(setting: dict[str, Any]) -> DatasetSpec:
    return DatasetSpec(
        subsets=(),
        resolution=tuple(setting["resolution"]),
        enable_bucket=True,
        min_bucket_reso=setting["min"],
        max_bucket_reso=setting["max"],
        bucket_reso_steps=setting["steps"],
        bucket_no_upscale=setting["no_upscale"],
    )


@pytest.mark.parametrize("setting", RECORDED, ids=lambda s: f"{s['resolution']}-{s['no_upscale']}")
def test_every_recorded_image_falls_into_the_recorded_bucket(setting: dict[str, Any]) -> None:
    buckets = buckets_for(spec_of(setting))
    assert [list(size) for size in buckets.resolutions] == setting["resolutions"]
    assert len(setting["rows"]) > 50
    for width, height, *expected in setting["rows"]:
        if expected[0] is None:
            with pytest.raises(ZeroDivisionError):
                buckets.place((width, height))
            continue
        placed = buckets.place((width, height))
        assert [*placed.bucket, *placed.resized] == expected, (width, height)


def test_without_bucketing_every_image_is_resized_to_cover_the_one_resolution() -> None:
    buckets = buckets_for(DatasetSpec((), resolution=(512, 384)))
    placed = buckets.place((1000, 500))
    assert placed.bucket == (512, 384)
    assert placed.resized == (768, 384)


def test_bucket_limits_are_rounded_outwards_to_the_steps() -> None:
    spec = DatasetSpec((), resolution=(512, 512), min_bucket_reso=300, max_bucket_reso=1000)
    assert adjusted_limits(spec) == (256, 1024)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resolution": None}, "resolution is missing"),
        ({"min_bucket_reso": 640}, "min_bucket_reso is 640, more than the resolution 512x512"),
        ({"max_bucket_reso": 448}, "max_bucket_reso is 448, less than the resolution 512x512"),
        ({"min_bucket_reso": 32}, "min_bucket_reso is 32, less than bucket_reso_steps 64"),
        ({"batch_size": 0}, "batch_size is 0: it must be at least 1"),
        ({"bucket_reso_steps": 0}, "bucket_reso_steps is 0: it must be at least 1"),
    ],
)
def test_settings_that_stop_the_trainer_are_refused_by_name(
    changes: dict[str, Any], words: str
) -> None:
    values: dict[str, Any] = {"resolution": (512, 512), "enable_bucket": True, **changes}
    with pytest.raises(DatasetError, match=words):
        buckets_for(DatasetSpec((), **values))


def test_steps_that_the_trainer_cannot_take_are_refused() -> None:
    subsets = (SubsetSpec("a"),)
    spec = DatasetSpec(subsets, resolution=(512, 512), enable_bucket=True, bucket_reso_steps=32)
    check_reso_steps([spec], 32)
    with pytest.raises(DatasetError, match="bucket_reso_steps is 32: it must be divisible by 64"):
        check_reso_steps([spec])
    check_reso_steps([replace(spec, subsets=())])
    check_reso_steps([replace(spec, enable_bucket=False)])


def test_limits_do_not_matter_where_each_image_makes_its_bucket() -> None:
    spec = DatasetSpec((), resolution=(512, 512), enable_bucket=True, min_bucket_reso=1)
    with pytest.raises(DatasetError, match="less than bucket_reso_steps"):
        buckets_for(spec)
    assert buckets_for(replace(spec, bucket_no_upscale=True)).place((300, 200)).bucket == (256, 192)


def test_steps_of_buckets_do_not_matter_without_buckets() -> None:
    assert buckets_for(DatasetSpec((), resolution=(64, 64), bucket_reso_steps=0)).resolutions
