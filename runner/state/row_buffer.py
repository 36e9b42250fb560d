"""Rows of an attempt on their way to steps.jsonl: each waits a moment for its exact loss. Pure."""

from __future__ import annotations

from heapq import heappop, heappush

from runner.state.attempt_state import PAUSES, AttemptState, StepRow, apply
from runner.state.checkpoint_book import CheckpointBook
from runner.state.losses import Smoothing

#: how long a step's row waits for its exact loss before it is written with only the average
ROW_PATIENCE_S = 0.15
#: how long for a reading of the losses that does not come: their disk may hang
LOSSES_PATIENCE_S = 5.0


class RowBuffer:
    """Takes true steps in any order, returns rows by step. A row is applied to `state` at once, and again
    when written. `catching_up`: these steps were not observed live, so their rows have no time. `exact`:
    exact losses exist. `smoothing`: up to the newest written row; one per run, over all attempts."""

    def __init__(self, state: AttemptState, book: CheckpointBook, *, catching_up: bool) -> None:
        self._state, self._book = state, book
        self.catching_up = catching_up
        self.exact = False
        self._pending: dict[int, StepRow] = {}
        self._waiting: list[int] = []  # their steps, a heap
        self._written = 0
        self._rows: list[StepRow] = []
        self.smoothing = Smoothing()

    def show(self, step: int, average: float | None, now: float) -> bool:
        """The bar shows this step. False: its row is written already."""
        row = self._pending.get(step)
        if row is None:
            if step <= self._written:
                return False
            # with exact losses, those of earlier steps are about to arrive: see `tick`
            if not self.exact:
                self._flush_until(step - 1)
            row = self._wait(StepRow(step, now))
        if average is not None:
            row.average = average
        apply(self._state, row)
        if row.loss is not None and average is not None:
            self._flush_until(step)  # its exact loss arrived first: nothing to wait for
        return True

    def add_loss(self, step: int, loss: float, at: float, lr: float | None) -> None:
        """The exact loss of a step, which may already be written, or not shown yet."""
        self.exact = True
        row = self._pending.get(step)
        if row is not None:
            row.loss, row.lr, row.at = loss, lr, at
            self._flush_until(step)
        elif step > self._written:
            self._wait(StepRow(step, at, loss, None, lr))
        else:
            self._write_late(StepRow(step, at, loss, None, lr))

    def add_rate(self, step: int, at: float, lr: float | None) -> None:
        """The learning rate arrived separately from its loss."""
        row = self._pending.get(step)
        if row is not None:
            row.lr = lr
        elif step <= self._written:
            self._write_late(StepRow(step, at, None, None, lr))

    def tick(self, now: float, losses_read_at: float | None = None) -> None:
        """Release rows that waited long enough for an exact loss. `losses_read_at`: when the last complete
        reading of the losses began; a busy machine reads them late. None: nothing to read."""
        read_at = now if losses_read_at is None else max(losses_read_at, now - LOSSES_PATIENCE_S)
        waiting = self._pending.items()
        due = [s for s, row in waiting if row.at is not None and read_at - row.at > ROW_PATIENCE_S]
        if due and self._state.phase not in PAUSES:
            self._flush_until(max(due), only_finished=False)

    def finish(self) -> None:
        """No more input."""
        if self._pending:
            self._flush_until(max(self._pending), only_finished=False)

    def take(self) -> list[StepRow]:
        """Rows to write, once."""
        rows, self._rows = self._rows, []
        return rows

    def _wait(self, row: StepRow) -> StepRow:
        self._pending[row.step] = row
        heappush(self._waiting, row.step)
        return row

    def _flush_until(self, step: int, *, only_finished: bool = True) -> None:
        """Write down the waiting rows up to `step`, in order."""
        while self._waiting and self._waiting[0] <= step:
            row = self._pending.pop(heappop(self._waiting))
            known = row.loss is not None or row.average is not None
            if only_finished and not known and row.step != self._state.first_step:
                continue
            if self.catching_up and row.loss is None:
                row.at = None
            self._rows.append(row)
            if row.loss is not None:  # the average was applied when shown
                apply(self._state, row)
            self._written = max(self._written, row.step)
            self._smooth(row)

    def _write_late(self, row: StepRow) -> None:
        apply(self._state, row)
        self._rows.append(row)

    def _smooth(self, row: StepRow) -> None:
        """A checkpoint gets the smoothed loss at its step: a single step's is too noisy."""
        self.smoothing.add(row.loss if row.loss is not None else row.average)
        for key in self._book.own_at(row.step):
            self._book.update(key, loss=self.smoothing.now)
