"""Every mistake in a dataset config at once, with its line; sd-scripts shows one and stops.

The keys and types are those of runner.trainers.sd_scripts.dataset.schema (sd-scripts' ConfigSanitizer,
checked by voluptuous).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.errors import nearest
from runner.config.positions import KeyPath, key_lines, syntax_problem
from runner.config.reading import kind
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.dataset.schema import (
    DATASET,
    GENERAL,
    METADATA_DATASET,
    METADATA_SUBSET,
    NUMBER,
    OTHER_METHODS,
    PAIR,
    RESOLUTION,
    SUBSET,
    is_metadata,
)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` counts from 1; None where no line can be named. `text`: what and what to do."""

    path: KeyPath
    text: str
    line: int | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def mistakes_in_file(path: Path) -> list[Mistake]:
    """Of a .toml file; empty when all is well, or when it is of another format. Raises OSError."""
    if path.suffix.lower() != ".toml":
        return []
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [Mistake((), "the file is not UTF-8; save it as UTF-8", line)]
    return mistakes_in_text(text, str(path))


def mistakes_in_text(text: str, where: str) -> list[Mistake]:
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        problem = syntax_problem(where, text, error)
        return [Mistake((), problem.text, problem.line)]
    lines = key_lines(text)
    found = [_placed(mistake, lines) for mistake in mistakes(values)]
    return sorted(found, key=lambda mistake: mistake.line or 0)


def _placed(mistake: Mistake, lines: Mapping[KeyPath, int]) -> Mistake:
    path = mistake.path
    while path and path not in lines:
        path = path[:-1]
    return Mistake(mistake.path, mistake.text, lines.get(path))


def mistakes(values: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every key that the trainer does not know and every value of a wrong type."""
    yield from _unknown(values, ("general", "datasets"), (), "the top level")
    general = values.get("general", {})
    if not isinstance(general, Mapping):
        yield Mistake(("general",), "general must be a table: write [general]")
    else:
        yield from _keys(general, GENERAL, ("general",), "[general]")
    datasets = values.get("datasets", [])
    if not isinstance(datasets, list):
        yield Mistake(("datasets",), "datasets must be a list: write [[datasets]]")
        return
    for index, dataset in enumerate(datasets):
        yield from _dataset(dataset, ("datasets", index))


def _dataset(dataset: Any, path: KeyPath) -> Iterator[Mistake]:
    if not isinstance(dataset, Mapping):
        yield Mistake(path, "a dataset must be a table: write [[datasets]]")
        return
    subsets = dataset.get("subsets", [])
    described = is_metadata(subsets) if isinstance(subsets, list) and subsets else False
    rest = {key: value for key, value in dataset.items() if key != "subsets"}
    yield from _keys(rest, METADATA_DATASET if described else DATASET, path, "[[datasets]]")
    if not isinstance(subsets, list):
        yield Mistake((*path, "subsets"), "subsets must be a list: write [[datasets.subsets]]")
        return
    if described is None:
        text = "a dataset mixes metadata_file and folders of images; give each a dataset of its own"
        yield Mistake(path, text)
        return
    for index, subset in enumerate(subsets):
        yield from _subset(subset, (*path, "subsets", index), described)


def _subset(subset: Any, path: KeyPath, described: bool) -> Iterator[Mistake]:
    if not isinstance(subset, Mapping):
        yield Mistake(path, "a subset must be a table: write [[datasets.subsets]]")
        return
    if any(name in subset for name in OTHER_METHODS):
        return  # of ControlNet: other keys
    if "image_dir" not in subset and not described:
        yield Mistake(path, "a subset without image_dir; add the folder of its images")
    yield from _keys(subset, METADATA_SUBSET if described else SUBSET, path, "[[datasets.subsets]]")


def _keys(table: Mapping[str, Any], schema: Schema, path: KeyPath, where: str) -> Iterator[Mistake]:
    yield from _unknown(table, tuple(schema), path, where)
    for key, value in table.items():
        if key in schema and (wanted := _wanted(value, schema[key])):
            shown = f' "{value}"' if isinstance(value, str) else f" {value}" * _plain(value)
            text = f"{key} is {kind(value)}{shown} in {where}; it must be {wanted}"
            yield Mistake((*path, key), text)


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unknown(
    table: Mapping[str, Any], known: tuple[str, ...], path: KeyPath, where: str
) -> Iterator[Mistake]:
    for key in table:
        if key in known:
            continue
        meant = nearest(key, known)
        cure = f"did you mean {meant}?" if meant else "remove it"
        yield Mistake((*path, key), f"{key} is not known in {where}; {cure}")


def _wanted(value: Any, schema: Any) -> str | None:
    """What it must be, when it is something else (as voluptuous takes it: true passes for 1)."""
    if schema == RESOLUTION:
        fits = isinstance(value, int) or _pair(value, int)
        return None if fits else "a whole number or two of them"
    if schema == PAIR:
        return None if _pair(value, float) else "two numbers with a point, such as [1.0, 2.0]"
    if isinstance(value, schema):
        return None
    words = {
        bool: "true or false", int: "a whole number", float: "a number with a point, such as 0.5",
        str: "text in quotes", dict: "a table", NUMBER: "a number",
    }  # fmt: skip
    return words[schema]


def _pair(value: Any, wanted: type) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(side, wanted) for side in value)
    )
