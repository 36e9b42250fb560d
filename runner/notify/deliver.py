"""The short-lived process that sends the notifications in `notices/`. It outlives the supervisor, and a later
one finishes what an earlier one left."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from runner.config.channels import Channels, read_channels
from runner.model import JournalEvent, NotifyRules, RunSpec, RunState, Status
from runner.model.units import duration
from runner.notify.box import MOST_TRIES, Box, Note
from runner.notify.channel import Result
from runner.notify.message import TEXT_LIMIT, Message, flat
from runner.notify.sender import send_all
from runner.store.appender import Appender
from runner.store.journal import Unreadable, readable
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir

log = logging.getLogger("notify")

POLL_S = 0.1
#: a notification sent later than this mentions its delay
LATE_S = 600.0

SendAll = Callable[[Channels, Message], tuple[Result, ...]]


def deliver(run: RunDir, *, send: SendAll = send_all) -> None:
    """Send everything pending. What cannot be sent yet (its run has not ended) stays."""
    box = Box(run)
    if not run.notices.is_dir():
        return
    seen: set[str] = set()
    with box.alone():
        while waiting := [note for note in box.waiting() if note.message.key not in seen]:
            note = waiting[0]
            seen.add(note.message.key)
            if not note.message.end or _has_ended(run, note.message.attempt):
                _deliver(run, box, note, send)


def _has_ended(run: RunDir, attempt: int) -> bool:
    """Wait for status.json to report the end, while a live supervisor will write it."""
    while True:
        alive, status = lock_held(run.lock), readable(run.status, Status)
        if status is not None and status.attempt > attempt:
            return True
        if status is not None and status.attempt == attempt and status.state is RunState.ENDED:
            return True
        if not alive:
            return False
        time.sleep(POLL_S)


def _deliver(run: RunDir, box: Box, note: Note, send: SendAll) -> None:
    message, now = note.message, time.time()
    try:
        channels = read_channels(run)
    except Unreadable:
        channels = Channels()
        log.warning("notify.json cannot be read: notification %s is not sent", message.event)
    spec = readable(run.spec, RunSpec)
    most = (spec.notify if spec is not None else NotifyRules()).per_hour
    held, results = not message.end and box.sent_lately(now) >= most, tuple[Result, ...]()
    if not held and note.tries >= MOST_TRIES:
        lost = "gave up: its end was not observed"
        results = tuple(Result(name, False, lost) for name in channels.names)
    elif not held:
        with _kept_from_no_one("notices"):
            note = box.count_try(note)
        if (age_s := now - message.at) >= LATE_S:
            text = flat(f"{duration(age_s)} ago: {message.text}", TEXT_LIMIT)
            message = replace(message, text=text)
        results = send(channels, message)
    with _kept_from_no_one("notices"):
        box.close(note, results, held=held)
    _record(run, note.message, results, held)


def _record(run: RunDir, message: Message, results: tuple[Result, ...], held: bool) -> None:
    """Log the result where users look."""
    data: dict[str, object] = {
        "event": message.event,
        "sent": [one.channel for one in results if one.ok],
        "failed": {one.channel: one.text for one in results if not one.ok},
    }
    if held:
        data["held"] = True
    with _kept_from_no_one("events.jsonl"):
        journal = Appender(run.events)
        event = JournalEvent(time.time(), "notice", message.attempt, None, data)
        journal.append(msgspec.json.encode(event))
        journal.close()
    for one in results:
        if not one.ok:
            log.warning("notification %s by %s: %s", message.event, one.channel, one.text)


@contextlib.contextmanager
def _kept_from_no_one(file: str) -> Iterator[None]:
    """A full disk must not prevent a notification."""
    try:
        yield
    except OSError as error:
        log.warning("%s: %s", file, error.strerror)


def main(path: str) -> int:
    """Deliver, keeping other code's output out of supervisor.log."""
    log_to = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    quiet = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(quiet, fd)
    handler = logging.StreamHandler(log_to)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    code = 0
    try:
        deliver(RunDir(Path(path)))
    except Exception as error:  # boundary: its text may contain an address
        log.error("a notification failed (%s)", type(error).__name__)
        code = 1
    sys.stdout.flush()
    log_to.flush()
    os._exit(code)  # a channel's thread may hang forever
