"""What can be done with runs of the list: name them, compare them, remove them. Each looks first, in a
thread, and asks then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import work
from textual.message import Message

from tui.viewmodel.run_board import Entry, RunBoard
from tui.viewmodel.runs import name_of
from tui.widgets.notice import SpeakingScreen

if TYPE_CHECKING:
    from runner.control.remove import Removal
    from runner.model import Label
    from tui.app import PlasmaApp

READ_ONLY = "This screen is read-only."


class LabelRead(Message):
    def __init__(self, run_path: Path, label: Label, name: str) -> None:
        super().__init__()
        self.run_path, self.label, self.name = run_path, label, name


class PathsFound(Message):
    def __init__(self, run_paths: tuple[Path, ...]) -> None:
        super().__init__()
        self.run_paths = run_paths


class RemovalsRead(Message):
    def __init__(self, removals: tuple[tuple[Path, Removal], ...]) -> None:
        super().__init__()
        self.removals = removals


class RunsChanged(Message):
    """Something was written or removed: `said` tells what; the list is read again."""

    def __init__(self, said: str, ok: bool = True) -> None:
        super().__init__()
        self.said, self.ok = said, ok


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
            self._read_label(entry.key, name_of(entry.listing))

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def _read_label(self, run_id: str, name: str) -> None:
        try:
            path = self.plasma.backend.run_path(run_id)
            self.post_message(LabelRead(path, self.plasma.backend.label(path), name))
        except Exception as error:  # border: whatever goes wrong is a sentence
            self._failed(error)

    def on_label_read(self, message: LabelRead) -> None:
        if not self.is_current:
            return
        from tui.screens.label import LabelScreen

        made = LabelScreen(message.run_path, message.label, message.name)
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
            self._find_paths(tuple(keys))

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def _find_paths(self, keys: Sequence[str]) -> None:
        try:
            self.post_message(PathsFound(tuple(map(self.plasma.backend.run_path, keys))))
        except Exception as error:  # border, as above
            self._failed(error)

    def on_paths_found(self, message: PathsFound) -> None:
        if self.is_current:
            from tui.screens.compare import CompareScreen

            self.app.push_screen(CompareScreen(message.run_paths))

    # ----------------------------------------------------------------- removing

    def action_remove(self) -> None:
        """The marked runs, else the one under the cursor."""
        entry = self.under_cursor()
        keys = tuple(self.board.marks) or ((entry.key,) if entry is not None else ())
        if self.plasma.read_only:
            self.say(READ_ONLY, "dim", 4.0)
        elif keys:
            self._read_removals(keys)

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def _read_removals(self, keys: Sequence[str]) -> None:
        backend = self.plasma.backend
        try:
            paths = [backend.run_path(key) for key in keys]
            self.post_message(RemovalsRead(tuple((p, backend.removal(p)) for p in paths)))
        except Exception as error:  # border, as above
            self._failed(error)

    def on_removals_read(self, message: RemovalsRead) -> None:
        if not self.is_current:
            return
        from tui.screens.confirm import ConfirmScreen
        from tui.viewmodel.removing import WITH_CHECKPOINTS, remove_question, typed_word

        removals = [removal for _, removal in message.removals]
        question = remove_question(removals)
        if not question.choices:
            self.say(" ".join(question.warnings), "bad")
            return
        going = tuple(path for path, removal in message.removals if removal.refusal is None)

        def answered(mode: str | None) -> None:
            if mode is not None:
                self._remove(going, mode == WITH_CHECKPOINTS)

        safe = "Keep it" if len(going) == 1 else "Keep them"
        self.app.push_screen(ConfirmScreen(question, safe, typed_word(removals)), answered)

    @work(thread=True, group="remove", exit_on_error=False)
    def _remove(self, paths: Sequence[Path], with_checkpoints: bool) -> None:
        """One after the other; what was removed before a refusal stays removed, and both are told."""
        from tui.planning import told

        gone = 0
        for path in paths:
            try:
                sent = self.plasma.backend.remove(path, with_checkpoints=with_checkpoints)
            except Exception as error:  # border, as above
                before = f" ({gone} of {len(paths)} are removed)" if gone else ""
                self.post_message(RunsChanged(f"{told(error)}{before}", ok=False))
                return
            gone += 1
        said = sent.text if gone == 1 else f"removed {gone} runs"
        self.post_message(RunsChanged(f"{said[:1].upper()}{said[1:]}."))

    def on_runs_changed(self, message: RunsChanged) -> None:
        self.say(message.said, "text" if message.ok else "bad", 6.0 if message.ok else None)
        self.read_again()

    def _failed(self, error: Exception) -> None:
        from tui.planning import told

        self.post_message(RunsChanged(told(error), ok=False))
