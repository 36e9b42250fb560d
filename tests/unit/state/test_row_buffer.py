"""Rows wait for their exact losses, however busy the machine is and however many wait."""

from __future__ import annotations

from collections.abc import Callable

from runner.model.events import StepShown
from runner.state.attempt_state import AttemptState
from runner.state.checkpoint_book import CheckpointBook
from runner.state.row_buffer import LOSSES_PATIENCE_S, RowBuffer
from runner.state.step_mapper import StepMapper
from runner.state.translator import Translator
from tests.speed import cpu_ratio


def rows_with_losses() -> RowBuffer:
    buffer = RowBuffer(AttemptState(1, StepMapper()), CheckpointBook(1), catching_up=False)
    buffer.show(1, 0.5, 0.0)
    buffer.add_loss(1, 0.5, 0.0, None)
    buffer.take()
    return buffer


def test_a_row_is_not_written_before_its_loss_was_looked_for() -> None:
    """On a machine with too much to do the losses may be read seconds after the console."""
    buffer = rows_with_losses()
    buffer.show(2, 0.5, 10.0)
    buffer.tick(11.0, losses_read_at=10.05)
    assert buffer.take() == []
    buffer.add_loss(2, 0.25, 10.0, None)
    assert [(row.step, row.loss) for row in buffer.take()] == [(2, 0.25)]


def test_a_row_without_a_loss_is_written_once_the_losses_were_read() -> None:
    translator = Translator(1)
    translator.rows.exact = True
    translator.on_console(StepShown(0, 1, 9, 0.5, {}), 10.0)
    translator.tick(11.0, 10.05)
    assert translator.take_rows() == []
    translator.tick(11.1, 10.9)
    assert [row.step for row in translator.take_rows()] == [1]


def test_a_disk_that_never_gives_the_losses_does_not_hold_the_rows() -> None:
    buffer = rows_with_losses()
    buffer.show(2, 0.5, 10.0)
    buffer.tick(10.0 + LOSSES_PATIENCE_S + 0.2, losses_read_at=0.0)
    assert [row.step for row in buffer.take()] == [2]


def _late_losses(count: int) -> Callable[[], None]:
    def run() -> None:
        buffer = rows_with_losses()
        for step in range(2, count):
            buffer.show(step, 0.5, 1.0)
        for step in range(2, count):
            buffer.add_loss(step, 0.5, 1.0, None)
        assert [row.step for row in buffer.take()] == list(range(2, count))

    return run


def test_the_work_for_a_late_loss_does_not_grow_with_those_that_wait() -> None:
    few, many = cpu_ratio(_late_losses(1000)), cpu_ratio(_late_losses(8000))
    assert many < 32 * few, f"eight times as many took {many / few:.0f} times as long"
