"""The short-lived process that sends what lies in `notices/`. It outlives the supervisor, and a later one finds
what an earlier one did not get done."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from runner.config.channels import Channels, read_channels
from runner.model import JournalEvent, NotifyRules, RunSpec, RunState, Status
from runner.model.units import duration
from runner.notify.box import MOST_TRIES, Box, Note, Result
from runner.notify.message import TEXT_LIMIT, Message, flat
from runner.notify.sender import send_all
from runner.store.journal import Appender, Unreadable, read_json
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir

log = logging.getLogger("notify")

POLL_S = 0.1
#: a notice that comes later than this says so
LATE_S = 600.0

SendAll = Callable[[Channels, Message], tuple[Result, ...]]


def deliver(run: RunDir, *, send: SendAll = send_all) -> None:
    """Send everything that waits. What cannot be sent yet (its run has not ended) stays."""
    box = Box(run)
    if not run.notices.is_dir():
        return
    seen: set[str] = set()
    with box.alone():
        while True:
            waiting = [note for note in box.waiting() if note.message.key not in seen]
            if not waiting:
                return
            note = waiting[0]
            seen.add(note.message.key)
            if not note.message.end or _has_ended(run, note.message.attempt):
                _deliver(run, box, note, send)


def _has_ended(run: RunDir, attempt: int) -> bool:
    """Wait for status.json to say so, as long as a supervisor lives that will write it."""
    while True:
        alive = lock_held(run.lock)
        try:
            status = read_json(run.status, Status)
        except Unreadable:
            status = None
        if status is not None and status.attempt > attempt:
            return True
        if status is not None and status.state is RunState.ENDED and status.attempt == attempt:
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
        log.warning("notify.json cannot be read: the notice %s is not sent", message.event)
    if not message.end and box.sent_lately(now) >= _rules(run).per_hour:
        _close(run, box, note, (), held=True)
        return
    if note.tries >= MOST_TRIES:
        lost = tuple(Result(name, False, "given up: it was never seen to end")
                     for name in channels.names)  # fmt: skip
        _close(run, box, note, lost)
        return
    try:
        note = box.count_try(note)
    except OSError as error:  # a full disk is no reason to keep it from a person
        log.warning("notices: %s", error.strerror)
    _close(run, box, note, send(channels, _late(message, now)))


def _rules(run: RunDir) -> NotifyRules:
    try:
        return read_json(run.spec, RunSpec).notify
    except Unreadable:
        return NotifyRules()


def _late(message: Message, now: float) -> Message:
    age_s = now - message.at
    if age_s < LATE_S:
        return message
    return replace(message, text=flat(f"{duration(age_s)} ago: {message.text}", TEXT_LIMIT))


def _close(
    run: RunDir, box: Box, note: Note, results: tuple[Result, ...], *, held: bool = False
) -> None:
    """Write down what came of it: in its own file, and where people look."""
    try:
        box.close(note, results, held=held)
    except OSError as error:
        log.warning("notices: %s", error.strerror)
    data: dict[str, object] = {
        "event": note.message.event,
        "sent": [one.channel for one in results if one.ok],
        "failed": {one.channel: one.text for one in results if not one.ok},
    }
    if held:
        data["held"] = True
    event = JournalEvent(time.time(), "notice", note.message.attempt, None, data)
    try:
        journal = Appender(run.events)
        journal.append(msgspec.json.encode(event))
        journal.close()
    except OSError as error:
        log.warning("events.jsonl: %s", error.strerror)
    for one in results:
        if not one.ok:
            log.warning("notice %s by %s: %s", note.message.event, one.channel, one.text)


def main(path: str) -> int:
    """Deliver, with nothing of what foreign code prints in supervisor.log."""
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
    except Exception as error:  # border: its words may hold an address
        log.error("a notice failed (%s)", type(error).__name__)
        code = 1
    sys.stdout.flush()
    log_to.flush()
    os._exit(code)  # a channel's thread may hang for good
