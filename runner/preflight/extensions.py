"""Are there images whose file name sd-scripts passes over?

It takes .png .jpg .jpeg .webp .bmp in all lower or all upper case (train_util.IMAGE_EXTENSIONS);
`.Jpg` is no image where file names have a case, and deeper folders are never read.
"""

from __future__ import annotations

from pathlib import Path

from runner.preflight.cures.move import rename_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError
from runner.trainers.sd_scripts.dataset.files import EXTENSIONS, PLUGIN_EXTENSIONS


def look(facts: Facts) -> Finding:
    try:
        folders = list(dict.fromkeys(s.image_dir for s in facts.subsets() if not s.metadata_file))
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    base = facts.config.trainer_cwd
    ignored, below = [], 0
    for folder in folders:
        listing = facts.listing(folder)
        if listing is not None:
            ignored += [base / folder / name for name in listing.ignored]
            below += listing.below
    plugin = [path for path in ignored if path.name.endswith(PLUGIN_EXTENSIONS)]
    other = [path for path in ignored if path not in plugin]
    if other:
        return _not_read(other)
    if plugin:
        detail = f"Read only with a plugin for Pillow in the trainer's Python: {_names(plugin)}."
        return warned(f"{len(plugin)} need a plugin", detail, "save them as PNG")
    if below:
        detail = f"{below} images lie in deeper folders, which are never read."
        return warned(f"{below} in deeper", detail, "move them up, or add a subset")
    return passed("all are read", "No image is passed over for its name.")


def _not_read(paths: list[Path]) -> Finding:
    cased = [(path, path.with_suffix(path.suffix.lower())) for path in paths if _only_case(path)]
    free = [(old, new) for old, new in cased if not _taken(old, new)]
    detail = f"Not read: {_names(paths)}; sd-scripts takes .png .jpg .jpeg .webp .bmp in one case."
    advice = "rename them to a lower-case ending" if cased else "save them as PNG"
    cure = rename_cure("extensions", "rename them to a lower-case ending", free)
    return warned(f"{len(paths)} not read", detail, advice).curable(cure)


def _only_case(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _taken(old: Path, new: Path) -> bool:
    """Another file has the name already."""
    try:
        return new.exists() and not new.samefile(old)
    except OSError:
        return True


def _names(paths: list[Path]) -> str:
    return some([path.name for path in paths])


CHECK = Check("extensions", "Endings", look)
