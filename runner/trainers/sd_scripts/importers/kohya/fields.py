"""The fields of a kohya_ss configuration: `window.toml`, with comments on each."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


class OnlyFor(msgspec.Struct, frozen=True):
    """Fields that only apply to these models, by their checkboxes."""

    fields: tuple[str, ...]
    models: tuple[str, ...]


class LoraType(msgspec.Struct, frozen=True):
    module: str
    algorithm: str = ""
    always: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


class Fields(msgspec.Struct, frozen=True):
    plain: frozenset[str]
    accelerate: frozenset[str]
    own: frozenset[str]
    network: frozenset[str]
    zero_counts: frozenset[str]
    lists: frozenset[str]
    models: tuple[tuple[str, str, str], ...]
    old: dict[str, str]
    renamed: dict[str, str]
    renamed_for_model: dict[str, str]
    noise: dict[str, str]
    only_for: tuple[OnlyFor, ...]
    not_for: dict[str, tuple[str, ...]]
    defaults: dict[str, str]
    not_a_number: dict[str, str]
    needs: dict[str, str]
    trainer_default: dict[str, str]
    fits: dict[str, tuple[str, ...]]
    only_with: dict[str, tuple[str, ...]]
    types: dict[str, LoraType]


#: every tab saves the last one, the LoRA tab all of them; its first versions no LoRA_type
WINDOW_FIELDS = frozenset({"epoch", "lr_warmup", "max_resolution", "num_cpu_threads_per_process"})
FIELDS = msgspec.convert(
    tomllib.loads(Path(__file__).with_name("window.toml").read_text(encoding="utf-8")), Fields
)


def of_this_version(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields by their present names, without null (`update_my_data` in common_gui.py)."""
    old = {new: values[name] for name, new in FIELDS.old.items() if name in values}
    given = {**old, **{name: one for name, one in values.items() if name not in FIELDS.old}}
    given.setdefault("optimizer", "AdamW8bit" if is_on(given.get("use_8bit_adam")) else "AdamW")
    if given.get("save_model_as", "ckpt") not in ("ckpt", "safetensors"):
        given["save_model_as"] = "safetensors"
    if is_on(given.get("use_wandb")):
        given["log_with"] = "wandb"
    return {
        name: FIELDS.not_a_number.get(name, value) if number(value) is None else value
        for name, value in given.items()
        if value is not None
    }


def is_on(value: object) -> bool:
    return str(value).lower() in ("true", "1")


def number(value: object) -> float | None:
    """None: not a number."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def is_zero(text: str) -> bool:
    return number(text) == 0
