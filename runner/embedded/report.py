"""The long texts of the console: the description of the datasets and the banner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec, DatasetSummary, SubsetSpec
from runner.trainers.sd_scripts.dataset.buckets import adjusted_limits


def describe_datasets(name: str, datasets: Sequence[DatasetSummary]) -> str:
    """One record over many lines, as sd-scripts writes it."""
    text = ""
    for index, dataset in enumerate(datasets):
        lines = [f"[{name} {index}]", *(f"  {line}" for line in _dataset_lines(dataset.spec)), ""]
        for number, subset in enumerate(dataset.subsets):
            lines.append(f"  [Subset {number} of {name} {index}]")
            lines += [f"    {line}" for line in _subset_lines(subset.spec, subset.image_count)]
            lines.append("")
        text += "\n".join(lines) + "\n"
    return text


def _dataset_lines(spec: DatasetSpec) -> list[str]:
    lines = [
        f"batch_size: {spec.batch_size}",
        f"resolution: {spec.resolution}",
        f"resize_interpolation: {spec.resize_interpolation}",
        f"enable_bucket: {spec.enable_bucket}",
    ]
    if spec.enable_bucket:
        low, high = adjusted_limits(spec)
        lines += [
            f"min_bucket_reso: {low}",
            f"max_bucket_reso: {high}",
            f"bucket_reso_steps: {spec.bucket_reso_steps}",
            f"bucket_no_upscale: {spec.bucket_no_upscale}",
        ]
    return lines


def _subset_lines(spec: SubsetSpec, image_count: int) -> list[str]:
    names = (
        "num_repeats",
        "shuffle_caption",
        "keep_tokens",
        "caption_dropout_rate",
        "caption_dropout_every_n_epochs",
        "caption_tag_dropout_rate",
        "caption_prefix",
        "caption_suffix",
        "color_aug",
        "flip_aug",
        "face_crop_aug_range",
        "random_crop",
    )
    lines = [f'image_dir: "{spec.image_dir}"', f"image_count: {image_count}"]
    lines += [f"{name}: {getattr(spec, name)}" for name in names]
    lines += [
        f"token_warmup_min: {spec.token_warmup_min},",
        f"token_warmup_step: {spec.token_warmup_step:g},",
        f"alpha_mask: {spec.alpha_mask}",
        f"resize_interpolation: {spec.resize_interpolation}",
        f"custom_attributes: {dict(spec.custom_attributes)}",
        f"is_reg: {spec.is_reg}",
        f"class_tokens: {spec.class_tokens}",
        f"caption_extension: {spec.caption_extension}",
    ]
    return lines


def banner(args: Any, plan: DatasetPlan, batches: int, epochs: int) -> list[str]:
    """The lines after `running training`; `batches` of one process."""
    sizes = ", ".join(str(dataset.spec.batch_size) for dataset in plan.datasets)
    return [
        "running training / 学習開始",
        "  num train images * repeats / 学習画像の数×繰り返し回数: "
        f"{plan.train_images_with_repeats}",
        f"  num validation images * repeats / 学習画像の数×繰り返し回数: {plan.validation_images}",
        f"  num reg images / 正則化画像の数: {plan.reg_images_with_repeats}",
        f"  num batches per epoch / 1epochのバッチ数: {batches}",
        f"  num epochs / epoch数: {epochs}",
        f"  batch size per device / バッチサイズ: {sizes}",
        "  gradient accumulation steps / 勾配を合計するステップ数 = "
        f"{args.gradient_accumulation_steps}",
        f"  total optimization steps / 学習ステップ数: {args.max_train_steps}",
    ]
