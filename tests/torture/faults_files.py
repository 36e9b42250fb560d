"""Damage to the files of a run folder: one row for each kind of damage, which chooses the file and whether a
supervisor lives. The folder belongs to the user: tools, tidy hands and broken disks reach every file of it.

What a damaged file may cost, beyond nothing:

- spec.json, a plan: what was expected is unknown, so an end that looks good is called failed for that reason;
  a trainer whose plan is unreadable cannot be started.
- console.log: the only record of what the trainer printed. A supervisor that had read it knows; a later one
  must say that it does not, and never that nothing was trained. Its steps may be missing.
- steps.jsonl: rows of earlier attempts are nowhere else once console.log is known to end elsewhere; those of a
  living supervisor were written once.
- event files: exact losses may be missing, never wrong.

Everything else can be had again, so the verdict must be the one that an undamaged run has.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from runner.control.orders import Refused
from runner.control.resume import plan_resume
from runner.model import Outcome
from runner.store.reader import RunReader
from runner.store.registry import list_runs
from tests.torture.faults import UNHARMED, fault
from tests.torture.life import Life, Overdue
from tui.cli.show_text import show_lines

FAMILY = "files"
#: what only these files know makes a good end unproven; see above. Without its folder, TensorBoard's writer,
#: which opens its file by name for every flush, raises in the trainer
UNPROVEN = ("spec.json", "attempt-", "console.log", "tensorboard")
ONLY_RECORD = ("console.log", "steps.jsonl")
GARBAGE_BYTES = 20_000


def _truncated(life: Life, path: Path) -> str:
    size = path.stat().st_size
    kept = life.random.randrange(size) if size else 0
    with path.open("r+b") as stream:
        stream.truncate(kept)
    return f"truncated to {kept} of {size} bytes"


def _emptied(life: Life, path: Path) -> str:
    with path.open("r+b") as stream:
        stream.truncate(0)
    return "emptied"


def _garbage(life: Life, path: Path) -> str:
    number = life.random.randint(1, GARBAGE_BYTES)
    path.write_bytes(life.random.randbytes(number))
    return f"replaced by {number} bytes of garbage"


def _nul(life: Life, path: Path) -> str:
    """A machine that lost its power leaves such a file: the size was written, the content was not."""
    size = path.stat().st_size
    begin = life.random.randint(0, size)
    with path.open("r+b") as stream:
        stream.seek(begin)
        stream.write(bytes(max(1, size - begin)))
    return f"NUL bytes from byte {begin} of {size}"


def _deleted(life: Life, path: Path) -> str:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return "deleted"


WAYS: dict[str, Callable[[Life, Path], str]] = {
    "truncated": _truncated,
    "emptied": _emptied,
    "garbage": _garbage,
    "NUL bytes": _nul,
    "deleted": _deleted,
}


def _candidates(life: Life, *, folders: bool) -> list[Path]:
    """Every file that exists now, by name, so that a seed means the same twice; event files as one."""
    found = [p for p in sorted(life.run.path.iterdir()) if p.is_file() and p.suffix != ".tmp"]
    found += [p for p in sorted(life.run.tensorboard.rglob("*tfevents*"))[:1] if p.is_file()]
    if folders:
        found += [one for one in (life.run.inbox, life.run.tensorboard) if one.is_dir()]
    return found


def _allow(life: Life, path: Path) -> None:
    """Note what the damage may cost."""
    life.destroyed.add(path.name)
    if path.name.startswith(ONLY_RECORD):
        life.gaps_allowed = True
    if path.name.startswith(UNPROVEN):
        life.allowed.add(str(Outcome.FAILED))


def readers_raise_nothing(life: Life) -> None:
    """What screens and commands do all the time."""
    try:
        snapshot = RunReader(life.run.path).read_all()
        list(show_lines(snapshot))
        list(list_runs())
        with contextlib.suppress(Refused):
            plan_resume(snapshot)
    except Exception as error:
        raise Overdue(f"a reader raised {type(error).__name__}: {error}") from error


def _damage(way: str, life: Life) -> str:
    killed = life.random.random() < 0.5
    screens = life.processes().get("screen", [])
    if killed:
        life.signal("supervisor", signal.SIGKILL)
        time.sleep(0.05)
    chosen = life.random.choice(_candidates(life, folders=way == "deleted"))
    _allow(life, chosen)
    try:
        did = WAYS[way](life, chosen)
    except FileNotFoundError:  # replaced by rename meanwhile
        did = "gone before it was damaged"
    readers_raise_nothing(life)
    when = "after its supervisor was killed" if killed else "while its supervisor lives"
    life.adopt()
    readers_raise_nothing(life)
    if len(life.processes().get("screen", [])) < len(screens):
        raise Overdue(f"a screen ended when {chosen.name} was {did}")
    return f"{chosen.name} {did} {when}"


for name in WAYS:
    fault(f"file {name}", FAMILY, UNHARMED, weight=2)(partial(_damage, name))
