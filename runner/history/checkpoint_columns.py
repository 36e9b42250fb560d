"""Columns of checkpoint tables on screen, in `show` and in summaries: a new column is a row of COLUMNS. Pure.
Every cell is text; "" if there is nothing to show. A mark is YES, NO, PENDING (not verified yet) or NONE: the
screen draws a symbol, text uses MARK_WORDS.
"""

from __future__ import annotations

from collections.abc import Callable

from runner.model import Checkpoint
from runner.model.lean import dataclass
from runner.model.units import file_size, loss

YES, NO, PENDING, NONE = "yes", "no", "unknown", "none"
MARK_WORDS = {YES: "yes", NO: "NO", NONE: "-", "": ""}
ANY = 10_000


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """`epochs`: trained at its step; `place`: its rank; `validation_step`: of its validation loss, if it
    differs from the file's."""

    one: Checkpoint
    epochs: float | None = None
    place: int | None = None
    validation_step: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """`width`: cells on the screen; shown on screens of at least `least` and less than `below` columns.
    `text`: the text outputs that have it."""

    name: str
    cell: Callable[[CheckpointFacts], str]
    width: int = 0
    least: int = 0
    below: int = ANY
    mark: bool = False
    text: str = "show summary"

    def words(self, cell: str) -> str:
        """A cell of this column in text."""
        return MARK_WORDS.get(cell, "unknown") if self.mark else cell


def norm_text(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return ""
    return f"{value:#.3g}".removesuffix(".") if value < 1000 else f"{value:.1e}"


def change_text(share: float | None) -> str:
    """`+5 %`; a factor from 10x on."""
    if share is None:
        return ""
    if share >= 9:
        return f"x{share + 1:.0f}" if share < 1e4 else "x>10000"
    return f"{share * 100:+.0f} %".replace("-0 %", "+0 %")


def _step(facts: CheckpointFacts) -> str:
    return str(facts.one.step) if facts.one.step is not None else "?"


def epoch_text(epochs: float | None) -> str:
    """Epochs trained: 1.74 is well into the second one."""
    return f"{epochs:.2f}" if epochs is not None else ""


def _loss(value: float | None) -> str:
    return loss(value) if value is not None else ""


def _validation(facts: CheckpointFacts) -> str:
    at = f" at {facts.validation_step}" if facts.validation_step is not None else ""
    return _loss(facts.one.validation_loss) and _loss(facts.one.validation_loss) + at


def _tri(value: bool | None) -> str:
    return PENDING if value is None else YES if value else NO


def _good(facts: CheckpointFacts) -> str:
    """Complete and finite."""
    both = (facts.one.complete, facts.one.finite)
    return _tri(False if False in both else None if None in both else True)


def _state(facts: CheckpointFacts) -> str:
    """Can a training resume from it? A state that has a problem cannot."""
    if facts.one.state_path is None:
        return NONE
    return NO if facts.one.state_problem else _tri(facts.one.state_complete)


COLUMNS = (
    Column("step", _step, 6),
    Column("epoch", lambda f: epoch_text(f.epochs), 7, 72, text=""),
    Column("size", lambda f: file_size(f.one.size_bytes), 9),
    Column("loss", lambda f: _loss(f.one.loss), 8, 32),
    Column("val", _validation, 8, 100),
    Column("complete", lambda f: _tri(f.one.complete), 10, 78, mark=True),
    Column("finite", lambda f: _tri(f.one.finite), 8, 78, mark=True),
    Column("ok", _good, 5, 0, 78, mark=True, text=""),
    Column("state", _state, 7, 78, mark=True),
    Column("norm", lambda f: norm_text(f.one.norm), 7, 60),
    Column("change", lambda f: change_text(f.one.norm_change), 8, 84),
    Column("place", lambda f: str(f.place) if f.place is not None else "", text="summary"),
)


def cells_of(facts: CheckpointFacts) -> dict[str, str]:
    """Every cell by the name of its column."""
    return {column.name: column.cell(facts) for column in COLUMNS}


def screen_columns(width: int) -> tuple[Column, ...]:
    """Columns that fit, left to right. They depend on width only: a later file must not move them."""
    return tuple(c for c in COLUMNS if c.width and c.least <= width < c.below)


def text_columns(output: str) -> tuple[Column, ...]:
    """Of `show` or `summary`."""
    return tuple(column for column in COLUMNS if output in column.text)
