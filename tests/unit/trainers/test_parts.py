"""Lines that mean that something did not load, and those that every good run prints."""

from __future__ import annotations

import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model.events import WarningSeen
from runner.trainers.sd_scripts.parts import not_loaded

KEYS = "_IncompatibleKeys(missing_keys=[{}], unexpected_keys=[{}])"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("create LoRA for U-Net: 0 modules.", "no modules in the U-Net"),
        ("create LoRA for FLUX all blocks: 0 modules.", "no modules in the FLUX all blocks"),
        ("create LyCORIS for U-Net: 0 modules.", "no modules in the U-Net"),
        ("enable LoRA for text encoder: 0 modules", "no modules in the text encoder"),
        (
            "Loaded Flux: " + KEYS.format("'img_in.weight', 'img_in.bias'", ""),
            "Flux was loaded without weights that it needs (img_in.weight, ...)",
        ),
        ("VAE: " + KEYS.format("'encoder.a'", "'b'"), "VAE was loaded without"),
        (
            "load network weights from old.safetensors: " + KEYS.format("'lora_unet_a.lora_up.weight'", ""),
            "old.safetensors was loaded",
        ),
        # a list that the console cut
        ("U-Net: _IncompatibleKeys(missing_keys=['time_embed.0.weight', 'time", "time_embed.0.weight"),
    ],
)  # fmt: skip
def test_what_did_not_load_is_named(text: str, words: str) -> None:
    assert words in (not_loaded(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "create LoRA for U-Net: 192 modules.",
        "create LoRA for U-Net: 10 modules.",
        "U-Net: <All keys matched successfully>",
        "text encoder 1: " + KEYS.format("", "'text_model.embeddings.position_ids'"),
        "loading text encoder: " + KEYS.format("'text_model.embeddings.position_ids'", ""),
        "Loaded T5xxl: " + KEYS.format("'encoder.embed_tokens.weight'", ""),
        "Loaded CLIP-G: " + KEYS.format("'text_projection.weight', 'logit_scale'", ""),
        "load network weights from a.safetensors: " + KEYS.format("'lora_unet_a.alpha'", ""),
        "missing_keys=['a']",
        "",
    ],
)
def test_what_good_runs_print_is_nothing(text: str) -> None:
    assert not_loaded(text) is None


@pytest.mark.parametrize(
    "line",
    [
        "loading u-net: " + KEYS.format("'a.weight'", ""),
        "load network weights from a.safetensors: "
        + KEYS.format("'lora_unet_a.lora_up.weight'", ""),
        "text encoder 2: " + KEYS.format("'a.weight'", ""),
        "enable LoRA for text encoder: 0 modules",
        "create LoRA for U-Net: 0 modules.",
    ],
)
def test_the_console_warns_about_them(line: str) -> None:
    parser = ConsoleParser()
    events = [*parser.feed(f"{line}\n".encode()), *parser.finish()]
    warned = [event.text for event in events if isinstance(event, WarningSeen)]
    assert len(warned) == 1 and not_loaded(warned[0]) is not None


@pytest.mark.parametrize(
    "line",
    [
        "loading u-net: <All keys matched successfully>",
        "Loaded T5xxl: " + KEYS.format("'encoder.embed_tokens.weight'", ""),
        "create LoRA for Text Encoder: 0 modules.",  # it may not be meant to be trained
        "enable LoRA for text encoder: 72 modules",
    ],
)
def test_the_console_warns_about_nothing_else(line: str) -> None:
    parser = ConsoleParser()
    events = [*parser.feed(f"{line}\n".encode()), *parser.finish()]
    assert not [event for event in events if isinstance(event, WarningSeen)]
    assert parser.unknown_lines == 0
