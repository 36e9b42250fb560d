"""The name that was probably meant, and silence where a guess would mislead."""

from __future__ import annotations

import pytest

from runner.config.errors import nearest

#: flags of train_network.py that are easily confused
FLAGS = (
    "alpha_mask", "cache_info", "cache_latents", "full_fp16", "learning_rate", "loss_type",
    "max_train_epochs", "max_train_steps", "mixed_precision", "network_args", "network_dim",
    "network_train_unet_only", "sample_every_n_epochs", "save_every_n_epochs", "save_precision",
    "sdpa", "seed", "text_encoder_batch_size", "text_encoder_lr", "train_batch_size", "unet_lr", "vae",
    "vae_batch_size",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learing_rate", "learning_rate"),
        ("learning_rat", "learning_rate"),
        ("max_train_epoch", "max_train_epochs"),
        ("sed", "seed"),
        ("sdpaa", "sdpa"),
        ("lr_unet", "unet_lr"),
        ("CacheLatents", "cache_latents"),
        ("mixed-precision", "mixed_precision"),
        ("max_epochs", "max_train_epochs"),
        ("unet_only", "network_train_unet_only"),
    ],
)
def test_a_mistake_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    assert nearest(name, FLAGS) == meant


@pytest.mark.parametrize(
    "name",
    [
        "batch_size",
        "alpha",
        "network_rank",
        "caching",
        "loss",
        "precision",
        "fp16",
        "epochs",
        "lr",
        "foo",
    ],
)
def test_no_name_is_better_than_one_that_means_something_else(name: str) -> None:
    """Each of these but the last three was answered with a flag that does something else."""
    assert nearest(name, FLAGS) is None
