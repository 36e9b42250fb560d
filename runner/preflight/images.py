"""Are the image folders there, and are they as full as expected?"""

from __future__ import annotations

from runner.dataset import DatasetError, SubsetSpec
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.units import count


def look(facts: Facts) -> Finding:
    try:
        specs = facts.specs()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    missing = [s for spec in specs for s in spec.subsets if _missing(facts, s)]
    if missing:
        return _folders_missing(facts, missing)
    try:
        plan = facts.plan()
    except DatasetError as error:
        return _stopped(error)
    detail = " ".join(f"{warning}." for warning in plan.warnings)
    if plan.images == 0:
        return failed("no images", detail or "No image folder holds a training image.")
    words = count(plan.images, "image")
    expected = facts.config.expect.images
    if expected is not None and plan.images != expected:
        where = some([s.image_dir for spec in specs for s in spec.subsets if not s.is_reg])
        told = f"{words} in {where}, but [expect] images is {expected}. {detail}".strip()
        return warned(f"{words}, not {expected}", told, "add or remove images, or correct [expect]")
    evidence = f"{words}, {plan.reg_images} reg" if plan.reg_images else words
    if plan.warnings:
        return warned(evidence, detail)
    detail = f"{words}, {count(plan.reg_images, 'regularisation image')}."
    return passed(evidence, detail)


def _stopped(error: DatasetError) -> Finding:
    """sd-scripts divides by zero over an image that it cannot use; the rest is configuration."""
    if error.trainer_error == "ZeroDivisionError":
        return failed("an image is unfit", str(error), "remove or replace the image")
    return failed("would not start", str(error), "correct the dataset config")


def _missing(facts: Facts, subset: SubsetSpec) -> bool:
    return bool(subset.image_dir) and facts.images().listing(subset.image_dir) is None


def _folders_missing(facts: Facts, missing: list[SubsetSpec]) -> Finding:
    names = [subset.image_dir for subset in missing]
    evidence = f"{count(len(missing), 'folder')} missing"
    detail = f"Not there: {some(names)}."
    if any(not name.startswith("/") for name in names):
        detail += f" Relative folders start at {facts.config.trainer_cwd}."
    if all(subset.is_reg for subset in missing):
        return warned(evidence, detail, "create the folder, or correct image_dir")
    return failed(evidence, detail, "create the folder, or correct image_dir")


CHECK = Check("images", "Images", look)
