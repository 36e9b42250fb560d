"""The real actions of the list of runs, done by the runner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.store.labels import BadLabel, read_label, write_label
from runner.store.reader import RunReader

if TYPE_CHECKING:
    from runner.control.remove import Removal
    from runner.model import Label, RunSnapshot
    from tui.actions import Sent


#: longer than this nobody's cursor rests on a run before its details should stand there
GLANCE_S = 0.3


class RunsWiring:
    """What `tui.actions_runs` asks for."""

    def label(self, run_path: Path) -> Label:
        return read_label(run_path)

    def relabel(self, run_path: Path, label: Label) -> Sent:
        from tui.actions import ActionFailed, Sent

        try:
            write_label(run_path, label)
        except BadLabel as error:
            raise ActionFailed(str(error)) from None
        except OSError as error:
            raise ActionFailed(f"the label cannot be written: {error.strerror}") from None
        return Sent("label kept")

    def glance(self, run_path: Path) -> RunSnapshot:
        return RunReader(run_path, console=False).read(GLANCE_S)

    def removal(self, run_path: Path) -> Removal:
        from runner.control.remove import removal_of

        return removal_of(run_path)

    def remove(self, run_path: Path, *, with_checkpoints: bool = False) -> Sent:
        from runner.control.remove import RemoveRefused, remove_run
        from tui.actions import ActionFailed, Sent

        try:
            gone = remove_run(run_path, with_checkpoints=with_checkpoints)
        except RemoveRefused as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"removed {gone.id}")
