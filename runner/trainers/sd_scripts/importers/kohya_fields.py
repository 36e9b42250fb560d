"""The fields of a kohya_ss configuration: `kohya.toml`, with comments on each."""

from __future__ import annotations

import tomllib
from pathlib import Path

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
    renamed: dict[str, str]
    renamed_for_model: dict[str, str]
    noise: dict[str, str]
    only_for: tuple[OnlyFor, ...]
    not_for: dict[str, tuple[str, ...]]
    defaults: dict[str, str]
    types: dict[str, LoraType]


FIELDS = msgspec.convert(
    tomllib.loads(Path(__file__).with_name("kohya.toml").read_text(encoding="utf-8")), Fields
)
