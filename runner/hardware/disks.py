"""Free space where a run writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from runner.model import DiskFree


def disks(paths: Mapping[str, str | None]) -> tuple[DiskFree, ...]:
    """`paths`: by what they are for; folders that are not there yet stand on their parent's disk. Several on
    one disk are one entry, named after the first."""
    found: dict[int, DiskFree] = {}
    for what, path in paths.items():
        place = nearest(path)
        if place is None:
            continue
        try:
            device = os.stat(place).st_dev  # noqa: PTH116
            if device in found:
                continue
            usage = psutil.disk_usage(place)
        except OSError:
            continue
        found[device] = DiskFree(what, place, usage.free, usage.total)
    return tuple(found.values())


def nearest(path: str | None) -> str | None:
    """The path, or the first of its parents that exists."""
    if not path:
        return None
    place = Path(path)
    while not place.exists():
        if place.parent == place:
            return None
        place = place.parent
    return str(place)


def written_places(
    output_dir: str | None, logging_dir: str | None, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Where a training writes: its output, its logs, the hub's cache, temporary files."""
    cache = environ.get("HF_HOME") or os.path.join(  # noqa: PTH118
        environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),  # noqa: PTH111
        "huggingface",
    )
    temp = environ.get("TMPDIR") or "/tmp"
    return {"output": output_dir, "logs": logging_dir, "cache": cache, "temp": temp}
