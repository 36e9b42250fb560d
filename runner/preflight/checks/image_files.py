"""The image files: readable, without duplicates."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import move_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.preflight.whole_image import problem_of

#: up to this size every byte is read; for larger sets only the start and end of each file
THOROUGH_BYTES = 400_000_000


@check("image_files", "Image files", 140, foresees=("image_unreadable",))
def image_files(facts: Facts) -> Finding:
    """Can every image be read? An unreadable one stops sd-scripts with a division by zero, or during
    training.

    sd-scripts main: a header that cannot be read gives the size 0x0 and a ZeroDivisionError; a truncated file
    only fails when its pixels are loaded.
    """
    paths = facts.image_paths()
    if not paths:
        return skipped("no images")
    if bad := unreadable(facts, paths):
        problems = [f"{path.name} is {problem}" for path, problem in bad]
        detail = f"In {bad[0][0].parent}: {some(problems)}."
        cure = move_cure("image_files", "move them away", [path for path, _ in bad])
        return failed(f"{len(bad)} unreadable", detail, "replace or remove the image", cure)
    source = facts.images()
    # in practice only camera JPEGs have the flag
    jpegs = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg")]
    if turned := [p.name for p in jpegs if not facts.cancelled.is_set() and source.rotated(str(p))]:
        detail = f"Rotated only by EXIF, which sd-scripts ignores: {some(turned)}."
        return warned(f"{len(turned)} rotated", detail, "save them upright")
    pngs = [p for p in paths if p.suffix.lower() == ".png"]
    if grey := [p.name for p in pngs if source.turns_white(str(p))]:
        detail = f"16-bit grey becomes white when sd-scripts loads it: {some(grey)}."
        return warned(f"{len(grey)} in 16-bit grey", detail, "save them with 8 bits")
    return passed(f"{len(paths)} readable", f"{count(len(paths), 'image file')} are complete.")


def unreadable(facts: Facts, paths: Sequence[Path]) -> list[tuple[Path, str]]:
    found = []
    thorough = sum(map(_size, paths)) <= THOROUGH_BYTES
    for path in paths:
        if facts.cancelled.is_set():
            break
        try:
            stat = path.stat()
            problem = _known(path, stat.st_size, stat.st_mtime_ns, thorough)
        except OSError as error:
            problem = f"not readable ({error.strerror})"
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


@lru_cache(maxsize=200_000)
def _known(path: Path, size_bytes: int, modified_ns: int, thorough: bool) -> str | None:
    """Cached result for a file's path, size and time: checked again only if it changes."""
    return problem_of(path, thorough=thorough)


@check("duplicates", "Duplicates", 160)
def duplicates(facts: Facts) -> Finding:
    """Are there duplicate images? The same bytes count twice; the same name shares a caption and a cache.

    `a.png` and `a.jpg` in one folder have one caption file `a.txt` and, when they are of one size, one
    file of cached latents (sd-scripts main: names are the image's without extension).
    """
    paths = facts.image_paths()
    if not paths:
        return skipped("no images")
    # the last bytes usually differ in compressed images (PNGs share the last 12), so few are read completely
    twins: list[list[Path]] = [[path for path in paths if _size(path)]]
    for fingerprint in (_size, _tail, _digest):
        twins = [group for one in twins for group in _alike(facts, one, fingerprint)]
    if twins:
        spare = [path for group in twins for path in group[1:]]
        pairs = [" = ".join(_names(group)) for group in twins]
        cure = move_cure("duplicates", "keep one of each", _with_captions(spare, paths))
        evidence = f"{len(spare)} {'copy' if len(spare) == 1 else 'copies'}"
        return warned(evidence, f"The same bytes: {some(pairs)}.", "keep one of each", cure)
    if sharing := _alike(facts, paths, lambda path: path.with_suffix("")):
        pairs = [" and ".join(path.name for path in group) for group in sharing]
        detail = f"One caption and one cache for: {some(pairs)}."
        return warned(f"{len(sharing)} share a name", detail, "rename one of each")
    return passed("none", f"No two of {count(len(paths), 'image')} are the same.")


def _names(paths: Sequence[Path]) -> list[str]:
    """With their folder where they have several."""
    several = len({path.parent for path in paths}) > 1
    return [f"{path.parent.name}/{path.name}" if several else path.name for path in paths]


def _alike(
    facts: Facts, paths: Iterable[Path], key: Callable[[Path], Hashable]
) -> list[list[Path]]:
    """Groups of two or more."""
    found: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        if facts.cancelled.is_set():
            return []
        try:
            found[key(path)].append(path)
        except OSError:
            continue
    return [group for group in found.values() if len(group) > 1]


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 1024))
        return stream.read()


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


def _with_captions(spare: list[Path], paths: list[Path]) -> list[Path]:
    """A copy's caption is moved with it, unless a remaining image has the same name."""
    kept = {path.with_suffix("") for path in set(paths) - set(spare)}
    alone = [path for path in spare if path.with_suffix("") not in kept]
    captions = (path.with_suffix(ending) for path in alone for ending in (".txt", ".caption"))
    return [*spare, *(path for path in captions if path.is_file())]
