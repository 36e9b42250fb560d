"""`demo`: the built-in trainer on a small image set, from nothing to a summary."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

from runner.config.errors import ConfigError
from runner.control import begin
from runner.history.summary import summary_text
from runner.store.rundir import RunDir
from tui.cli.common import exit_code, say, wait_for_end
from tui.cli.exits import Fail

NEEDS = ("torch", "accelerate", "PIL")


def demo(options: argparse.Namespace) -> int:
    """Make the project, start the run, then show it or wait for it."""
    folder = Path(options.dir).expanduser() if options.dir else None
    if options.headless:
        return _headless(folder)
    from tui.cli.screen import need_terminal, open_app

    need_terminal("`plasma-tui demo --headless` runs it without a screen")
    say("preparing the demo: this takes a few seconds")
    run = start_demo(folder)
    return open_app(options, run_path=run.path, config_path=demo_config(folder))


def _headless(folder: Path | None) -> int:
    began = time.monotonic()
    run = start_demo(folder)
    say(f"run {run.id}")
    snapshot = wait_for_end(run.path)
    sys.stdout.write(summary_text(run.path))
    say(f"{snapshot.outcome or snapshot.state} after {time.monotonic() - began:.0f} s")
    return exit_code(snapshot)


def demo_config(folder: Path | None) -> Path:
    """The plasma.toml of the demo project in this folder."""
    return (folder or Path("plasma-demo")).absolute() / "plasma.toml"


def start_demo(folder: Path | None) -> RunDir:
    """Write the demo project if it doesn't exist and start it; every start gets its own output
    folder. Raises Fail."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise Fail(
            f"the demo needs {' and '.join(missing)}: "
            "install them with `pip install 'plasma-tui[embedded]'`"
        )
    from runner.demo.project import write_demo

    target = demo_config(folder).parent
    try:
        config = begin.load(write_demo(target, sys.executable))
        output = target / "output" / time.strftime("%Y%m%d-%H%M%S")
        return begin.start(config.changed({"output_dir": str(output)}))
    except OSError as error:
        raise Fail(f"the demo cannot be written to {target}: {error.strerror}") from None
    except ConfigError as error:
        raise Fail(f"{target} holds a plasma.toml that cannot be read: {error}") from None
    except begin.ChecksFailed as error:
        raise Fail(f"the demo's checks failed: {error}") from None
