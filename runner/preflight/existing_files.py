"""Files of an earlier training that a start would overwrite. sd-scripts never asks.

Sample images and TensorBoard files have the time in their names, so they are never overwritten.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.model import Forecast, RunSpec
from runner.model.preview import Existing
from runner.model.units import count, some
from runner.store.journal import Unreadable, read_json
from runner.store.norms import read_status
from runner.store.registry import run_paths
from runner.store.rundir import RunDir
from runner.trainers.names import SUFFIXES

#: how many of the newest runs are searched for the one that wrote a file
LOOK_BACK = 300


@dataclass(frozen=True, slots=True)
class Consent:
    """`files`: what the user agreed to overwrite; `everything`: also files that appear later, by
    `--force REASON`. `reason`: recorded in spec.json."""

    files: frozenset[Existing] = frozenset()
    everything: bool = False
    reason: str = ""

    def missing_for(self, existing: Sequence[Existing]) -> tuple[Existing, ...]:
        """Those without consent."""
        return () if self.everything else tuple(one for one in existing if one not in self.files)


NO_CONSENT = Consent()


def names(forecast: Forecast) -> list[str]:
    """Every file and folder that the training will write into output_dir; an output_name may contain
    folders."""
    written = (name for c in forecast.checkpoints for name in (c.name, c.state_name))
    return list(dict.fromkeys(filter(None, (*written, forecast.final))))


def existing_files(
    output_dir: str | None, output_name: str | None, forecast: Forecast | None
) -> tuple[Existing, ...]:
    """Existing files that this training will write, by name. If its file names cannot be forecast, every file
    that a training of this name may have written."""
    if output_dir is None:
        return ()
    folder, found = Path(output_dir), []
    planned = names(forecast) if forecast is not None and forecast.steps is not None else []
    for name in planned or files_of_name(folder, output_name):
        try:
            stat = (
                folder / name
            ).lstat()  # dangling links too: the trainer would write through them
        except OSError:
            continue
        found.append(Existing(str(folder / name), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def files_of_name(folder: Path, output_name: str | None) -> tuple[str, ...]:
    """Checkpoints and states that a training of this name may have written, relative to this folder."""
    within, _, base = (output_name or "").rpartition("/")
    bases = "|".join(map(re.escape, [base] if base else ["last", "at", "epoch"]))
    endings = "|".join(map(re.escape, ("-state", *SUFFIXES)))
    ours = re.compile(rf"(?:{bases})(?:-step\d{{7,}}|-\d{{6}})?(?:{endings})")
    try:
        found = sorted(name for name in os.listdir(folder / within) if ours.fullmatch(name))
    except OSError:
        return ()
    return tuple(f"{within}/{name}" if within else name for name in found)


# ----------------------------------------------------------------- as text


def sentence(existing: Sequence[Existing]) -> str:
    """How many, where, which, and which run wrote them."""
    folder, number = Path(existing[0].path).parent, count(len(existing), "existing file")
    by = sorted(set(writers([one.path for one in existing]).values()))
    written = f"last written {_when(max(existing, key=lambda one: one.modified_ns))}"
    if by:
        written = f"written by run {by[-1]}"
    if len(by) > 1:
        written += f" and {count(len(by) - 1, 'other run')}"
    shown = some([one.name for one in existing])
    return f"{number} in {folder} would be overwritten: {shown}, {written}"


def lines(existing: Sequence[Existing]) -> tuple[str, ...]:
    """One per file: its name, the run that wrote it, and when."""
    by = writers([one.path for one in existing])
    runs = (f" by run {by[one.path]}" if one.path in by else "" for one in existing)
    return tuple(
        f"{one.name}  (written {_when(one)}{run})" for one, run in zip(existing, runs, strict=True)
    )


def _when(one: Existing) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(one.modified_ns / 1e9))


def writers(paths: Collection[str]) -> dict[str, str]:
    """The newest run that wrote each of these files, according to its records."""
    folders = {os.path.realpath(Path(path).parent) for path in paths}
    wanted = {os.path.realpath(path): path for path in paths}
    found: dict[str, str] = {}
    for run in map(RunDir, run_paths()[:LOOK_BACK]):
        try:
            spec = read_json(run.spec, RunSpec)
            if spec.output_dir is None or os.path.realpath(spec.output_dir) not in folders:
                continue
            checkpoints = read_status(run).checkpoints
        except Unreadable:
            continue
        for path in (path for one in checkpoints for path in (one.path, one.state_path) if path):
            given = wanted.get(os.path.realpath(path))
            if given is not None:
                found.setdefault(given, run.id)
        if len(found) == len(wanted):
            break
    return found
