"""The keys of the list of runs: letters are commands, `/` filters."""

from __future__ import annotations

from tui.key import MOVE, RUN, VIEW, Key

#: name, keys, action, label, group, tooltip, worth in the footer, shown as
_KEYS = (
    ("open", "enter", "open", "open", RUN, "Open the run", 90, "enter"),
    ("mark", "space,tab", "mark", "mark", RUN,
     "Mark the run, to compare or remove it with others", 76, "space"),
    ("label", "e,f2,ctrl+r", "label", "edit label", RUN, "Edit name, tags and note", 74, "e"),
    ("compare", "c,f6,ctrl+o", "compare", "compare", RUN,
     "Show the marked runs side by side", 75, "c"),
    ("remove", "x,f8,delete", "remove", "remove", RUN,
     "Remove the run; asks first and says what is deleted", 64, "x"),
    ("filter", "slash", "filter", "filter", VIEW,
     "Filter by words, or by field: tag:good state:failed", 85, "/"),
    ("sort", "s,f4,ctrl+s", "sort", "sort", VIEW,
     "Sort by when, name, loss, steps, took, outcome", 65, "s"),
    ("turn", "r,f3,ctrl+t", "turn", "reverse", VIEW, "Reverse sort order", 40, "r"),
    ("group", "p,f5,ctrl+g", "group", "group", VIEW, "Group by project", 62, "p"),
    ("back", "escape", "back", "back", VIEW, "Clear the filter, then the marks, then go back", 86,
     "esc"),
    ("down", "down,j", "cursor(1)", "", MOVE, "Next run", 0, "down j"),
    ("up", "up,k", "cursor(-1)", "", MOVE, "Previous run", 0, "up k"),
    ("page_down", "pagedown", "page(1)", "", MOVE, "A page down", 0, "pgdn"),
    ("page_up", "pageup", "page(-1)", "", MOVE, "A page up", 0, "pgup"),
    ("start", "home,g", "edge('start')", "", MOVE, "First run", 0, "home g"),
    ("end", "end,G", "edge('end')", "", MOVE, "Last run", 0, "end G"),
)  # fmt: skip

RUNS_KEYS = tuple(
    Key(f"runs.{name}", keys, action, label, "runs", group, tooltip, worth, shown)
    for name, keys, action, label, group, tooltip, worth, shown in _KEYS
)
