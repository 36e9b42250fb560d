"""The keys of the summary of an ended run."""

from __future__ import annotations

from tui.key import MOVE, RUN, VIEW, Key


def _key(
    id: str,
    key: str,
    action: str,
    label: str,
    group: str,
    tip: str,
    worth: int = 0,
    shown: str = "",
) -> Key:
    return Key(f"summary.{id}", key, action, label, "summary", group, tip, worth, shown)


SUMMARY_KEYS: tuple[Key, ...] = (
    _key(
        "best",
        "b",
        "best",
        "best",
        RUN,
        "The best checkpoint by its numbers; again: the next one",
        90,
    ),
    _key(
        "open",
        "o,enter",
        "open",
        "open",
        RUN,
        "The chosen checkpoint: its path, its folder, export",
        88,
        "o",
    ),
    _key(
        "export",
        "x",
        "export",
        "export",
        RUN,
        "Copy the chosen checkpoint into a folder of yours",
        86,
    ),
    _key("samples", "i", "samples", "images", VIEW, "The sample images by step and prompt", 60),
    _key("replay", "w", "replay", "replay", VIEW, "Watch the run again, at any speed", 58),
    _key("back", "escape", "back", "back", VIEW, "Back", 70, "esc"),
    _key("next", "tab,n", "section(1)", "next", MOVE, "To the next section", 64, "tab"),
    _key(
        "previous", "shift+tab,p", "section(-1)", "", MOVE, "To the section before", 0, "shift+tab"
    ),
    _key("jump", "1", "jump(1)", "", MOVE, "To a section by its number", 0, "1 to 9"),
    _key("down", "down,j", "scroll(1)", "", MOVE, "One row down", 0, "down j"),
    _key("up", "up,k", "scroll(-1)", "", MOVE, "One row up", 0, "up k"),
    _key("page_down", "pagedown,space", "page(1)", "", MOVE, "A page down", 0, "pgdn"),
    _key("page_up", "pageup", "page(-1)", "", MOVE, "A page up", 0, "pgup"),
    _key("start", "home,g", "edge('start')", "", MOVE, "To the start", 0, "home g"),
    _key("end", "end,G", "edge('end')", "", MOVE, "To the end", 0, "end G"),
)
