"""`attach` and the bare command: opening the screen. The only verbs that import Textual."""

from __future__ import annotations

import argparse
import gc
import locale
import os
import sys
from pathlib import Path

from runner.store.registry import live_run_of
from tui.cli.common import find_run
from tui.cli.exits import OK, WRONG_USE, Fail


def need_terminal(instead: str) -> None:
    """Without a terminal Textual uses a full core. Raises Fail."""
    for stream, name in (
        (sys.__stdin__, "stdin"),
        (sys.__stdout__, "stdout"),
        (sys.__stderr__, "stderr"),
    ):
        if stream is None or not stream.isatty():
            raise Fail(f"{name} is not a terminal: {instead}", WRONG_USE)
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        raise Fail(f"$TERM is 'dumb', which can't show a screen: {instead}", WRONG_USE)


def open_screen(options: argparse.Namespace) -> int:
    """The screen for ./plasma.toml, else the welcome screen."""
    need_terminal("`plasma-tui runs`, `show RUN` and `start --wait` work without one")
    config = Path("plasma.toml").absolute()
    if not config.exists():
        return open_app(options)
    return open_app(options, run_path=live_run_of(config), config_path=config)


def attach(options: argparse.Namespace) -> int:
    """The screen on a run, live or ended."""
    path = find_run(options.run, adopt=not options.read_only)
    need_terminal(f"`plasma-tui show {path.name}` and `log {path.name} --follow` work without one")
    return open_app(options, run_path=path, read_only=options.read_only)


def _slow_textual() -> None:
    """Textual reads these once, when it is imported; a training started from here must not inherit them."""
    before = dict(os.environ)
    os.environ.update(TEXTUAL_FPS="5", TEXTUAL_ANIMATIONS="none", TEXTUAL_SMOOTH_SCROLL="0")
    import textual.constants  # noqa: F401

    os.environ.clear()
    os.environ.update(before)


def open_app(
    options: argparse.Namespace,
    *,
    run_path: Path | None = None,
    config_path: Path | None = None,
    read_only: bool = False,
    replay_path: Path | None = None,
    replay_speed: float | None = None,
) -> int:
    """Run the app until it is closed; training continues."""
    gc.disable()  # until the first screen is complete: a sixth of the time to it
    if options.low_bandwidth:
        _slow_textual()
    from tui.app import PlasmaApp
    from tui.backend.door import Backend
    from tui.themes import ThemeProblem

    utf8 = "utf" in locale.getpreferredencoding(False).lower()
    try:
        app = PlasmaApp(
            Backend(),
            run_path=run_path,
            config_path=config_path,
            read_only=read_only,
            ascii_only=options.ascii or not utf8 or os.environ.get("TERM") == "linux",
            theme_name=options.theme,
            low_bandwidth=options.low_bandwidth,
            images=options.images,
            replay_path=replay_path,
            replay_speed=replay_speed,
        )
    except ThemeProblem as error:
        raise Fail(str(error), WRONG_USE) from None
    app.run(mouse=not options.no_mouse)
    return app.return_code if app.return_code is not None else OK
