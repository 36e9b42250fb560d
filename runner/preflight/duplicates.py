"""Are there images twice? The same bytes weigh double; the same name shares a caption and a cache.

`a.png` and `a.jpg` in one folder have one caption file `a.txt` and, when they are of one size, one
file of cached latents (sd-scripts main: names come from the image without its ending).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.move import move_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError


def look(facts: Facts) -> Finding:
    try:
        paths = facts.image_paths()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    if not paths:
        return skipped("no images")
    twins = same_bytes(facts, paths)
    if twins:
        told = [f"{' = '.join(path.name for path in group)}" for group in twins]
        spare = [path for group in twins for path in group[1:]]
        detail = f"The same bytes: {some(told)}."
        cure = move_cure("duplicates", "keep one of each", _with_captions(spare, paths))
        evidence = f"{len(spare)} {'copy' if len(spare) == 1 else 'copies'}"
        return warned(evidence, detail, "keep one of each").curable(cure)
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


CHECK = Check("duplicates", "Duplicates", look)
