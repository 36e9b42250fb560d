"""Is a diffusers folder complete? By names and sizes; numbers are verified elsewhere.

Facts (diffusers 0.32, `DiffusionPipeline.save_pretrained`): each part has its own folder, models have
`config.json` and their weights, and `model_index.json`, which names the parts, is written last.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from runner.files.json_text import parse_json
from runner.files.regular_file import read_text

INDEX = "model_index.json"
#: of a model; tokenizers and schedulers have other names
MODEL_CONFIG = "config.json"
WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class FolderLook:
    """`problem`: why it is incomplete; `weights`: files whose contents are still to be verified;
    `size_bytes`, `mtime_ns`: of all files together and of the newest one."""

    problem: str | None
    weights: tuple[Path, ...] = ()
    size_bytes: int = 0
    mtime_ns: int = 0


def is_diffusers_folder(path: Path) -> bool:
    """Also one with a save interrupted before its index was written."""
    return (path / INDEX).exists() or (path / "unet").is_dir()


def look_at_folder(path: Path) -> FolderLook:
    """Raises OSError if it cannot be read."""
    files = [Path(root) / name for root, _, names in os.walk(path) for name in names]
    found = [file.stat() for file in files]
    weights = tuple(sorted(file for file in files if file.suffix in WEIGHTS))
    return FolderLook(
        _problem(path, files, weights),
        weights,
        sum(one.st_size for one in found),
        max((one.st_mtime_ns for one in found), default=0),
    )


def _problem(path: Path, files: list[Path], weights: tuple[Path, ...]) -> str | None:
    if not (path / INDEX).exists():
        return f"no {INDEX}, which is written last: the save was interrupted"
    try:
        index = parse_json(read_text(path / INDEX))
        parts = [name for name, value in index.items() if isinstance(value, list) and any(value)]
    except (ValueError, AttributeError):
        return f"{INDEX} cannot be read: the save was interrupted"
    for part in sorted(parts):
        inside = [file for file in files if file.parent == path / part]
        if not inside:
            return f"no {part}, which {INDEX} lists"
        model = any(file.name == MODEL_CONFIG for file in inside)
        if model and not any(file in weights for file in inside):
            return f"{part} has no weights"
    return None
