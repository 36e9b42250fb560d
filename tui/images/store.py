"""Pictures prepared for the screen by one worker thread: what is shown first, then its neighbours.

The screen asks for pictures and takes those that are ready; it never waits. Memory is bounded: the least
recently used are dropped.
"""

from __future__ import annotations

import os
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from tui.images.blocks import COARSE_STEP, FINE_STEP, block_rows, fit_cells
from tui.images.choice import Shown, Way, pick_way
from tui.images.decode import Decoded, NoPicture, decode
from tui.images.kitty import MOST_CELLS, MOST_ID, forgotten, placeholder_rows, sent
from tui.kit.paint import Row

if TYPE_CHECKING:
    from tui.kit.framed import FramedScreen
    from tui.kit.painted import Pictured

#: how many decoded pictures (1.2 MB each at most), and pictures as cells (some 0.3 MB each) are kept
DECODED, MADE = 16, 96


@dataclass(frozen=True, slots=True)
class Wish:
    """A file in at most `columns` x `rows` cells."""

    path: str
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Made:
    """`rows`: the picture, of `columns` cells each; `problem`: a sentence instead. `pixels`: of the file;
    `black`: all of them. `number`, `message`: for Kitty, what must be sent before the rows are shown."""

    rows: tuple[Row, ...] = ()
    columns: int = 0
    pixels: tuple[int, int] | None = None
    problem: str = ""
    number: int = 0
    message: str = ""
    black: bool = False


Stat = tuple[int, int] | None


class PictureStore:
    """`ready` is called in the worker's thread whenever a new picture is ready."""

    def __init__(self, shown: Shown, ready: Callable[[], object]) -> None:
        self.shown = shown
        self._ready = ready
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._wishes: tuple[Wish, ...] = ()
        self._made: OrderedDict[Wish, tuple[Stat, Made]] = OrderedDict()
        self._decoded: OrderedDict[tuple[str, Stat], Decoded] = OrderedDict()
        self._number = random.randrange(1, MOST_ID - (1 << 20))
        self._gone: list[int] = []
        self._stopped = False
        self._thread: threading.Thread | None = None

    # ----------------------------------------------------------------- from the screen

    def wish(self, wishes: Sequence[Wish]) -> None:
        """What is shown, in its order, then what may be next. Replaces the earlier wishes."""
        if self.shown.way is Way.OFF:
            return
        with self._lock:
            self._wishes = tuple(dict.fromkeys(wishes))[:MADE]
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
            self._thread.start()
        self._wake.set()

    def take(self, wish: Wish) -> Made | None:
        """None: not ready yet."""
        with self._lock:
            found = self._made.get(wish)
            if found is None:
                return None
            self._made.move_to_end(wish)
            return found[1]

    def take_message(self, wish: Wish) -> str:
        """What must be sent before its rows are shown; once, as it is long and not kept."""
        with self._lock:
            found = self._made.get(wish)
            if found is None or not found[1].message:
                return ""
            stat, made = found
            self._made[wish] = (stat, replace(made, message=""))
            return made.message

    def refresh(self) -> None:
        """Prepare files again that have changed: one that was being written may be complete."""
        self._wake.set()

    def take_gone(self) -> list[int]:
        """Numbers of pictures that the terminal may drop, once."""
        with self._lock:
            gone, self._gone = self._gone, []
            return gone

    def all_numbers(self) -> list[int]:
        with self._lock:
            return [made.number for _, made in self._made.values() if made.number]

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    # ----------------------------------------------------------------- the thread

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait()
            self._wake.clear()
            while not self._stopped and self._make_next():
                self._ready()

    def _make_next(self) -> bool:
        """Prepare the first wish that is not ready; False: all are."""
        with self._lock:
            wishes = self._wishes
        for wish in wishes:
            stat = _stat(wish.path)
            with self._lock:
                known = self._made.get(wish)
            if known is not None and known[0] == stat and "Being written" not in known[1].problem:
                continue
            made = self._make(wish, stat)
            if known is not None and known == (stat, made):
                continue
            with self._lock:
                self._keep(wish, stat, made)
            return True
        return False

    def _keep(self, wish: Wish, stat: Stat, made: Made) -> None:
        before = self._made.pop(wish, None)
        self._made[wish] = (stat, made)
        while len(self._made) > MADE:
            _, (_, old) = self._made.popitem(last=False)
            self._gone += [old.number] if old.number else []
        if before is not None and before[1].number:
            self._gone.append(before[1].number)

    def _make(self, wish: Wish, stat: Stat) -> Made:
        try:
            found = self._decode(wish.path, stat)
        except NoPicture as error:
            return Made(problem=str(error))
        except Exception:  # border: no name and no file may end the thread
            return Made(problem="Cannot show this file.")
        size = (found.width, found.height)
        across, down = wish.columns, wish.rows
        if self.shown.way is Way.KITTY:
            across, down = min(across, MOST_CELLS), min(down, MOST_CELLS)
        columns, rows = fit_cells(*size, (across, down))
        if self.shown.way is Way.BLOCKS:
            step = COARSE_STEP if self.shown.coarse else FINE_STEP
            cells = block_rows(found.image, columns, rows, step)
            return Made(cells, columns, size, black=found.black)
        self._number = self._number % MOST_ID + 1
        message = sent(found.image, self._number, columns, rows)
        cells = placeholder_rows(self._number, columns, rows)
        return Made(cells, columns, size, "", self._number, message, found.black)

    def _decode(self, path: str, stat: Stat) -> Decoded:
        key = (path, stat)
        found = self._decoded.get(key)
        if found is None:
            found = self._decoded[key] = decode(Path(path))
            while len(self._decoded) > DECODED:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(key)
        return found


class PictureReady(Message, bubble=False):
    """The store has a new picture."""


class TerminalPictures(PictureStore):
    """A store of pictures as the terminal can show them; `PictureReady` is posted to its `owner`."""

    def __init__(self, owner: FramedScreen | Pictured) -> None:
        app = owner.plasma
        shown = pick_way(
            app.images, os.environ, app.console.color_system, ascii_only=app.ascii,
            no_color=app.no_color, low_bandwidth=app.low_bandwidth,
        )  # fmt: skip
        super().__init__(shown, lambda: owner.post_message(PictureReady()))
        self._app = app

    def send(self, wishes: Sequence[Wish]) -> None:
        """What the terminal needs before their rows are shown, and what it may drop."""
        self._write("".join(map(self.take_message, wishes)))
        self._write("".join(map(forgotten, self.take_gone())))

    def close(self) -> None:
        self.stop()
        self._write("".join(map(forgotten, [*self.take_gone(), *self.all_numbers()])))

    def _write(self, text: str) -> None:
        """Bytes that are no cells, for Kitty alone. (Textual 8.2 has no public way; its own clipboard does
        the same.)"""
        driver = self._app._driver
        if text and driver is not None and self.shown.way is Way.KITTY:
            driver.write(text)


def _stat(path: str) -> Stat:
    try:
        found = os.stat(path)  # noqa: PTH116 - a str of a listing
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return None
    return found.st_mtime_ns, found.st_size
