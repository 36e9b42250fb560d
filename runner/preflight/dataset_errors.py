"""Every mistake in a dataset config at once, with its line; sd-scripts shows one and stops."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from runner.config.positions import key_lines, line_of, syntax_problem
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.dataset.schema import Mistake, mistakes


def mistakes_in_file(path: Path) -> list[Mistake]:
    """Of a .toml file; empty when all is well, or when it is of another format. Raises OSError."""
    if path.suffix.lower() != ".toml":
        return []
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [Mistake((), "the file is not UTF-8; save it as UTF-8", "", line)]
    return mistakes_in_text(text, str(path))


def mistakes_in_text(text: str, where: str) -> list[Mistake]:
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        problem = syntax_problem(where, text, error)
        return [Mistake((), problem.text, "", problem.line)]
    lines = key_lines(text)
    found = [replace(one, line=line_of(one.path, lines)) for one in mistakes(values)]
    return sorted(found, key=lambda mistake: mistake.line or 0)
