"""The image folders: complete, and only file names that sd-scripts reads."""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import rename_cure
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.files import EXTENSIONS, PLUGIN_EXTENSIONS
from runner.trainers.sd_scripts.dataset.register import of_windows


@check("images", "Images", 130, foresees=("no_data",))
def images(facts: Facts) -> Finding:
    """Do the image folders exist, with the expected number of images?"""
    subsets = facts.subsets()
    if not subsets:
        return failed("no image folder", *_no_subset(facts))
    missing = [s for s in subsets if s.image_dir and facts.listing(s.image_dir) is None]
    if missing:
        return _folders_missing(facts, missing)
    # a folder's images exist, because they were listed; missing metadata images are only noticed on loading
    described = [subset for subset in subsets if subset.metadata_file is not None]
    try:
        named = dict.fromkeys(path for s in described for path in facts.image_paths_of(s))
    except DatasetError as error:
        return failed("metadata unread", str(error), "correct metadata_file")
    if lost := [path.name for path in named if not path.is_file()]:
        detail = f"The metadata lists {count(len(lost), 'image')} that do not exist: {some(lost)}."
        if not any(Path(name).suffix for name in lost):
            detail += " Names without an extension are from a version of sd-scripts before 0.10."
        advice = "correct image_dir, or write the metadata again"
        return failed(f"{len(lost)} missing", detail, advice)
    images, reg_images = _counts(facts, subsets)
    if images == 0:
        return _none(facts, subsets)
    words = count(images, "image")
    evidence = f"{words}, {reg_images} reg" if reg_images else words
    if empty := [s.name for s in subsets if not facts.image_paths_of(s)]:
        detail = f"sd-scripts skips folders without images: {some(empty)}."
        return warned(evidence, detail, "fill the folder, or remove its subset")
    expected = facts.config.expect.images
    if expected in (None, images):
        return passed(evidence, f"{words}, {count(reg_images, 'regularisation image')}.")
    where = some([s.name for s in subsets if not s.is_reg])
    detail = f"{words} in {where}, but [expect] images is {expected}."
    fix = Fix(f"expect {words}", {"images": images}, "expect")
    return warned(f"{words}, not {expected}", detail, f"add or remove images, or {fix.words}", fix)


def _counts(facts: Facts, subsets: list[SubsetSpec]) -> tuple[int, int]:
    """(training images, regularisation images), each file once; of a validation split only the training
    part."""
    try:
        plan = facts.plan()
        return plan.images, plan.reg_images
    except DatasetError:
        counts = [0, 0]
        for subset in {(s.name, s.is_reg): s for s in subsets}.values():
            counts[subset.is_reg] += len(facts.image_paths_of(subset))
        return counts[0], counts[1]


def _none(facts: Facts, subsets: list[SubsetSpec]) -> Finding:
    """sd-scripts prints `No data found` and exits with 0."""
    folders = list(dict.fromkeys(s.name for s in subsets if not s.is_reg))
    detail = f"No training image in {some(folders)}." if folders else _no_subset(facts)[0]
    listings = [listing for folder in folders if (listing := facts.listing(folder))]
    if below := sum(listing.below for listing in listings):
        detail += f" {below} are in deeper folders, which are never read."
    if ignored := sum(len(listing.ignored) for listing in listings):
        detail += f" {ignored} have an unsupported extension."
    return failed("no images", detail, "put images there, or correct image_dir")


def _no_subset(facts: Facts) -> tuple[str, str]:
    """Why there is no image folder, and what to do; usually the image folder was set instead of its
    parent."""
    folder = facts.path("train_data_dir")
    if facts.dataset_file() is not None or folder is None:
        detail = "The dataset config has no folder of training images."
        return detail, "add a [[datasets.subsets]] with image_dir"
    detail = f"{folder} has no folder named <repeats>_<name>, such as 10_{folder.name}."
    advice = "rename its folders, or use a dataset config"
    if folder.name.partition("_")[0].isdigit():
        advice = f'train_data_dir = "{folder.parent}"'
    return detail if folder.is_dir() else f"{folder} does not exist.", advice


def _folders_missing(facts: Facts, missing: list[SubsetSpec]) -> Finding:
    names = [subset.image_dir for subset in missing]
    detail = f"Missing: {some(names)}."
    if windows := [name for name in names if of_windows(name)]:
        detail += f" Paths of Windows do not exist here: {some(windows)}."
    if any(not name.startswith("/") and name not in windows for name in names):
        detail += f" Relative folders start at {facts.config.trainer_cwd}."
    if any(name.startswith("~") for name in names):
        detail += " sd-scripts does not expand ~."
    make = warned if all(subset.is_reg for subset in missing) else failed
    evidence = f"{count(len(missing), 'folder')} missing"
    return make(evidence, detail, "create the folder, or correct image_dir")


@check("extensions", "File types", 150)
def extensions(facts: Facts) -> Finding:
    """Are there images that sd-scripts skips by name? It reads .png .jpg .jpeg .webp .bmp in all lower or all
    upper case (train_util.IMAGE_EXTENSIONS); `.Jpg` is skipped on case-sensitive file systems, and deeper
    folders are never read.
    """
    folders = dict.fromkeys(s.image_dir for s in facts.subsets() if not s.metadata_file)
    listings = {folder: one for folder in folders if (one := facts.listing(folder))}
    base, below = facts.config.trainer_cwd, sum(one.below for one in listings.values())
    ignored = [base / folder / name for folder, one in listings.items() for name in one.ignored]
    plugin = [path for path in ignored if path.name.endswith(PLUGIN_EXTENSIONS)]
    if other := [path for path in ignored if path not in plugin]:
        return _not_read(other)
    if plugin:
        names = some([path.name for path in plugin])
        detail = f"Read only with a plugin for Pillow in the trainer's Python: {names}."
        return warned(f"{len(plugin)} need a plugin", detail, "save them as PNG")
    if below:
        detail = f"{below} images are in deeper folders, which are never read."
        return warned(f"{below} in deeper", detail, "move them up, or add a subset")
    return passed("all supported", "No image is skipped because of its name.")


def _not_read(paths: list[Path]) -> Finding:
    known = [path for path in paths if path.suffix.lower() in EXTENSIONS]
    cased = [(path, path.with_suffix(path.suffix.lower())) for path in known]
    free = [(old, new) for old, new in cased if not _taken(old, new)]
    names = some([path.name for path in paths])
    detail = f"Not read: {names}; sd-scripts reads .png .jpg .jpeg .webp .bmp, all lower or all upper case."
    advice = "rename them to a lower-case extension" if cased else "save them as PNG"
    cure = rename_cure("extensions", "rename them to a lower-case extension", free)
    return warned(f"{len(paths)} not read", detail, advice, cure)


def _taken(old: Path, new: Path) -> bool:
    """Another file already has the name."""
    try:
        return new.exists() and not new.samefile(old)
    except OSError:
        return True
