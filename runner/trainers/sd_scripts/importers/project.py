"""What a project folder already has for a training: a dataset config, folders of images."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.dataset.files import is_image

#: maximum depth and number of folders: a project, not a disk
DEPTH = 4
MOST_FOLDERS = 300
_SKIPPED = frozenset({"venv", "node_modules", "__pycache__", "output", "outputs", "logs", "sample"})
_CAPTIONS = (".txt", ".caption", ".cap")
#: `10_name`: repeats and class in kohya_ss
_REPEATS = re.compile(r"(\d+)_(.*)")
_REGULARISATION = re.compile(
    r"reg|regs|reg_?data|reg_?images?|regulari[sz]ation.*|class(?:_images?)?"
)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """`captions`: the extension of most captions, None without any. `trigger`: the first tag of every
    caption."""

    path: Path
    images: int
    repeats: int = 1
    is_reg: bool = False
    captions: str | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """`dataset_configs`: TOML files with [[datasets]]."""

    dataset_configs: tuple[Path, ...] = ()
    folders: tuple[ImageFolder, ...] = ()

    @property
    def images(self) -> int:
        """Those to train on."""
        return sum(folder.images for folder in self.folders if not folder.is_reg)

    @property
    def trigger(self) -> str | None:
        """The first tag in every training folder's captions."""
        first = {folder.trigger for folder in self.folders if not folder.is_reg}
        return first.pop() if len(first) == 1 else None


def look_at_project(folder: Path) -> ProjectFiles:
    """Reads names, the captions and the TOML files of the folder; a few hundred folders at most."""
    configs: list[Path] = []
    folders: list[ImageFolder] = []
    for place, inner, names in islice(os.walk(folder), MOST_FOLDERS):
        path = Path(place)
        depth = len(path.relative_to(folder).parts)
        deeper = [one for one in inner if one[0] != "." and one.lower() not in _SKIPPED]
        inner[:] = sorted(deeper) if depth < DEPTH else []
        configs += [path / name for name in names if _is_dataset_config(path / name)]
        if images := [name for name in names if is_image(name)]:
            folders.append(_image_folder(path, folder, names, images))
    return ProjectFiles(tuple(sorted(configs)), tuple(sorted(folders, key=lambda one: one.path)))


def _is_dataset_config(path: Path) -> bool:
    if path.suffix.lower() != ".toml" or path.name == "plasma.toml":
        return False
    try:
        values = parse_toml(read_text(path))
    except (OSError, ValueError):  # tomllib's and UTF-8's errors are ValueErrors
        return False
    return isinstance(values.get("datasets"), list)


def _image_folder(path: Path, top: Path, names: list[str], images: list[str]) -> ImageFolder:
    match = _REPEATS.fullmatch(path.name)
    words = [*path.relative_to(top).parts[:-1], *([] if match else [path.name])]
    is_reg = any(_REGULARISATION.fullmatch(word.lower()) for word in words)
    stems = {Path(name).stem for name in images}
    captions = [name for name in map(Path, names) if name.stem in stems]
    endings = Counter(name.suffix for name in captions if name.suffix in _CAPTIONS)
    ending = endings.most_common(1)[0][0] if endings else None
    trigger = None if is_reg or ending is None else _trigger(path, stems, ending)
    repeats = max(1, int(match[1])) if match else 1
    return ImageFolder(path, len(images), repeats, is_reg, ending, trigger)


def _trigger(path: Path, stems: set[str], ending: str) -> str | None:
    """The first tag of all captions, if the same."""
    first: str | None = None
    for stem in stems:
        try:
            tag = read_text(path / f"{stem}{ending}").partition(",")[0].strip()
        except (OSError, UnicodeDecodeError):
            return None
        if first not in (None, tag):
            return None
        first = tag
    return first or None


def dataset_section(files: ProjectFiles, project: Path) -> dict[str, Any]:
    """`[dataset]` of plasma.toml for the folders found; their order puts the training
    images first."""
    captions = [folder.captions for folder in files.folders if folder.captions]
    general: dict[str, Any] = {
        "enable_bucket": True,
        "caption_extension": Counter(captions).most_common(1)[0][0] if captions else ".txt",
        "shuffle_caption": True,
    }
    if files.trigger is not None:
        general["keep_tokens"] = 1
    subsets = []
    for folder in sorted(files.folders, key=lambda folder: folder.is_reg):
        path = folder.path
        shown = path.relative_to(project) if path.is_relative_to(project) else path
        subset = {"image_dir": str(shown), "num_repeats": folder.repeats}
        subsets.append({"is_reg": True, **subset} if folder.is_reg else subset)
    datasets = [{"resolution": 512, "batch_size": 1, "subsets": subsets}]
    return {"general": general, "datasets": datasets}
