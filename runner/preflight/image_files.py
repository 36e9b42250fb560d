"""Can every image be read? One that cannot stops sd-scripts with a division by zero, or in the
middle.

sd-scripts main: a header that cannot be read gives the size 0x0 and a ZeroDivisionError; a file
that is cut off is found only when its pixels are wanted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.move import move_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.preflight.whole_image import problem_of
from runner.trainers.sd_scripts.dataset import DatasetError

#: up to this much every byte is read; of larger sets the beginning and the end of each file
THOROUGH_BYTES = 400_000_000
#: what was found in a file of this path, size and time: looked at again only when it changes
_known: dict[tuple[str, int, int, bool], str | None] = {}
_known_lock = threading.Lock()


def look(facts: Facts) -> Finding:
    try:
        paths = facts.image_paths()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    if not paths:
        return skipped("no images")
    bad = unreadable(facts, paths)
    if bad:
        told = [f"{path.name} is {problem}" for path, problem in bad]
        detail = f"In {bad[0][0].parent}: {some(told)}."
        cure = move_cure("image_files", "move them away", [path for path, _ in bad])
        advice = "replace or remove the image"
        return failed(f"{len(bad)} unreadable", detail, advice).curable(cure)
    turned = _turned(facts, paths)
    if turned:
        detail = f"Turned only by EXIF, which sd-scripts ignores: {some(turned)}."
        return warned(f"{len(turned)} lie on a side", detail, "save them upright")
    return passed(f"{len(paths)} readable", f"{count(len(paths), 'image file')} are whole.")


def unreadable(facts: Facts, paths: Sequence[Path]) -> list[tuple[Path, str]]:
    found = []
    thorough = sum(map(_size, paths)) <= THOROUGH_BYTES
    for path in paths:
        if facts.cancelled.is_set():
            break
        problem = _problem(path, thorough)
        if problem is None and facts.images().size(str(path)) is None:
            problem = "no image that sd-scripts can read"
        if problem is not None:
            found.append((path, problem))
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _problem(path: Path, thorough: bool) -> str | None:
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, thorough)
        with _known_lock:
            if key in _known:
                return _known[key]
        problem = problem_of(path, thorough=thorough)
    except OSError as error:
        return f"not readable ({error.strerror})"
    with _known_lock:
        if len(_known) > 200_000:
            _known.clear()
        _known[key] = problem
    return problem


def _turned(facts: Facts, paths: Sequence[Path]) -> list[str]:
    """Only JPEGs of cameras carry the flag in practice."""
    source = facts.images()
    jpegs = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg")]
    return [
        os.path.basename(path)  # noqa: PTH119
        for path in map(str, jpegs)
        if not facts.cancelled.is_set() and source.rotated(path)
    ]


CHECK = Check("image_files", "Image files", look)
