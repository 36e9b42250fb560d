"""Older runs with files that a run overwrites, so that they can name it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from runner.model import RunSpec, Status
from runner.store.identity import record_replacement
from runner.store.journal import readable
from runner.store.rundir import RunDir

log = logging.getLogger("supervisor")

#: number of earlier runs to check
LOOK_BACK = 500


class OlderRuns:
    """Runs before `run` that wrote to the same output folder."""

    def __init__(self, run: RunDir, output_dir: Path | None) -> None:
        self._run = run
        self._folder = os.path.realpath(output_dir) if output_dir is not None else None
        self._files: dict[str, list[Path]] | None = None

    def note(self, path: Path) -> None:
        """This run wrote `path`: earlier writers get a line in replaced.json. Blocking."""
        if self._folder is None:
            return
        if self._files is None:
            self._files = self._found(self._folder)
        resolved = os.path.realpath(path)
        for older in self._files.get(resolved, ()):
            try:
                mtime_ns = path.stat().st_mtime_ns
                record_replacement(older, resolved, self._run.id, mtime_ns)
            except OSError as error:  # a note for another run must not affect this one
                log.warning("%s: %s", older, error)

    def _found(self, folder: str) -> dict[str, list[Path]]:
        """Run folders by the resolved path of each file they kept."""
        root = self._run.path.parent
        try:
            names = sorted((n for n in os.listdir(root) if n < self._run.id), reverse=True)
        except OSError:
            return {}
        found: dict[str, list[Path]] = {}
        for name in (n for n in names[:LOOK_BACK] if not n.startswith(".")):
            older = RunDir(root / name)
            spec = readable(older.spec, RunSpec)
            if spec is None or spec.output_dir is None:
                continue
            if os.path.realpath(Path(spec.cwd) / spec.output_dir) != folder:
                continue
            status = readable(older.status, Status)
            for file in status.checkpoints if status is not None else ():
                if not file.removed:
                    kept = os.path.realpath(Path(spec.cwd) / file.path)
                    found.setdefault(kept, []).append(older.path)
        return found
