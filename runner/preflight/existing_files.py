"""Files of an earlier training that a start would overwrite. sd-scripts never asks.

Sample images and TensorBoard files carry the time in their names, so they are never overwritten.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.model import Forecast, RunSpec
from runner.model.preview import Existing
from runner.model.units import count
from runner.store.journal import Unreadable, read_json
from runner.store.norms import read_status
from runner.store.registry import run_paths
from runner.store.rundir import RunDir
from runner.trainers.names import SUFFIXES

#: how many of the newest runs are searched for the one that wrote a file
LOOK_BACK = 300
#: file names in one sentence
SHOWN = 3
_STATE = "-state"


@dataclass(frozen=True, slots=True)
class Consent:
    """`files`: what a person was shown and agreed to overwrite; `everything`: also what appears later, by
    `--force REASON`. `reason`: recorded in spec.json."""

    files: frozenset[Existing] = frozenset()
    everything: bool = False
    reason: str = ""

    def missing_for(self, existing: Sequence[Existing]) -> tuple[Existing, ...]:
        """Those that nobody agreed to overwrite."""
        return () if self.everything else tuple(one for one in existing if one not in self.files)


NO_CONSENT = Consent()


def names(forecast: Forecast) -> list[str]:
    """Every file and folder that the training will write into output_dir; an output_name may hold folders."""
    found = [name for c in forecast.checkpoints for name in (c.name, c.state_name) if name]
    if forecast.final:
        found.append(forecast.final)
    return list(dict.fromkeys(found))


def existing_files(
    output_dir: str | None, output_name: str | None, forecast: Forecast | None
) -> tuple[Existing, ...]:
    """What lies where this training will write, by name. Where the names of its files cannot be forecast,
    every file that a training of this name may have written."""
    if output_dir is None:
        return ()
    folder = Path(output_dir)
    planned = names(forecast) if forecast is not None and forecast.steps is not None else []
    found = planned or files_of_name(folder, output_name)
    stats = ((folder / name, _stat(folder / name)) for name in found)
    return tuple(
        Existing(str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
        for path, stat in stats
        if stat is not None
    )


def files_of_name(folder: Path, output_name: str | None) -> tuple[str, ...]:
    """Checkpoints and states in this folder that a training of this name may have written."""
    bases = [output_name] if output_name else ["last", "at", "epoch"]
    ours = re.compile(rf"(?:{'|'.join(map(re.escape, bases))})(?:-step\d{{7,}}|-\d{{6}})?")
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return ()
    return tuple(
        name for name in entries if (stem := _stem(name)) is not None and ours.fullmatch(stem)
    )


def _stem(name: str) -> str | None:
    """Of a file of weights or a state folder; None for any other name."""
    if name.endswith(_STATE):
        return name.removesuffix(_STATE)
    found = PurePath(name)
    return found.stem if found.suffix in SUFFIXES else None


def _stat(path: Path) -> os.stat_result | None:
    """Of a dangling link as well: the trainer would write through it."""
    try:
        return path.lstat()
    except OSError:
        return None


# ----------------------------------------------------------------- in words


def sentence(existing: Sequence[Existing]) -> str:
    """How many, where, which, and which run wrote them."""
    folder = Path(existing[0].path).parent
    shown = ", ".join(one.name for one in existing[:SHOWN])
    more = f" and {len(existing) - SHOWN} more" if len(existing) > SHOWN else ""
    return (
        f"{count(len(existing), 'existing file')} in {folder} would be overwritten: {shown}{more}"
        f"{_by(existing)}"
    )


def lines(existing: Sequence[Existing]) -> tuple[str, ...]:
    """One a file: its name, the run that wrote it, when."""
    by = writers([one.path for one in existing])
    return tuple(
        f"{one.name}  (written {_when(one)}{f' by run {by[one.path]}' if one.path in by else ''})"
        for one in existing
    )


def _when(one: Existing) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(one.modified_ns / 1e9))


def _by(existing: Sequence[Existing]) -> str:
    runs = sorted(set(writers([one.path for one in existing]).values()))
    if not runs:
        return f", last written {_when(max(existing, key=lambda one: one.modified_ns))}"
    return f", written by run {runs[-1]}" + (
        f" and {count(len(runs) - 1, 'other run')}" if len(runs) > 1 else ""
    )


def writers(paths: Collection[str]) -> dict[str, str]:
    """The newest run that wrote each of these files, as far as its own records name them."""
    folders = {os.path.realpath(Path(path).parent) for path in paths}
    wanted = {os.path.realpath(path): path for path in paths}
    found: dict[str, str] = {}
    for run in map(RunDir, run_paths()[:LOOK_BACK]):
        try:
            spec = read_json(run.spec, RunSpec)
            if spec.output_dir is None or os.path.realpath(spec.output_dir) not in folders:
                continue
            status = read_status(run)
        except Unreadable:
            continue
        for one in status.checkpoints:
            for path in filter(None, (one.path, one.state_path)):
                given = wanted.get(os.path.realpath(path))
                if given is not None:
                    found.setdefault(given, run.id)
        if len(found) == len(wanted):
            break
    return found
