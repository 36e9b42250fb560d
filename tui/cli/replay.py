"""`replay`: an ended run or a console log, replayed on the screen."""

from __future__ import annotations

import argparse
from pathlib import Path

from runner.history.replay_transport import SPEEDS
from runner.model import OVER
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer
from tui.cli.common import find_run
from tui.cli.exits import NO, WRONG_USE, Fail
from tui.cli.screen import need_terminal, open_app


def replay(options: argparse.Namespace) -> int:
    """Writes nothing to the run."""
    speed = _speed(options.speed)
    log = Path(options.run).expanduser()
    if log.is_file():
        need_terminal(f"`plasma-tui inspect {options.run}` works without one")
        return _replay_log(options, log, speed)
    path = find_run(options.run, adopt=False)
    snapshot = RunReader(path, console=False).read_small()
    refuse_newer(RunDir(path))
    if snapshot.status is None:
        raise Fail(f"{path.name} has no record to replay", NO)
    if snapshot.state not in OVER:
        raise Fail(
            f"{path.name} is still running: watch it with `plasma-tui attach {path.name}`", NO
        )
    need_terminal(f"`plasma-tui show {path.name}` and `log {path.name}` work without one")
    return open_app(options, replay_path=path, replay_speed=speed)


def _replay_log(options: argparse.Namespace, log: Path, speed: float | None) -> int:
    """A temporary run is made from the log, which is only read."""
    from runner.history.replay_log import recording_of_log

    try:
        with recording_of_log(log) as path:
            return open_app(options, replay_path=path, replay_speed=speed)
    except EOFError:
        raise Fail(f"{options.run} can't be replayed: the file is truncated", NO) from None
    except (OSError, ValueError) as error:
        raise Fail(f"{options.run} can't be replayed: {error}", NO) from None


def _speed(text: str | None) -> float | None:
    """`60`, `0.5x`. Raises Fail."""
    if text is None:
        return None
    try:
        speed = float(text.lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not SPEEDS[0] <= speed <= SPEEDS[-1]:
        raise Fail(f"--speed {text}: give a number from 0.25 to 3600", WRONG_USE)
    return speed
