"""Which checkpoint a line of the trainer is about, when files of a resumed run have been placed under their
true steps and the trainer uses these names for later ones."""

from __future__ import annotations

from runner.model import Checkpoint
from runner.state.checkpoint_book import CheckpointBook


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
