"""What can be done with runs of the list: name them, compare them, remove them. Each looks first, in a
thread, and asks then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from runner.model.refusal import Refusal
from tui.asking import ask, told
from tui.viewmodel.run_board import Entry, RunBoard
from tui.viewmodel.runs import name_of
from tui.widgets.notice import SpeakingScreen

if TYPE_CHECKING:
    from runner.control.remove import Removal
    from runner.model import Label
    from tui.app import PlasmaApp

T = TypeVar("T")

READ_ONLY = "This screen is read-only."


class RunOrders(SpeakingScreen):
    """Mixed into the list; the subclass knows the board and which run has the cursor."""

    board: RunBoard

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def under_cursor(self) -> Entry | None:
        raise NotImplementedError

    def read_again(self) -> None:
        raise NotImplementedError

    # ----------------------------------------------------------------- name, tags, note

    def action_label(self) -> None:
        entry = self.under_cursor()
        if self.plasma.read_only:
            self.say(READ_ONLY, "dim", 4.0)
        elif entry is not None:
            backend, key, name = self.plasma.backend, entry.key, name_of(entry.listing)

            def read() -> tuple[Path, Label]:
                path = backend.run_path(key)
                return path, backend.label(path)

            self._look(read, partial(self._open_label, name))

    def _look(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """The answer counts while this screen is in front."""
        ask(
            self, work, lambda it: then(it) if self.is_current else None, self._failed, alone="look"
        )

    def _open_label(self, name: str, found: tuple[Path, Label]) -> None:
        from tui.screens.label import LabelScreen

        made = LabelScreen(*found, name)
        self.app.push_screen(made, lambda kept: self.read_again() if kept else None)

    # ----------------------------------------------------------------- comparing

    def action_compare(self) -> None:
        """The marked runs; with one mark, that run and the one under the cursor."""
        keys = list(self.board.marks)
        entry = self.under_cursor()
        if len(keys) == 1 and entry is not None and entry.key not in keys:
            keys.append(entry.key)
        if len(keys) < 2:
            self.say("Mark two runs or more with tab; then this compares them.", "dim", 6.0)
        else:
            find = self.plasma.backend.run_path
            self._look(lambda: tuple(map(find, keys)), self._open_comparison)

    def _open_comparison(self, run_paths: tuple[Path, ...]) -> None:
        from tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(run_paths))

    # ----------------------------------------------------------------- removing

    def action_remove(self) -> None:
        """The marked runs, else the one under the cursor."""
        entry = self.under_cursor()
        keys = tuple(self.board.marks) or ((entry.key,) if entry is not None else ())
        if self.plasma.read_only:
            self.say(READ_ONLY, "dim", 4.0)
        elif keys:
            backend = self.plasma.backend

            def read() -> list[tuple[Path, Removal]]:
                return [(path, backend.removal(path)) for path in map(backend.run_path, keys)]

            self._look(read, self._ask_removal)

    def _ask_removal(self, found: list[tuple[Path, Removal]]) -> None:
        from tui.screens.confirm import ConfirmScreen
        from tui.viewmodel.removing import WITH_CHECKPOINTS, remove_question, typed_word

        removals = [removal for _, removal in found]
        question = remove_question(removals)
        if not question.choices:
            self.say(" ".join(question.warnings), "bad")
            return
        going = tuple(path for path, removal in found if removal.refusal is None)

        def answered(mode: str | None) -> None:
            if mode is not None:
                self._remove(going, mode == WITH_CHECKPOINTS)

        safe = "Keep it" if len(going) == 1 else "Keep them"
        self.app.push_screen(ConfirmScreen(question, safe, typed_word(removals)), answered)

    def _remove(self, paths: Sequence[Path], with_checkpoints: bool) -> None:
        """One after the other; what was removed before a refusal stays removed, and both are told."""
        remove = partial(self.plasma.backend.remove, with_checkpoints=with_checkpoints)

        def in_turn() -> str:
            said = ""
            for gone, path in enumerate(paths):
                try:
                    said = remove(path).text
                except Exception as error:
                    before = f" ({gone} of {len(paths)} are removed)" if gone else ""
                    raise Refusal(f"{told(error)}{before}") from None
            return said if len(paths) == 1 else f"removed {len(paths)} runs"

        def removed(said: str) -> None:
            self.say(f"{said[:1].upper()}{said[1:]}.", "text", 6.0)
            self.read_again()

        ask(self, in_turn, removed, self._failed)

    def _failed(self, problem: str) -> None:
        self.say(problem, "bad")
        self.read_again()
