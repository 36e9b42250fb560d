"""What an attempt's journals already contain: a new supervisor writes nothing twice and omits nothing.

A supervisor may be killed between any two writes. The next one reads the trainer's output again and derives
the same events and rows in the same order; this module decides for each whether it was written.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

from runner.files.regular_file import open_regular
from runner.model import JournalEvent
from runner.state.attempt_state import StepRow
from runner.state.checkpoint_book import FILE_EVENTS
from runner.state.journal_state import KINDS
from runner.store.journal import LineTail, events_of, step_rows
from runner.store.rundir import RunDir

EVENTS_BYTES = 1 << 26
#: larger steps are invalid: a garbage row must not allocate memory
MOST_STEPS = 1 << 26
_ROW, _LOSS, _LR = 1, 2, 4
#: results of file verification: not reported again while unchanged, and what they supersede
_CLEARS = {
    "checkpoint_verified": (),
    "checkpoint_unverified": (),
    "checkpoint_changed": ("checkpoint_verified",),
    "checkpoint_missing": ("checkpoint_back",),
    "checkpoint_back": ("checkpoint_missing", "checkpoint_verified"),
    "checkpoint_placed": (),
    "checkpoint_replaced": (),
    "checkpoint_not_placed": (),
    "state_verified": ("state_missing",),
    "state_missing": ("state_verified",),
    "ended": (),
    "loss_not_finite": (),
}


class Journaled:
    """For one attempt. Reads the journals once; afterwards callers report what they write."""

    def __init__(self, run: RunDir, attempt: int) -> None:
        self._attempt = attempt
        self._steps = bytearray()
        self._offset, self._at_offset = -1, 0
        self._repeated = 0
        self._facts: dict[str, dict[str, dict[str, object]]] = {}
        mine = [
            e for e in events_of(last_lines(run.events, EVENTS_BYTES))[0] if e.attempt == attempt
        ]
        for event in mine:
            self._note(event)
        #: reported by earlier supervisors themselves: not in the console
        self.own = tuple(event for event in mine if event.offset is None)
        #: printed by the trainer, and needed to count its steps
        self.counting = tuple(e for e in mine if e.offset is not None and e.kind in KINDS)
        #: printed by the trainer, about its files
        self.files = tuple(e for e in mine if e.offset is not None and e.kind in FILE_EVENTS)
        for block in LineTail(run.steps).read(math.inf):
            for step, _, loss, _, lr, of_attempt in step_rows(block)[0]:
                if of_attempt == attempt:
                    self._note_row(step, loss is not None, lr is not None)

    # ----------------------------------------------------------------- rows

    def fresh_row(self, row: StepRow) -> StepRow | None:
        """The part of the row still to be written; None: nothing. The returned part counts as written."""
        known = self._steps[row.step] if 0 <= row.step < len(self._steps) else 0
        self._note_row(row.step, row.loss is not None, row.lr is not None)
        if not known & _ROW:
            return row
        loss = row.loss if not known & _LOSS else None
        lr = row.lr if not known & _LR else None
        if loss is None and lr is None:
            return None
        return replace(row, loss=loss, average=None, lr=lr)

    def _note_row(self, step: int, has_loss: bool, has_lr: bool) -> None:
        if not 0 <= step < MOST_STEPS:
            return
        if step >= len(self._steps):
            self._steps.extend(bytes(max(1024, step + 1 - len(self._steps))))
        self._steps[step] |= _ROW | (_LOSS if has_loss else 0) | (_LR if has_lr else 0)

    # ----------------------------------------------------------------- events

    def is_fresh(self, event: JournalEvent) -> bool:
        """Is the event still to be written? If so, it counts as written."""
        if event.offset is not None:
            if event.offset < self._offset:
                return False
            if event.offset == self._offset and self._repeated < self._at_offset:
                self._repeated += 1  # several events have the same offset, always in the same order
                return False
        elif event.kind in _CLEARS:
            known = self._facts.get(_subject(event), {}).get(event.kind)
            if known is not None and not _is_news(event, known):
                return False
        self._note(event)
        if event.offset is not None:
            self._repeated = self._at_offset
        return True

    def _note(self, event: JournalEvent) -> None:
        if event.offset is not None:
            if event.offset > self._offset:
                self._offset, self._at_offset = event.offset, 0
            self._at_offset += event.offset == self._offset
        elif event.kind in _CLEARS:
            facts = self._facts.setdefault(_subject(event), {})
            for kind in _CLEARS[event.kind]:
                facts.pop(kind, None)
            facts[event.kind] = _fact(event)


def _is_news(event: JournalEvent, known: dict[str, object]) -> bool:
    """`loss_not_finite` only with an earlier step."""
    if event.kind != "loss_not_finite":
        return known != _fact(event)
    step, before = event.data.get("step"), known.get("step")
    return isinstance(step, int) and isinstance(before, int) and step < before


def _subject(event: JournalEvent) -> str:
    return str(event.data.get("name") or event.data.get("path") or "")


def _fact(event: JournalEvent) -> dict[str, object]:
    """Without `at`, which varies."""
    return {key: value for key, value in event.data.items() if key != "at"}


def last_lines(path: Path, tail_bytes: int) -> bytes:
    """The complete lines at the end of a journal; nothing if it cannot be read."""
    try:
        with open_regular(path) as stream:
            before = max(0, os.fstat(stream.fileno()).st_size - tail_bytes)
            stream.seek(before)
            data = stream.read(tail_bytes)
    except OSError:
        return b""
    begin = data.find(b"\n") + 1 if before else 0
    return data[begin : data.rfind(b"\n") + 1]
