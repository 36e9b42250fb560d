"""Which checkpoint a line of the trainer is about, when files of a resumed run have been placed under their
true steps and the trainer uses these names for later ones."""

from __future__ import annotations

from collections.abc import Callable

from runner.model import Checkpoint
from runner.state.attempt_state import AttemptState
from runner.state.checkpoint_book import CheckpointBook
from runner.state.row_buffer import RowBuffer
from runner.state.step_mapper import StepMapper
from tests.speed import cpu_ratio


def resumed_book() -> tuple[CheckpointBook, int, int]:
    """Counted from 0 again after step 120: the file that the trainer calls step 60 is 180, its 180 is 300."""
    book = CheckpointBook(3)
    first = book.add(Checkpoint("a-step00000060.safetensors", step=180, attempt=3))
    book.update(first, name="a-step00000180.safetensors")
    second = book.add(Checkpoint("a-step00000180.safetensors", step=300, attempt=3))
    return book, first, second


def test_a_state_belongs_to_the_file_that_the_trainer_named_so() -> None:
    book, first, second = resumed_book()
    found = book.add_state("/out/attempt3/a-step00000180-state")
    assert found is not None
    assert found.step == 300
    assert (book[first].state_path, book[second].state_path) == (None, found.state_path)


def test_a_state_saved_before_its_checkpoint_is_not_that_of_a_placed_one() -> None:
    book = CheckpointBook(3)
    first = book.add(Checkpoint("a-step00000060.safetensors", step=180, attempt=3))
    book.update(first, name="a-step00000180.safetensors")
    assert book.add_state("/out/attempt3/a-step00000180-state") is None
    second = book.add(Checkpoint("a-step00000180.safetensors", step=300, attempt=3))
    assert (book[first].state_path is None, book[second].state_path is None) == (True, False)


def test_the_trainer_deletes_its_own_files_not_placed_ones() -> None:
    book, first, second = resumed_book()
    book.remove("/out/attempt3/a-step00000060.safetensors")
    book.remove("/out/attempt3/a-step00000180.safetensors")
    assert (book[first].removed, book[second].removed) == (False, True)


def test_earlier_checkpoints_come_newest_first_and_a_rewritten_file_once() -> None:
    book = CheckpointBook(2)
    book.load_earlier([Checkpoint(f"{n}", f"/out/{n}", step=n, attempt=1) for n in (10, 20, 30)])
    moved = book.add(Checkpoint("20", "/out/20", step=25, attempt=2))
    book.add(Checkpoint("end", "/out/end", step=40, attempt=2))
    book.update(moved, step=20)
    found = [(c.step, c.attempt) for c in book.before(Checkpoint("x", step=40, attempt=2))]
    assert found == [(30, 1), (20, 2), (10, 1)]
    assert list(book.before(Checkpoint("x", attempt=2))) == []


def _saved(count: int) -> Callable[[], None]:
    """A training that saves after every step, and keeps one: its rows, states and deletions."""

    def save_all() -> None:
        book = CheckpointBook(1)
        rows = RowBuffer(AttemptState(1, StepMapper()), book, catching_up=False)
        for step in range(1, count + 1):
            rows.show(step, 0.1, float(step))
            key = book.add(Checkpoint(f"a-{step}.safetensors", step=step, attempt=1))
            book.add_state(f"/out/a-{step}-state")
            next(book.before(book[key]), None)
        rows.finish()

    return save_all


def test_the_work_for_a_checkpoint_does_not_grow_with_their_number() -> None:
    few, many = cpu_ratio(_saved(1000)), cpu_ratio(_saved(8000))
    assert many < 20 * few, f"eight times as many took {many / few:.0f} times as long"
