"""The real actions of a test of the notices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui.actions_notices import NoticeTarget

if TYPE_CHECKING:
    from runner.notify.channel import Result


class NoticesWiring:
    """Mixed into `tui.wiring.RunnerActions`."""

    def notice_target(self, run_path: Path | None, config_path: Path | None) -> NoticeTarget:
        from runner.store.journal import Unreadable
        from tui.actions import ActionFailed

        try:
            if run_path is not None:
                return target_of_run(run_path)
        except Unreadable as error:
            raise ActionFailed(f"the notices of this run cannot be read: {error}") from None
        if config_path is None:
            raise ActionFailed("nothing to test: neither a run nor a plasma.toml is open")
        return target_of_config(config_path)

    def test_channels(self, target: NoticeTarget) -> Sequence[Result]:
        from runner.notify.sender import try_channels

        return try_channels(target.channels, target.message) if target.channels is not None else ()


def target_of_run(path: Path) -> NoticeTarget:
    """As it was started with. Raises Unreadable."""
    from runner.config.channels import read_channels
    from runner.model import RunSpec
    from runner.notify.message import trial_message
    from runner.store.journal import read_json
    from runner.store.rundir import RunDir

    run = RunDir(path)
    spec = read_json(run.spec, RunSpec)
    message = trial_message(spec.name, spec.id, str(path))
    return NoticeTarget(message, spec.notify, read_channels(run))


def target_of_config(path: Path) -> NoticeTarget:
    """As the next run would be started with. Raises ActionFailed with the first problem of the file."""
    from runner.config.errors import ConfigError
    from runner.control.begin import load
    from runner.notify.message import trial_message
    from tui.actions import ActionFailed

    try:
        config = load(path)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        raise ActionFailed(f"{error.problems[0]}{more}") from None
    return NoticeTarget(trial_message(config.name), config.notify, config.channels)
