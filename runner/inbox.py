"""Orders to a run: a maildir. It needs no socket, works on network disks, leaves a trail, and an order
outlives the supervisor it was meant for."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from runner.journal import Unreadable, read_json, write_json
from runner.private import FOLDER_MODE
from runner.rundir import RunDir
from runner.who import whoami

#: an order nobody took for so long is not obeyed any more
DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants of a run. `kind`: stop, cancel_stop."""

    id: str
    kind: str
    at: float
    by: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    answer: str | None = None
    answered_at: float | None = None


def send(
    run: RunDir, kind: str, data: dict[str, Any] | None = None, *, by: str | None = None
) -> Order:
    """Put an order into the inbox. `by`: None, the user of this process. Raises OSError."""
    who = by or whoami()
    order = Order(id=secrets.token_hex(4), kind=kind, at=time.time(), by=who, data=data or {})
    run.inbox.mkdir(FOLDER_MODE, exist_ok=True)
    write_json(run.inbox / f"{time.time_ns()}-{order.id}.json", order)
    return order


def pending(run: RunDir) -> list[tuple[str, Order]]:
    """(file name, order), oldest first. Foreign files are left alone."""
    found = []
    try:
        names = sorted(n for n in os.listdir(run.inbox) if n.endswith(".json") and n[0].isdigit())
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(Unreadable):
            found.append((name, read_json(run.inbox / name, Order)))
    return found


def done(run: RunDir) -> list[Order]:
    """The answered orders, oldest first: what a new supervisor knows of them."""
    found = []
    try:
        names = sorted(n for n in os.listdir(run.inbox_done) if n.endswith(".json"))
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(Unreadable):
            found.append(read_json(run.inbox_done / name, Order))
    return found


def answer(run: RunDir, name: str, order: Order, text: str) -> None:
    """Move a taken order to inbox/done with its answer."""
    taken = Order(order.id, order.kind, order.at, order.by, order.data, text, time.time())
    run.inbox_done.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    write_json(run.inbox_done / name, taken)
    with contextlib.suppress(FileNotFoundError):
        (run.inbox / name).unlink()


def answer_of(run: RunDir, order: Order) -> Order | None:
    """The answered form of an order, once there is one."""
    try:
        names = [n for n in os.listdir(run.inbox_done) if n.endswith(f"-{order.id}.json")]
    except OSError:
        return None
    for name in names:
        with contextlib.suppress(Unreadable):
            return read_json(run.inbox_done / name, Order)
    return None
