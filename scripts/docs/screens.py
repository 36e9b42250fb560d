"""docs/screens.md: every screen with its keys, made from the key tables."""

from __future__ import annotations

import importlib
import pkgutil

import tui.screens
from scripts.docs import FROM, ROOT, code, table
from tui.key import PARTS, Key

INTRO = """\
# Screens and their keys

`?` shows the keys of the screen in front, `ctrl+p` finds a command by its name. In lists, letters are commands
and `/` filters; `esc` goes back, `q` quits. Quitting never stops a training.
"""
#: module with a key table -> title, what it is for and how it opens; in the order of the page
SCREENS = {
    "app": ("Everywhere",
        "Work on every screen."),
    "welcome": ("Welcome",
        "Opens where there is no plasma.toml: the demo, a new project, or your runs."),
    "project": ("New project",
        "Writes a plasma.toml from what was found on the machine or from a file. `n` or `i` on the"
        " welcome screen."),
    "monitor": ("Monitor",
        "One run: is it healthy, when is it done, what is saved. Before a start: the plan with its"
        " preflight checks. `plasma-tui`, `plasma-tui attach RUN`, or `enter` on a run."),
    "flags": ("Flags",
        "Every flag of the training script with type, default and description, and its value in"
        " plasma.toml, which is edited here. `v` on the monitor."),
    "samples": ("Samples",
        "The sample images by step and prompt. `i` on the monitor or the summary."),
    "summary": ("Summary",
        "The verdict on a run with its evidence, checkpoints and settings. `m` on the monitor."),
    "runs": ("Runs",
        "All runs on this machine and on the hosts of your config.toml. `h`."),
    "compare": ("Comparison",
        "2 to 26 runs side by side: losses, results, and the settings that differ. Mark runs with "
        "`space`, then `c`. On a run of a sweep, `c` alone compares the sweep: a row for each run, the best "
        "first."),
    "compare_samples": ("Comparison of sample images",
        "The sample images of all compared runs in one grid: a row for each prompt, a column for each run. "
        "`i` on the comparison."),
    "replay": ("Replay",
        "A run at any moment of its recording. `w` on an ended run, or `plasma-tui replay RUN`."),
}  # fmt: skip
#: where it isn't the one of that name
PICTURES = {"monitor": ("monitor-120x40", "plan")}


def page() -> str:
    lines = [FROM.format("the key tables in tui/"), INTRO]
    for place, (title, text) in SCREENS.items():
        lines += ["", f"## {title}", "", text]
        for name in PICTURES.get(place, (place,)):
            if (ROOT / "docs" / "pictures" / f"{name}.svg").exists():
                lines += ["", f"![{title}](pictures/{name}.svg)"]
        for part in PARTS:
            rows = [(_keys(one.shown), one.tooltip) for one in keys_in(place) if one.part == part]
            lines += ["", *table((part, ""), rows)] if rows else []
    return "\n".join(lines)


def _keys(shown: str) -> str:
    """`down j` are two keys, `1 to 9` a range."""
    return code(shown) if " to " in shown else " ".join(map(code, shown.split()))


def keys_in(place: str) -> tuple[Key, ...]:
    """Of one screen, or of the app."""
    module = importlib.import_module("tui.app" if place == "app" else f"tui.screens.{place}")
    return getattr(module, "KEYS", ())


def places() -> set[str]:
    """Every module that has a key table of its own."""
    names = [one.name for one in pkgutil.iter_modules(tui.screens.__path__)]
    found = {keys_in(name): name for name in ["app", *reversed(names)] if keys_in(name)}
    return set(found.values())
