#!/usr/bin/env python3
"""A picture of the screen on a run, as SVG.

    python scripts/screenshot.py RUN OUT.svg [--size 120x40] [--theme NAME] [--ascii] [--keys l,tab]
                                 [--at-step N] [--at-end] [--timeout 120]

RUN is an id, the beginning of one, or `last`. `--at-step` waits until the run has trained that many
steps, `--at-end` until it has ended. `rsvg-convert -o x.png x.svg` makes a PNG of it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("out", metavar="OUT.svg", type=Path)
    parser.add_argument("--size", default="120x40", metavar="WxH")
    parser.add_argument("--theme")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--keys", default="", help="keys to press first, by their Textual names")
    parser.add_argument("--at-step", type=int, default=0, metavar="N")
    parser.add_argument("--at-end", action="store_true")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    return parser.parse_args(arguments)


async def take(options: argparse.Namespace) -> None:
    """Run the app without a terminal and write what it shows."""
    from runner.model import RunState
    from runner.store.registry import resolve
    from tui.app import PlasmaApp
    from tui.backend.door import Backend
    from tui.svg import pin_text
    from tui.words.progress import progress_of

    width, height = (int(part) for part in options.size.split("x"))
    app = PlasmaApp(
        Backend(),
        run_path=resolve(options.run),
        theme_name=options.theme,
        ascii_only=options.ascii,
    )

    def there() -> bool:
        shown = app.snapshot
        if shown is None or shown.read_fraction < 1:
            return False
        over = shown.state in (RunState.ENDED, RunState.LOST)
        return over or (not options.at_end and progress_of(shown).step >= options.at_step)

    async with app.run_test(size=(width, height)) as pilot:
        deadline = time.monotonic() + options.timeout
        while not there() and time.monotonic() < deadline:
            await pilot.pause(0.05)
        if not there():
            raise SystemExit(f"the run did not come that far in {options.timeout:.0f} s")
        for key in filter(None, options.keys.split(",")):
            await pilot.press(key)
        await pilot.pause(0.1)
        svg = app.export_screenshot(title="plasma-tui")
    options.out.write_text(pin_text(svg), encoding="utf-8")


def main() -> None:
    options = parse()
    # a picture has all colours, whatever terminal this runs in
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    os.environ.pop("NO_COLOR", None)
    asyncio.run(take(options))


if __name__ == "__main__":
    main()
