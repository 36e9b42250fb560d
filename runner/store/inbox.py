"""Orders to a run: a maildir. It needs no socket, works on network disks, leaves a trail, and an order
survives its supervisor.

Anything may be put into the folder, so its files are untrusted: regular files of this user only, no links, up
to a limit. Invalid files are moved aside and never retried.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.files.private import FOLDER_MODE
from runner.files.regular_file import read_own_bytes
from runner.store.attempt import newest_attempt
from runner.store.disk_clock import disk_now
from runner.store.journal import UNDECODABLE, Unreadable, decode_json, write_json
from runner.store.rundir import RunDir

#: an order that waits in the inbox for longer expires
DEADLINE_S = 600.0
TOO_OLD = "not done: too old, no supervisor was running"
ORDER_LIMIT_BYTES = 64_000
#: orders that no person gave: by the guard; because the job of a cluster ends
GUARD, CLUSTER = "guard", "Slurm"
#: an order with a longer name cannot be answered: the answer's temporary file has a longer one
NAME_LIMIT_BYTES = 200
#: files read at once from a flooded inbox
FILES_AT_ONCE = 1000
#: may succeed when tried again; every other failure to read a file is final
_PASSING = (errno.ENOENT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Order:
    """A request to a run. `kind`: stop, cancel_stop; `attempt`: of which attempt, None if it was
    written by an earlier version."""

    id: str
    kind: str
    at: float
    by: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    answer: str | None = None
    answered_at: float | None = None
    attempt: int | None = None

    @property
    def refused(self) -> bool:
        return bool(self.data.get("refused"))


def send(
    run: RunDir, kind: str, data: dict[str, Any] | None = None, *, by: str | None = None
) -> Order:
    """Put an order for the newest attempt into the inbox. `by`: by default the user of this process. Raises
    OSError."""
    attempt: int | None = None
    with contextlib.suppress(Unreadable):
        attempt = newest_attempt(run)
    order = Order(
        id=os.urandom(4).hex(),
        kind=kind,
        at=time.time(),
        by=by or current_user(),
        data=data or {},
        attempt=attempt,
    )
    run.inbox.mkdir(FOLDER_MODE, exist_ok=True)
    if not _is_ours(run.inbox):
        raise OSError(errno.EPERM, "its inbox is a link, or belongs to another user")
    write_json(run.inbox / f"{time.time_ns()}-{order.id}.json", order)
    return order


def is_for(order: Order, attempt: int, began_at: float) -> bool:
    """Was this order given to that attempt? `began_at`: when its plan was written."""
    return order.attempt == attempt if order.attempt is not None else order.at >= began_at


def pending(run: RunDir) -> list[tuple[str, Order]]:
    """(file name, order), oldest first. Invalid files are moved to inbox/unreadable; files with other names
    are left alone."""
    if not _is_ours(run.inbox):
        return []
    names = [name for name in _names(run.inbox) if name[0].isdigit()]
    found = ((name, _read(run.inbox / name)) for name in names[:FILES_AT_ONCE])
    return [(name, order) for name, order in found if order is not None]


def overdue(run: RunDir) -> frozenset[str] | None:
    """File names of orders older than DEADLINE_S. By the clock of their disk: that of the sender, perhaps on
    another machine, and that of this process may both be wrong. None: the inbox cannot be listed."""
    try:
        names = [name for name in os.listdir(run.inbox) if name.endswith(".json")]
    except FileNotFoundError:
        return frozenset()
    except OSError:
        return None
    found, now = [], disk_now(run.inbox) if names else 0.0
    for name in names:
        with contextlib.suppress(OSError):
            if now - (run.inbox / name).lstat().st_mtime > DEADLINE_S:
                found.append(name)
    return frozenset(found)


def done(run: RunDir) -> list[Order]:
    """The answered orders, oldest first, for a new supervisor."""
    if not (_is_ours(run.inbox) and _is_ours(run.inbox_done)):
        return []
    found = (_read(run.inbox_done / name) for name in _names(run.inbox_done))
    return [order for order in found if order is not None]


def _is_ours(folder: Path) -> bool:
    """A folder of this user, not a link to one."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def _read(path: Path) -> Order | None:
    """The order in this file; None if it no longer exists, or is none."""
    try:
        if len(os.fsencode(path.name)) > NAME_LIMIT_BYTES:
            raise OSError(errno.ENAMETOOLONG, "")
        return decode_json(read_own_bytes(path, ORDER_LIMIT_BYTES), Order)
    except OSError as error:
        if error.errno in _PASSING:
            return None
    except UNDECODABLE:
        pass
    _set_aside(path)
    return None


def _set_aside(path: Path) -> None:
    """Move it aside for later orders, but leave it for inspection."""
    with contextlib.suppress(OSError):
        folder = path.parent / "unreadable"
        folder.mkdir(FOLDER_MODE, exist_ok=True)
        taken = os.path.lexists(folder / path.name)
        path.rename(folder / (f"{time.time_ns()}.json" if taken else path.name))


def answer(run: RunDir, name: str, order: Order, text: str) -> None:
    """Move a taken order to inbox/done with its answer. Raises OSError; then the order stays in the inbox."""
    run.inbox_done.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    write_json(run.inbox_done / name, replace(order, answer=text, answered_at=time.time()))
    with contextlib.suppress(FileNotFoundError):
        (run.inbox / name).unlink()


def refusal(order: Order) -> Order:
    """The order marked as not carried out."""
    return replace(order, data={**order.data, "refused": True})


def answer_of(run: RunDir, order_id: str) -> Order | None:
    """The answered order, once it exists."""
    return next(_with_id(run.inbox_done, order_id), (None, None))[1]


def withdraw(run: RunDir, order_id: str, why: str) -> None:
    """Answer an order without a supervisor to take it. Raises OSError."""
    for name, order in _with_id(run.inbox, order_id):
        answer(run, name, refusal(order), why)


def settle(run: RunDir, order: Order, text: str) -> None:
    """Answer an order that its sender carried out. Raises OSError."""
    for name, found in _with_id(run.inbox, order.id):
        answer(run, name, found, text)


def _with_id(folder: Path, order_id: str) -> Iterator[tuple[str, Order]]:
    for name in _names(folder):
        if name.endswith(f"-{order_id}.json"):
            order = _read(folder / name)
            if order is not None:
                yield name, order


def current_user() -> str:
    """The login name; else the name of the user id."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME")
    if name:
        return name
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # no user database, or a container's user without a name
        return f"uid {os.getuid()}"
