"""Is a training state folder complete, so that a training can resume from it?

Facts (sd-scripts.md §3): `NAME-state` holds, in the order of writing, train_state.json (since v0.9.0, of
the scripts that track steps), model.safetensors (older accelerate: pytorch_model.bin), optimizer.bin,
scheduler.bin, with fp16 scaler.pt, and random_states_N.pkl, one for each process, last. The files of
torch are zip archives, whose directory comes at the end: a truncated one has none. Nothing is unpickled.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from runner.files.json_text import parse_json
from runner.files.regular_file import open_regular
from runner.files.zip_archive import DAMAGED, open_archive

TRAIN_STATE = "train_state.json"
#: it has two numbers
TRAIN_STATE_BYTES = 1 << 16
WEIGHTS = re.compile(r"^(?:model.*\.safetensors|pytorch_model.*\.bin)$")
RANDOM_STATES = re.compile(r"^random_states_(\d+)\.pkl$")
_ARCHIVES = (".bin", ".pt", ".pkl")


@dataclass(frozen=True, slots=True)
class StateLook:
    """`problem`: why it is incomplete; None: complete. `step`: from train_state.json, as the trainer counts;
    `weights`: safetensors files still to be scanned."""

    problem: str | None
    step: int | None = None
    weights: tuple[Path, ...] = ()
    size_bytes: int = 0


def look_at_state(path: Path) -> StateLook:
    """By names, sizes and the ends of the archives. Raises OSError if it cannot be read."""
    sizes = {e.name: e.stat().st_size for e in os.scandir(path) if e.is_file()}
    weights = tuple(path / n for n in sorted(sizes) if n.endswith(".safetensors"))
    problem = _missing(sizes)
    step = None
    if TRAIN_STATE in sizes:  # else from a script that tracks no steps
        try:
            with open_regular(path / TRAIN_STATE) as stream:
                step = int(parse_json(stream.read(TRAIN_STATE_BYTES))["current_step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            problem = f"{TRAIN_STATE} cannot be read: the save was interrupted"
    archives = (name for name in sorted(sizes) if name.endswith(_ARCHIVES))
    if problem is None and (
        cut := next((n for n in archives if not whole_archive(path / n)), None)
    ):
        problem = f"{cut} is truncated"
    return StateLook(problem, step, weights, sum(sizes.values()))


def _missing(sizes: dict[str, int]) -> str | None:
    """In the order of writing: the first missing one is where the save stopped."""
    empty = sorted(name for name, size in sizes.items() if size == 0)
    if empty:
        return f"{empty[0]} is empty: the save was interrupted"
    if not any(WEIGHTS.match(name) for name in sizes):
        return "no weights (model.safetensors): the save was interrupted"
    for name in ("optimizer.bin", "scheduler.bin"):
        if name not in sizes:
            return f"no {name}: the save was interrupted"
    numbers = {int(found[1]) for name in sizes if (found := RANDOM_STATES.match(name))}
    gone = next((n for n in range(max(numbers, default=0) + 1) if n not in numbers), None)
    if gone is not None:
        return f"no random_states_{gone}.pkl, which is written last: the save was interrupted"
    return None


def whole_archive(path: Path) -> bool:
    """A file of torch.save: a zip archive with its directory in place. Raises OSError."""
    try:
        with open_regular(path) as stream, open_archive(stream) as archive:
            return bool(archive.namelist())
    except DAMAGED:
        return False
