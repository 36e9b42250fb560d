"""Fake actions of the summary of a run, for tests of the screen."""

from __future__ import annotations

import threading
from pathlib import Path

from tui.actions import ActionFailed, Sent
from tui.actions_summary import ExportAnswer, SummarySheet


class FakeSummary:
    """Mixed into `tests.fakes.FakeActions`."""

    sheet: SummarySheet | None = None
    folders: tuple[str, ...] = ()
    export_answer = ExportAnswer(True, "Copied to /loras/x.safetensors: 72.1 MB.")
    #: set: the summary comes only after it
    summary_may_come: threading.Event | None = None
    summary_refusal: str | None = None
    exported: tuple[tuple[str, str, str], ...] = ()
    shown_folders: tuple[str, ...] = ()

    def summary(self, run_path: Path) -> SummarySheet:
        if self.summary_may_come is not None:
            self.summary_may_come.wait(10)
        if self.summary_refusal is not None:
            raise ActionFailed(self.summary_refusal)
        assert self.sheet is not None
        return self.sheet

    def export_folders(self, run_path: Path) -> tuple[str, ...]:
        return self.folders

    def export(self, source: str, folder: str, name: str) -> ExportAnswer:
        self.exported = (*self.exported, (source, folder, name))
        return self.export_answer

    def show_folder(self, path: str) -> Sent:
        self.shown_folders = (*self.shown_folders, path)
        return Sent("Asked xdg-open to open it")
