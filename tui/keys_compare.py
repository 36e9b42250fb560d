"""The keys of the comparison of runs."""

from __future__ import annotations

from tui.key import MOVE, RUN, VIEW, Key


def _key(
    name: str,
    key: str,
    action: str,
    label: str,
    group: str,
    tooltip: str,
    worth: int = 0,
    shown: str = "",
) -> Key:
    return Key(f"compare.{name}", key, action, label, "compare", group, tooltip, worth, shown)


COMPARE_KEYS: tuple[Key, ...] = (
    _key("open", "enter", "open", "open", RUN, "Open the chosen run", 90, "enter"),
    _key("axis", "x", "axis", "axis", VIEW, "By step, epoch, time trained or images seen", 86),
    _key("log", "y", "log", "log", VIEW, "Losses on a logarithmic scale, or back", 78),
    _key("settings", "d", "settings", "all settings", VIEW,
         "All settings, or only those that differ", 76),
    _key("hide", "1,2,3,4,5,6,7,8", "hide", "hide", VIEW,
         "Hide the line of that run, or show it again", 82, "1-8"),
    _key("zoom", "z", "zoom", "zoom", VIEW, "One panel on the whole screen", 84),
    _key("next", "tab", "next_panel(1)", "panel", VIEW, "Focus the next panel", 83, "tab"),
    _key("previous", "shift+tab", "next_panel(-1)", "", VIEW, "Focus the panel before"),
    _key("back", "escape", "back", "back", VIEW, "Close what is open, or go back", 80, "esc"),
    _key("right", "right", "side(1)", "cursor", MOVE,
         "In the chart: the cursor to the right; in a table: the next run", 70, "left right"),
    _key("left", "left", "side(-1)", "", MOVE, "The cursor to the left; the run before", 0, "left"),
    _key("far_right", "shift+right", "side(10)", "", MOVE, "Ten columns to the right"),
    _key("far_left", "shift+left", "side(-10)", "", MOVE, "Ten columns to the left"),
    _key("down", "down,j", "move(1)", "", MOVE,
         "In the chart: the next run; in a table: a row down", 0, "down j"),
    _key("up", "up,k", "move(-1)", "", MOVE, "The run before; a row up", 0, "up k"),
    _key("page_down", "pagedown,space", "page(1)", "", MOVE, "A page down", 0, "pgdn"),
    _key("page_up", "pageup", "page(-1)", "", MOVE, "A page up", 0, "pgup"),
    _key("start", "home,g", "edge('start')", "", MOVE, "To the start", 0, "home g"),
    _key("end", "end,G", "edge('end')", "", MOVE, "To the end, and follow it", 0, "end G"),
)  # fmt: skip
