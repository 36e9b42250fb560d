"""The keys of the list of runs."""

from __future__ import annotations

from tui.key import MOVE, RUN, VIEW, Key

RUNS_KEYS: tuple[Key, ...] = (
    Key("runs.open", "enter", "open", "open", "runs", RUN, "Open the run", 90, "enter"),
    Key(
        "runs.back",
        "escape",
        "back",
        "back",
        "runs",
        VIEW,
        "Clear the filter, or go back",
        80,
        "esc",
    ),
    Key("runs.down", "down", "cursor(1)", "", "runs", MOVE, "Next run", 0, "down"),
    Key("runs.up", "up", "cursor(-1)", "", "runs", MOVE, "Run before", 0, "up"),
    Key("runs.page_down", "pagedown", "page(1)", "", "runs", MOVE, "A page down", 0, "pgdn"),
    Key("runs.page_up", "pageup", "page(-1)", "", "runs", MOVE, "A page up", 0, "pgup"),
    Key("runs.start", "home", "edge('start')", "", "runs", MOVE, "Newest run", 0, "home"),
    Key("runs.end", "end", "edge('end')", "", "runs", MOVE, "Oldest run", 0, "end"),
)
