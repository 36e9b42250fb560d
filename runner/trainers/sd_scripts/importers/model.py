"""The parts of an import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.flags import Flags, FlagValue
from runner.config.paths import resolved
from runner.model.refusal import Refusal


class ImportRefused(Refusal):
    """Nothing can be imported; `str()` is one sentence: what, where, what to do."""


class Number(str):
    """A float of a JSON or TOML in its original text: 1e-4 must not become 0.0001."""

    __slots__ = ()


def plain_text(value: object) -> str:
    """A value as a flag's text. Windows save an integer as 64.0, which no integer flag accepts."""
    text = str(value).strip()
    whole, dot, rest = text.partition(".")
    number = isinstance(value, Number) or whole.lstrip("-").isdigit()
    return whole if number and dot and rest and not rest.strip("0") else text


def on_windows(value: FlagValue) -> bool:
    """Is it a path such as `C:\\models`, which is invalid on this machine?"""
    return isinstance(value, str) and bool(re.match(r"[A-Za-z]:[\\/]", value))


def with_paths(flags: Flags, folder: Path) -> dict[str, FlagValue]:
    """The flags, with their paths absolute."""
    return {
        name: value if on_windows(value) else resolved(name, value, folder)
        for name, value in flags.items()
    }


@dataclass(frozen=True, slots=True)
class Field:
    """One word of a command line. `unknown`: why its text is unknown, one reason each."""

    text: str
    unknown: tuple[str, ...] = ()

    def __add__(self, other: Field) -> Field:
        return Field(self.text + other.text, self.unknown + other.unknown)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write next to plasma.toml."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A plasma.toml before it is text. Paths are absolute. None: unknown, with a comment in the file.
    `source`: its origin, for display. `in_order`: keep the order of the flags. `unmapped`: what could not be
    imported; `notes`: remarks. `uncertain`: flags that are only valid if the trainer knows them. `exact`: no
    name is abbreviated, which only a command line may do."""

    source: str
    train: Flags
    sd_scripts: Path | None = None
    python: str | None = None
    script: str = "train_network.py"
    launcher: str = "accelerate"
    env: Mapping[str, str] = field(default_factory=dict)
    accelerate: Flags = field(default_factory=dict)
    smoke: Flags = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    in_order: bool = False
    files: tuple[NewFile, ...] = ()
    unmapped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    uncertain: frozenset[str] = frozenset()
    exact: bool = False

    @property
    def name(self) -> str:
        """The project's name: that of the model."""
        chosen = self.train.get("output_name")
        return chosen if isinstance(chosen, str) and chosen.strip() else "lora"


@dataclass(frozen=True, slots=True)
class Imported:
    """`config_text`: the plasma.toml for its folder. `source`: its origin. `unmapped`: what could not be
    imported; also listed at the end of the text."""

    config_text: str
    unmapped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    files: tuple[NewFile, ...] = ()
