"""The dataset as configured, after all fallbacks: one `DatasetSpec` for each [[datasets]] entry.

Field names and defaults are sd-scripts' own (`config_util.py`, the `...Params` dataclasses and the
argparse defaults behind them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: (width, height) in pixels
Size = tuple[int, int]


class DatasetError(ValueError):
    """sd-scripts would reject this dataset, or crash on it. The message is one sentence: what, where, what to
    do. `trainer_error` and `trainer_text` are the exception that sd-scripts v0.10 itself raises at this
    point; the built-in trainer raises the same, so that its console and exit code get the same verdict.
    """

    def __init__(
        self, sentence: str, trainer_text: str = "", trainer_error: str = "ValueError"
    ) -> None:
        super().__init__(sentence)
        self.trainer_text = trainer_text or sentence
        self.trainer_error = trainer_error


@dataclass(frozen=True, slots=True)
class SubsetSpec:
    """One image folder, or one metadata file. `image_dir` is spelled as in the configuration: sd-scripts does
    not expand `~` or resolve it, and treats two subsets as the same only if spelled equally. With a
    `metadata_file` it is the base of relative names in that file; `rootless`: there is none.
    `conditioning_data_dir`: the folder of masks (masked_loss) or control images, by the images' names."""

    image_dir: str
    metadata_file: str | None = None
    conditioning_data_dir: str | None = None
    rootless: bool = False
    is_reg: bool = False
    num_repeats: int = 1
    class_tokens: str | None = None
    caption_extension: str = ".caption"
    shuffle_caption: bool = False
    caption_separator: str = ","
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    secondary_separator: str | None = None
    enable_wildcard: bool = False
    caption_prefix: str | None = None
    caption_suffix: str | None = None
    caption_dropout_rate: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    caption_tag_dropout_rate: float = 0.0
    token_warmup_min: int = 1
    token_warmup_step: float = 0.0
    color_aug: bool = False
    flip_aug: bool = False
    face_crop_aug_range: tuple[float, float] | None = None
    random_crop: bool = False
    alpha_mask: bool = False
    cache_info: bool = False
    resize_interpolation: str | None = None
    custom_attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its identity: the metadata file, else the folder."""
        return self.metadata_file if self.metadata_file is not None else self.image_dir


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One [[datasets]] entry. `resolution` is (width, height) in pixels."""

    subsets: tuple[SubsetSpec, ...]
    resolution: Size | None = None
    batch_size: int = 1
    enable_bucket: bool = False
    min_bucket_reso: int = 256
    max_bucket_reso: int = 1024
    bucket_reso_steps: int = 64
    bucket_no_upscale: bool = False
    validation_split: float = 0.0
    validation_seed: int | None = None
    prior_loss_weight: float = 1.0
    network_multiplier: float = 1.0
    resize_interpolation: str | None = None

    @property
    def masked(self) -> bool:
        """Of images with masks or control images: sd-scripts' ControlNetDataset, as is one without subsets."""
        return all(subset.conditioning_data_dir is not None for subset in self.subsets)
