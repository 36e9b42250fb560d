"""A cure: what it will do, then its result."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from runner.model import CheckResult
from runner.model.refusal import Refusal
from tui.asking import ask
from tui.kit import glyphs
from tui.kit.paint import EMPTY, Row, Span
from tui.kit.painted import Painted
from tui.text import clean, crop, wrap
from tui.words.checklist import PreflightRow

if TYPE_CHECKING:
    from runner.preflight.cures.model import Cure
    from tui.app import PlasmaApp


# ---------------------------------------------------------------------------
# The box of a cure: the check, what will be done, the two answers, the output, the end.

ANSWERS = ("Leave it as it is", "Do this")


class Stage(Enum):
    """LOOKING: for what can be done; NOTHING can be; OFFERED; WORKING; ENDED."""

    LOOKING = 1
    NOTHING = 2
    OFFERED = 3
    WORKING = 4
    ENDED = 5


class CureBox(Painted, can_focus=True):
    """The first answer changes nothing, and has the cursor."""

    GROUND = "panel"

    def __init__(self, row: PreflightRow) -> None:
        super().__init__(id="cure")
        self.row = row
        self.stage = Stage.LOOKING
        self._title = ""
        self._will_do: tuple[str, ...] = ()
        self._cursor = 0
        self._output: list[str] = []
        self._said: tuple[str, str] = ("Looking for a cure.", "dim")
        self._after: tuple[str, str] | None = None
        self._top = 0

    @property
    def agreed(self) -> bool:
        return self._cursor == 1

    # ----------------------------------------------------------------- what happens

    def nothing(self, problem: str) -> None:
        text = problem or "There is no cure that plasma-tui could do itself."
        self._set(Stage.NOTHING, text, "bad" if problem else "warn")

    def offer(self, title: str, will_do: Sequence[str]) -> None:
        self._title, self._will_do = clean(title), tuple(clean(line, 600) for line in will_do)
        self._set(Stage.OFFERED, "", "text")

    def begin(self) -> None:
        self._top = 0
        self._set(Stage.WORKING, "Working; esc breaks it off.", "accent")

    def breaking_off(self) -> None:
        self._set(Stage.WORKING, "Being broken off.", "warn")

    def end(self, problem: str | None) -> None:
        if problem is None:
            self._set(Stage.ENDED, "Done; looking at the check again.", "good")
        else:
            self._set(Stage.ENDED, clean(f"It did not work: {problem}", 600), "bad")

    def checked(self, text: str, role: str) -> None:
        self._after = (clean(text, 600), role)
        if self._said[1] == "good":
            self._said = ("Done. The check says now:", "good")
        self.repaint()

    def show_output(self, lines: Sequence[str]) -> None:
        self._output = [clean(line, 400) for line in lines]
        self.repaint()

    def _set(self, stage: Stage, text: str, role: str) -> None:
        self.stage, self._said = stage, (text, role)
        self.repaint()

    def move(self, by: int) -> None:
        if self.stage is Stage.OFFERED:
            self._cursor = (self._cursor + by) % len(ANSWERS)
            self.repaint()

    def scroll_rows(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.repaint()

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        """Head and foot always; what is to be done, or the output, in what is left between."""
        inner = max(8, width - 4)
        head: list[Row] = [EMPTY, _line(f"{self.row.title}: {self.row.evidence}", "title", inner)]
        foot = self._foot(inner)
        if self.stage in (Stage.OFFERED, Stage.LOOKING, Stage.NOTHING):
            body = self._offer_rows(inner)
        else:
            body = [_line(line, "dim", inner) for line in self._output] or [EMPTY]
        room = max(1, height - len(head) - len(foot))
        if self.stage in (Stage.WORKING, Stage.ENDED):
            body = body[max(0, len(body) - room) :]
        else:
            self._top = max(0, min(self._top, len(body) - room))
            more = len(body) - self._top - room
            body = body[self._top : self._top + room]
            if more > 0:
                body[-1] = _line(f"… {more + 1} more lines: page down", "dim", inner)
        return [*head, *body, *[EMPTY] * (room - len(body)), *foot][:height]

    def _offer_rows(self, inner: int) -> list[Row]:
        """Failure, advice, and the exact commands and changes."""
        rows: list[Row] = [EMPTY]
        rows += _lines(self.row.detail, "text", inner)
        if self.stage is Stage.OFFERED:
            rows += [EMPTY, _line(f"To {self._lowered()}, this will be done:", "strong", inner)]
            for line in self._will_do:
                rows += _lines(line, "accent", inner - 2, "    ")
        elif self.stage is Stage.NOTHING and self.row.advice:
            rows += [EMPTY, *_lines(self.row.advice, "accent", inner)]
        return rows

    def _lowered(self) -> str:
        return self._title[:1].lower() + self._title[1:]

    def _foot(self, inner: int) -> list[Row]:
        rows: list[Row] = [EMPTY]
        if self._said[0]:
            rows += _lines(self._said[0], self._said[1], inner)
        if self._after is not None:
            rows += _lines(self._after[0], self._after[1], inner)[:4]
        if self.stage is Stage.OFFERED:
            for index, answer in enumerate(ANSWERS):
                chosen = index == self._cursor
                mark = Span(f"  {glyphs.CURSOR} " if chosen else "    ", "accent")
                rows.append((mark, Span(answer, "strong" if chosen else "text")))
            rows.append(_line("up, down and enter; esc changes nothing", "dim", inner))
        elif self.stage in (Stage.NOTHING, Stage.ENDED):
            rows.append(_line("enter goes back", "dim", inner))
        return [*rows, EMPTY]


def _line(text: str, role: str, width: int) -> Row:
    return (Span("  "), Span(crop(text, width), role))


def _lines(text: str, role: str, width: int, indent: str = "  ") -> list[Row]:
    return [(Span(indent), Span(line, role)) for line in wrap(text, width)] if text else []


# ---------------------------------------------------------------------------
# A cure: what it will do, the question, and its output while it works. Nothing happens without a yes.

WIDTH, HEIGHT = 78, 22
#: output is looked at so often: git prints hundreds of lines a second
LOOK_S = 0.1
#: lines of output that are kept
LINES = 500


class CureScreen(ModalScreen[bool]):
    """Dismisses with True when something may have been changed."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", "back", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
        Binding("pageup", "scroll_box(-8)", show=False),
        Binding("pagedown", "scroll_box(8)", show=False),
    ]

    def __init__(self, name: str, row: PreflightRow) -> None:
        super().__init__()
        self._cure_name = name
        self._box = CureBox(row)
        self._cure: Cure | None = None
        self._cancelled = threading.Event()
        self._output: deque[str] = deque(maxlen=LINES)
        self._fresh = threading.Event()

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    @property
    def _config(self) -> Path:
        path = self.plasma.config_path
        assert path is not None  # there is no key to here without one
        return path

    def compose(self) -> ComposeResult:
        yield self._box

    def on_mount(self) -> None:
        self._fit()
        self._box.focus()
        self.set_interval(LOOK_S, self._show_output)
        find = partial(self.plasma.backend.cure, self._config, self._cure_name, self._cancelled)
        ask(self, find, self._offer, self._box.nothing)

    def on_unmount(self) -> None:
        self._cancelled.set()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self._box.styles.width = min(WIDTH, self.size.width)
        self._box.styles.height = min(HEIGHT, self.size.height)

    # ----------------------------------------------------------------- the work

    def _offer(self, cure: Cure | None) -> None:
        self._cure = cure
        if cure is None:
            self._box.nothing("")
        else:
            self._box.offer(cure.title, cure.will_do)

    def _apply(self, cure: Cure) -> None:
        """However it ends, the check is asked again."""

        def ended(problem: str | None) -> None:
            self._show_output()
            self._box.end(problem)
            look = partial(self.plasma.backend.look_again, self._config, cure.check)
            ask(self, look, self._checked_again, lambda text: self._box.checked(text, "bad"))

        ask(self, partial(self._in_thread, cure), ended, ended)

    def _in_thread(self, cure: Cure) -> None:
        from runner.preflight.cures.model import CureFailed

        try:
            cure.apply(self._tell, self._cancelled)
        except CureFailed as error:
            raise Refusal(str(error)) from None

    def _tell(self, line: str) -> None:
        self._output.append(line)
        self._fresh.set()

    def _show_output(self) -> None:
        if self._fresh.is_set():
            self._fresh.clear()
            self._box.show_output(list(self._output))

    def _checked_again(self, result: CheckResult | None) -> None:
        if result is None:
            self._box.checked("", "bad")
            return
        self.plasma.planner.take_result(result)
        said = f"{result.title or result.name}: {result.detail or result.evidence}"
        role = {"pass": "good", "fail": "bad"}.get(result.status, "warn")
        self._box.checked(said, role)

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        self._box.move(by)

    def action_scroll_box(self, by: int) -> None:
        self._box.scroll_rows(by)

    def action_answer(self) -> None:
        box = self._box
        if box.stage is Stage.OFFERED and box.agreed and self._cure is not None:
            box.begin()
            self._apply(self._cure)
        elif box.stage is not Stage.WORKING:
            self.dismiss(box.stage is Stage.ENDED)

    def action_back(self) -> None:
        """Changes nothing; while the cure works, ends it and stays until it has ended."""
        if self._box.stage is Stage.WORKING:
            self._cancelled.set()
            self._box.breaking_off()
        else:
            self.dismiss(self._box.stage is Stage.ENDED)
