"""The filmstrip: the newest sample images along the steps, and when the next ones come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from runner.model import RunSnapshot
from tui.asking import ask
from tui.kit import glyphs
from tui.kit.paint import EMPTY, Row, Span, cell, pad, row_width
from tui.kit.painted import Pictured
from tui.kit.panel import Panel
from tui.text import wrap
from tui.words.progress import is_live, progress_of

if TYPE_CHECKING:  # loaded when there are images
    from tui.backend.samples import SampleReader
    from tui.images.store import TerminalPictures, Wish
    from tui.words.samples import Board, SampleSheet

#: images are searched for at most this often
READ_S = 3.0
GAP = 2
#: cells of the place for the next image
NEXT_WIDTH = 18
#: cells of a picture that still shows something
LEAST_WIDTH = 12


class SampleStrip(Pictured, Panel, can_focus=True):
    """The monitor calls `read` with each snapshot while it has room for the strip. Files are read and decoded
    in threads. `wanted`: there are images, or there will be, and this terminal can show them."""

    TITLE = "Samples"

    class Changed(Message):
        """`wanted` may have changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pictures: TerminalPictures | None = None
        self._asked = False
        self.forget()

    def forget(self) -> None:
        """Another run will be shown."""
        self._path = ""
        self._reader: SampleReader | None = None
        self._sheet: SampleSheet | None = None
        self._board: Board | None = None
        self._reading = False
        self._read_at = 0.0
        self._next = ""
        self._ended = False

    @property
    def wanted(self) -> bool:
        sheet = self._sheet
        if sheet is None:
            return False
        rhythm = sheet.rhythm
        coming = self._next and (rhythm.every_steps or rhythm.every_epochs)
        return bool(sheet.samples or coming) and self._store() is not None

    def _store(self) -> TerminalPictures | None:
        """None: no pictures in this terminal, or none over a slow link."""
        if not self._asked:
            self._asked = True
            from tui.images.choice import Way
            from tui.images.store import TerminalPictures

            made = TerminalPictures(self)
            shown = made.shown
            self._pictures = None if shown.way is Way.OFF or shown.coarse else made
        return self._pictures

    # ----------------------------------------------------------------- reading

    def read(self, snapshot: RunSnapshot, now: float) -> None:
        if snapshot.path != self._path:
            self.forget()
            self._path = snapshot.path
        if self._sheet is not None:
            from tui.words.samples import next_sample

            live = is_live(snapshot)
            words = next_sample(self._sheet.rhythm, progress_of(snapshot)) if live else ""
            if words != self._next:
                self._next = words
                self.repaint()
        ended = not is_live(snapshot)
        due = (
            self._sheet is None
            or ended != self._ended
            or (not ended and now - self._read_at >= READ_S)
        )
        if due and not self._reading:
            self._reading, self._read_at, self._ended = True, now, ended
            path = self._path
            ask(self, lambda: self._look(path), lambda found: self._take(path, found), self._failed)

    def _look(self, path: str) -> SampleSheet | None:
        """In a thread. None: unchanged."""
        reader = self._reader
        if reader is None:
            reader = self._reader = self.plasma.backend.samples(Path(path))
        elif not reader.changed():
            return None
        return reader.read()

    def _failed(self, problem: str) -> None:
        """Nothing is shown; the samples screen reports why."""
        self._reading = False

    def _take(self, path: str, found: SampleSheet | None) -> None:
        if path != self._path:
            return
        self._reading = False
        if found is not None:
            from tui.words.samples import board_of

            self._sheet, self._board = found, board_of(found)
            self.repaint()
            self.post_message(self.Changed())
        elif self._pictures is not None:
            self._pictures.refresh()

    def on_unmount(self) -> None:
        if self._pictures is not None:
            self._pictures.close()

    def on_picture_ready(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- drawing

    def note(self) -> Row:
        board = self._board
        if board is None or not board.prompts:
            return ()
        total = len(board.prompts)
        which = f"prompt {board.prompts[0] + 1} of {total}   " if total > 1 else ""
        return (Span(which, "dim"), Span("i", "accent"), Span(" opens", "dim"))

    def _shown(self, width: int, height: int) -> list[tuple[Wish, str]]:
        """The newest images of the first prompt that fit, with the step of each."""
        from tui.images.store import Wish

        board, rows = self._board, height - 2
        if board is None or rows < 2:
            return []
        room = width - 1 - (NEXT_WIDTH + GAP if self._next else 0)
        full = min(2 * rows, room)
        number, columns = max(1, (room + GAP) // (full + GAP)), full
        # a little smaller where one more fits then: what counts is the change between them
        smaller = (room + GAP) // (number + 1) - GAP
        if smaller >= (LEAST_WIDTH if number == 1 else full * 4 // 5):
            number, columns = number + 1, smaller
        rows = min(rows, -(-columns // 2))
        found: list[tuple[Wish, str]] = []
        for column in range(len(board.moments) - 1, -1, -1):
            image = board.image(0, column)
            if image is not None:
                found.append((Wish(image.path, columns, rows), board.moments[column].short))
            if len(found) == number:
                break
        return found[::-1]

    def content(self, width: int, height: int) -> Sequence[Row]:
        store = self._store()
        if store is None or self._board is None or height < 3:
            return ()
        shown = self._shown(width, height + 1)
        rows = shown[0][0].rows if shown else height - 1
        wishes = [wish for wish, _ in shown]
        store.wish(wishes)
        store.send(wishes)
        lines: list[list[Span]] = [[Span(" ")] for _ in range(rows + 1)]
        for at, (wish, step) in enumerate(shown):
            made = store.take(wish)
            if made is None:
                tile: Sequence[Row] = ((Span(glyphs.UNKNOWN, "faint"),),)
            elif made.problem:
                tile = [(Span(line, "dim"),) for line in wrap(made.problem, wish.columns)]
            else:
                tile = made.rows
            size = max([*(row_width(row) for row in tile[:rows]), len(step) + 7])
            for y in range(rows):
                lines[y] += [*pad(tile[y] if y < len(tile) else EMPTY, size), Span(" " * GAP)]
            newest = at == len(shown) - 1
            caption = f"{step} newest" if newest and len(shown) > 1 else step
            lines[rows].append(cell(caption, size + GAP, "text" if newest else "dim"))
        if self._next:
            for y in range(rows):
                side, word = glyphs.CURSOR_LINE, "next" if y == rows // 2 else ""
                lines[y].append(Span(f"{side}{word.center(NEXT_WIDTH - 2)}{side}", "faint"))
            # beside no picture: its time changes, and a row is sent from its left end
            lines[rows].append(Span(self._next, "dim"))
        return [tuple(line) for line in lines]
