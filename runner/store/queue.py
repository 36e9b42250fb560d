"""The queue of a machine: which attempts wait for a slot, and in which order.

A queued attempt is a file of its run folder, queued.json: what its start needs when its turn comes, including
the environment of the starter's shell, so that a killed waiting process can be replaced. It contains that
shell's secrets: only `runner.supervisor` reads `env` and `config`. The order alone is in
`$PLASMA_HOME/queue/<host>/`: an empty file per run, `<place>-<run ID>`, with `.held` for one that waits for
its release; it is rebuilt from the marks.

Few imports: a thousand processes may wait with this module loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from runner.files.atomic import replace_file
from runner.files.private import FILE_MODE, private_folder
from runner.files.regular_file import read_own_bytes
from runner.store.rundir import RunDir

#: places are nanoseconds; moved entries are this far from a neighbour
STEP_NS = 1_000_000_000
WHERE = ("first", "up", "down", "last")
MARK_LIMIT_BYTES = 64_000_000
_NAME = re.compile(r"(\d{20})-([A-Za-z0-9_][A-Za-z0-9._-]{0,150}?)(\.held)?")


@dataclass(frozen=True, slots=True)
class Mark:
    """queued.json. `place`: in the order, as given at the start; `count`, `gpus`: the slots it needs, see
    `runner.store.slots.Needs`; `config`: for the repeated preflight, None: it has none; `force`: checks may
    fail; `held`: why it was held, "" if it waits for its turn."""

    attempt: int
    queued_at: float
    place: int
    by: str
    host: str
    env: dict[str, str]
    count: int = 1
    gpus: tuple[str, ...] | None = None
    config: dict[str, Any] | None = None
    force: bool = False
    held: str = ""
    schema: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file of the queue folder."""

    place: int
    run_id: str
    held: bool = False

    @property
    def name(self) -> str:
        return f"{self.place:020d}-{self.run_id}{'.held' if self.held else ''}"


def this_host() -> str:
    return os.uname().nodename


# --------------------------------------------------------------------------- the mark


def write_mark(run: RunDir, mark: Mark) -> None:
    """Durable. JSON by the standard library: an environment may hold bytes that are no UTF-8. Raises
    OSError."""
    text = json.dumps(asdict(mark)).encode()
    replace_file(run.queued, text, mode=FILE_MODE, durable=True)


def read_mark(run: RunDir) -> Mark | None:
    """None: missing, invalid, or of a newer version."""
    try:
        found = json.loads(read_own_bytes(run.queued, MARK_LIMIT_BYTES))
        known = {one.name: found[one.name] for one in fields(Mark) if one.name in found}
        if known.get("gpus") is not None:
            known["gpus"] = tuple(map(str, known["gpus"]))
        mark = Mark(**known)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    fits = (
        isinstance(mark.attempt, int) and isinstance(mark.place, int) and isinstance(mark.host, str)
        and isinstance(mark.env, dict) and isinstance(mark.held, str) and isinstance(mark.count, int)
        and isinstance(mark.queued_at, int | float) and mark.schema == 1
    )  # fmt: skip
    return mark if fits else None


def queued_mark(run: RunDir) -> Mark | None:
    """The mark of an attempt that still waits; None: none waits."""
    if not run.queued.exists():  # of thousands of runs
        return None
    mark = read_mark(run)
    return mark if mark is not None and not run.started(mark.attempt).exists() else None


# --------------------------------------------------------------------------- the order


def queue_folder(home: Path, host: str) -> Path:
    return home / "queue" / safe_name(host)


def safe_name(text: str) -> str:
    """As part of a path."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:100] or "_"


def home_of(run: RunDir) -> Path:
    """The home that this run is in, whatever PLASMA_HOME is now."""
    return run.path.parent.parent


def entries(folder: Path) -> list[Entry]:
    """In order. Files with other names are ignored; of two entries of a run the first counts."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    parsed = (_NAME.fullmatch(name) for name in names)
    found: dict[str, Entry] = {}
    for entry in sorted(Entry(int(m[1]), m[2], m[3] is not None) for m in parsed if m is not None):
        found.setdefault(entry.run_id, entry)
    return list(found.values())


def next_place(folder: Path) -> int:
    """Behind every other, even if the clock was set back."""
    last = entries(folder)[-1:]
    return max(time.time_ns(), *(entry.place + 1000 for entry in last), 0)


def add(folder: Path, entry: Entry) -> None:
    """Raises OSError."""
    private_folder(folder)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(folder / entry.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def change(folder: Path, entry: Entry, new: Entry) -> bool:
    """False: the entry no longer exists. Raises OSError."""
    try:
        (folder / entry.name).rename(folder / new.name)
    except FileNotFoundError:
        return False
    return True


def remove(folder: Path, run_id: str) -> None:
    """Every entry of the run."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            match = _NAME.fullmatch(name)
            if match is not None and match[2] == run_id:
                with contextlib.suppress(FileNotFoundError):
                    (folder / name).unlink()


def reordered(order: Sequence[Entry], run_id: str, where: str) -> list[tuple[Entry, Entry]]:
    """What to rename so that the run moves; empty: nothing. Pure."""
    at = next((n for n, entry in enumerate(order) if entry.run_id == run_id), None)
    if at is None:
        return []
    to = {"first": 0, "up": max(0, at - 1), "down": at + 1, "last": len(order) - 1}[where]
    to = min(to, len(order) - 1)
    if to == at:
        return []
    rest = [*order[:at], *order[at + 1 :]]
    before = rest[to - 1].place if to > 0 else max(0, rest[0].place - 2 * STEP_NS)
    after = rest[to].place if to < len(rest) else rest[-1].place + 2 * STEP_NS
    middle = (before + after) // 2
    if before < middle < after:
        return [(order[at], replace(order[at], place=middle))]
    wanted = [*rest[:to], order[at], *rest[to:]]
    base = max(0, order[0].place - len(order) * STEP_NS)
    return [(one, replace(one, place=base + n * STEP_NS)) for n, one in enumerate(wanted)]


def waits(home: Path, entry: Entry) -> bool:
    """False: a leftover of an attempt that was started, or taken out."""
    return queued_mark(RunDir(home / "runs" / entry.run_id)) is not None
