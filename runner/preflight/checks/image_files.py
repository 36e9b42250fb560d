"""The image files themselves: readable, and none of them twice."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import move_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.preflight.whole_image import problem_of

#: up to this much every byte is read; of larger sets the beginning and the end of each file
THOROUGH_BYTES = 400_000_000


@check("image_files", "Image files", order=140, foresees=("image_unreadable",), dataset=True)
def image_files(facts: Facts) -> Finding:
    """Can every image be read? One that cannot stops sd-scripts with a division by zero, or in the
    middle.

    sd-scripts main: a header that cannot be read gives the size 0x0 and a ZeroDivisionError; a file
    that is cut off is found only when its pixels are wanted.
    """
    paths = facts.image_paths()
    if not paths:
        return skipped("no images")
    bad = unreadable(facts, paths)
    if bad:
        told = [f"{path.name} is {problem}" for path, problem in bad]
        detail = f"In {bad[0][0].parent}: {some(told)}."
        cure = move_cure("image_files", "move them away", [path for path, _ in bad])
        return failed(f"{len(bad)} unreadable", detail, "replace or remove the image", cure)
    turned = _turned(facts, paths)
    if turned:
        detail = f"Turned only by EXIF, which sd-scripts ignores: {some(turned)}."
        return warned(f"{len(turned)} lie on a side", detail, "save them upright")
    return passed(f"{len(paths)} readable", f"{count(len(paths), 'image file')} are complete.")


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
        return _known(path, stat.st_size, stat.st_mtime_ns, thorough)
    except OSError as error:
        return f"not readable ({error.strerror})"


@lru_cache(maxsize=200_000)
def _known(path: Path, size_bytes: int, modified_ns: int, thorough: bool) -> str | None:
    """What was found in a file of this path, size and time: looked at again only when it changes."""
    return problem_of(path, thorough=thorough)


def _turned(facts: Facts, paths: Sequence[Path]) -> list[str]:
    """Only JPEGs of cameras carry the flag in practice."""
    source = facts.images()
    jpegs = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg")]
    return [
        os.path.basename(path)  # noqa: PTH119
        for path in map(str, jpegs)
        if not facts.cancelled.is_set() and source.rotated(path)
    ]


@check("duplicates", "Duplicates", order=160, dataset=True)
def duplicates(facts: Facts) -> Finding:
    """Are there images twice? The same bytes weigh double; the same name shares a caption and a cache.

    `a.png` and `a.jpg` in one folder have one caption file `a.txt` and, when they are of one size, one
    file of cached latents (sd-scripts main: names come from the image without its ending).
    """
    paths = facts.image_paths()
    if not paths:
        return skipped("no images")
    twins = same_bytes(facts, paths)
    if twins:
        told = [f"{' = '.join(path.name for path in group)}" for group in twins]
        spare = [path for group in twins for path in group[1:]]
        detail = f"The same bytes: {some(told)}."
        cure = move_cure("duplicates", "keep one of each", _with_captions(spare, paths))
        evidence = f"{len(spare)} {'copy' if len(spare) == 1 else 'copies'}"
        return warned(evidence, detail, "keep one of each", cure)
    sharing = same_stem(paths)
    if sharing:
        told = [" and ".join(path.name for path in group) for group in sharing]
        detail = f"One caption and one cache for: {some(told)}."
        return warned(f"{len(sharing)} share a name", detail, "rename one of each")
    return passed("none", f"No two of {count(len(paths), 'image')} are the same.")


def same_bytes(facts: Facts, paths: Iterable[Path]) -> list[list[Path]]:
    """Groups of equal files. Only files of equal size are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            by_size[path.stat().st_size].append(path)
        except OSError:
            continue
    groups = []
    for size, candidates in by_size.items():
        if size and len(candidates) > 1:
            groups += _by_content(facts, candidates)
    return groups


def _by_content(facts: Facts, candidates: list[Path]) -> list[list[Path]]:
    """First by their last bytes, which differ early in compressed images; then by all."""
    for fingerprint in (_tail, _whole):
        found: dict[bytes, list[Path]] = defaultdict(list)
        for path in candidates:
            if facts.cancelled.is_set():
                return []
            try:
                found[fingerprint(path)].append(path)
            except OSError:
                continue
        groups = [group for group in found.values() if len(group) > 1]
        candidates = [path for group in groups for path in group]
        if not candidates:
            return []
    return groups


def _tail(path: Path) -> bytes:
    """PNG ends alike in its last 12 bytes; what stands before is compressed data."""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 1024))
        return stream.read()


def _whole(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


def same_stem(paths: Iterable[Path]) -> list[list[Path]]:
    by_stem: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.with_suffix("")].append(path)
    return [group for group in by_stem.values() if len(group) > 1]


def _with_captions(spare: list[Path], paths: list[Path]) -> list[Path]:
    """A copy's caption goes with it, unless an image that stays has the same name."""
    gone = set(spare)
    kept = {path.with_suffix("") for path in paths if path not in gone}
    alone = [path for path in spare if path.with_suffix("") not in kept]
    captions = (path.with_suffix(ending) for path in alone for ending in (".txt", ".caption"))
    return [*spare, *(path for path in captions if path.is_file())]
