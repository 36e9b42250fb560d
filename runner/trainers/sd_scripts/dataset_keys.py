"""A dataset configuration as flat names, to compare two of them, and its text at the start of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml

#: a configuration is a few kB; a much larger file is not one, and is not copied to a run folder
LARGEST_BYTES = 1_000_000
PREFIX = "dataset."


def dataset_text(flags: Mapping[str, Any], base_dir: Path) -> str | None:
    """The text of the `dataset_config` file, relative to `base_dir`, the trainer's working
    directory. None: not set, or unreadable."""
    path = dataset_path(flags, base_dir)
    if path is None:
        return None
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        return read_text(path, errors="replace")
    except OSError:
        return None


def dataset_path(flags: Mapping[str, Any], base_dir: Path) -> Path | None:
    name = flags.get("dataset_config")
    return base_dir / name if isinstance(name, str) and name else None


def dataset_keys(text: str) -> dict[str, Any] | None:
    """All values by flat name; None if the text is neither TOML nor JSON.

    The first dataset has no number: `dataset.resolution`, `dataset.subset1.num_repeats`; the second one is
    `dataset.set2.resolution`. Values of [general] are listed in each dataset that falls back to them."""
    for parse in (parse_toml, parse_json):
        try:
            found = parse(text)
        except ValueError:
            continue
        return flat_keys(found) if isinstance(found, dict) else None
    return None


def flat_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a parsed configuration."""
    flat: dict[str, Any] = {}
    general = _table(config.get("general"))
    for number, dataset in enumerate(_tables(config.get("datasets")), start=1):
        prefix = PREFIX if number == 1 else f"{PREFIX}set{number}."
        own = {name: value for name, value in dataset.items() if name != "subsets"}
        flat |= {f"{prefix}{name}": value for name, value in {**general, **own}.items()}
        for place, subset in enumerate(_tables(dataset.get("subsets")), start=1):
            flat |= {f"{prefix}subset{place}.{name}": value for name, value in subset.items()}
    return flat or {f"{PREFIX}{name}": value for name, value in general.items()}


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
