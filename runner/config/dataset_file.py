"""`[dataset]` of plasma.toml as the dataset config file that sd-scripts reads."""

from __future__ import annotations

import copy
from typing import Any

from runner.config.model import Config
from runner.config.paths import absolute

_FOLDERS = ("image_dir", "conditioning_data_dir", "metadata_file")


def dataset_values(config: Config) -> dict[str, Any]:
    """The values with folders absolute: sd-scripts runs elsewhere and expands no `~`."""
    values = copy.deepcopy(dict(config.dataset or {}))
    for dataset in _tables(values.get("datasets")):
        for subset in _tables(dataset.get("subsets")):
            for key in _FOLDERS:
                if isinstance(subset.get(key), str):
                    subset[key] = absolute(subset[key], config.base_dir)
    return values


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dataset_text(config: Config) -> str:
    """The file's text."""
    import tomlkit  # 20 ms, and only needed when the file is written

    note = f"# written by plasma-tui from [dataset] of {config.path.name}\n"
    return note + tomlkit.dumps(dataset_values(config))
