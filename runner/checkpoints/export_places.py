"""Suggested export folders: the last one used, the ComfyUI near the base model, known places."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.files.private import private_folder
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import home

#: folders of LoRAs under a `models` folder: ComfyUI's, then those of the web UIs
LORA_FOLDERS = ("loras", "Lora")
_KNOWN = (
    "ComfyUI/models/loras",
    "tools/ComfyUI/models/loras",
    "Documents/ComfyUI/models/loras",
    "ai/ComfyUI/models/loras",
    "stable-diffusion-webui-forge/models/Lora",
    "stable-diffusion-webui/models/Lora",
)
_BASE_FLAG = "--pretrained_model_name_or_path"


@dataclass(frozen=True, slots=True)
class LastExport:
    """export.json in plasma-tui's home."""

    folder: str
    schema: int = 1


def suggested_folders(command: Sequence[str] = (), cwd: str = "") -> tuple[Path, ...]:
    """Existing folders, most likely first. `command`: the run's, which contains its base model."""
    found: dict[str, Path] = {}
    for path in _places(command, cwd):
        with contextlib.suppress(OSError):
            if path.is_dir():
                found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())


def last_folder() -> Path | None:
    """Where the last export went; None: none, or unreadable."""
    try:
        return Path(read_json(home() / "export.json", LastExport).folder)
    except Unreadable:
        return None


def remember_folder(folder: Path) -> None:
    """For the next suggestion; failing to save it is not an error."""
    with contextlib.suppress(OSError):
        private_folder(home())
        write_json(home() / "export.json", LastExport(str(folder.absolute())))


def _places(command: Sequence[str], cwd: str) -> Iterator[Path]:
    if (last := last_folder()) is not None:
        yield last
    if (base := _base_model(command)) is not None:
        models = (p for p in (Path(cwd) / Path(base).expanduser()).parents if p.name == "models")
        yield from (models_at / name for models_at in models for name in LORA_FOLDERS)
    if chosen := os.environ.get("COMFYUI_PATH"):
        yield Path(chosen).expanduser() / "models" / "loras"
    yield from (Path.home() / place for place in _KNOWN)


def _base_model(command: Sequence[str]) -> str | None:
    for word, after in zip(command, [*command[1:], None], strict=True):
        flag, given, value = word.partition("=")
        if flag == _BASE_FLAG:
            return value if given else after
    return None
