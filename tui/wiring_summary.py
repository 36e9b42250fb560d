"""The real actions of the summary of a run, done by the runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from runner.model import Checkpoint
    from tui.actions import Sent
    from tui.actions_summary import ExportAnswer, SummarySheet


class SummaryWiring:
    """What `tui.actions_summary` asks for."""

    #: by path, what the newest summary knew of each candidate: only that very file is exported
    _known: ClassVar[dict[str, Checkpoint]] = {}

    def summary(self, run_path: Path) -> SummarySheet:
        from runner.history.review.document_of import document_of
        from runner.history.review.gather import review_of
        from runner.history.summary import safe_document
        from tui.actions_summary import SummarySheet

        review = review_of(run_path)
        document = safe_document(review, document_of(review, plot=False))
        spec = review.snapshot.spec
        folder = Path(spec.cwd if spec is not None else "")
        candidates = tuple(
            replace(c, checkpoint=replace(c.checkpoint, path=str(folder / c.checkpoint.path)))
            for c in review.candidates
        )
        self._known.update((c.checkpoint.path, c.checkpoint) for c in candidates)
        return SummarySheet(document, review.snapshot, candidates)

    def export_folders(self, run_path: Path) -> tuple[str, ...]:
        from runner.checkpoints.export_places import suggested_folders
        from runner.model import RunSpec
        from runner.store.journal import Unreadable, read_json
        from runner.store.rundir import RunDir

        try:
            spec = read_json(RunDir(run_path).spec, RunSpec)
        except Unreadable:
            return tuple(map(str, suggested_folders()))
        return tuple(map(str, suggested_folders(spec.command, spec.cwd)))

    def export(self, source: str, folder: str, name: str) -> ExportAnswer:
        from runner.checkpoints.export import ExportRefused, export_file
        from runner.checkpoints.export_places import remember_folder
        from runner.model.units import file_size
        from tui.actions_summary import ExportAnswer

        target = Path(folder).expanduser()
        try:
            made = export_file(Path(source), target, name, known=self._known.get(source))
        except ExportRefused as refused:
            return ExportAnswer(False, str(refused), refused.free_name)
        remember_folder(target)
        notes = "".join(f"; {note}" for note in made.notes)
        told = f"{file_size(made.size_bytes)}, read back the same, sha256 {made.sha256[:12]}"
        return ExportAnswer(True, f"Copied to {made.path}: {told}{notes}.")

    def show_folder(self, path: str) -> Sent:
        from tui.actions import Sent

        folder = str(Path(path).parent)
        command = folder_opener(path, os.environ)
        if command is None:
            return Sent(f"No desktop here to open it in. The folder is {folder}")
        try:
            # not our child: it outlives this screen, and its words belong into no terminal
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Sent(f"{command[0]} did not start ({error.strerror}). The folder is {folder}")
        return Sent(f"Asked {command[0]} to open {folder}")


def folder_opener(path: str, environment: Mapping[str, str]) -> list[str] | None:
    """The command that shows a file's folder. None over SSH and without a desktop session."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return None
    if sys.platform == "darwin":
        return ["open", "-R", path]
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    return ["xdg-open", str(Path(path).parent)] if shutil.which("xdg-open") else None
