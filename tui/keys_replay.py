"""The keys while a run is played back. None of them gives an order."""

from __future__ import annotations

from tui.key import MOVE, VIEW, Key

#: what a group of them is called in the help
PLAY = VIEW


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
    return Key(f"replay.{id}", key, action, label, "replay", group, tip, worth, shown)


REPLAY_KEYS: tuple[Key, ...] = (
    _key("play", "space", "play", "play/pause", PLAY, "Play, or stand still", 92, "space"),
    _key(
        "right", "right", "move(0.01)", "1 %", PLAY, "On by a hundredth; left: back", 84, "left right"
    ),
    _key("left", "left", "move(-0.01)", "", PLAY, "Back by a hundredth", 0, "left"),
    _key(
        "far_right", "shift+right,pagedown", "move(0.1)", "10 %", PLAY,
        "On by a tenth; page up: back", 60, "pgdn",
    ),
    _key("far_left", "shift+left,pageup", "move(-0.1)", "", PLAY, "Back by a tenth", 0, "pgup"),
    _key("place", "0", "place(0)", "", PLAY, "To the start, a tenth ... nine tenths", 0, "0 to 9"),
    _key("start", "home,g", "place(0)", "", PLAY, "To the start", 0, "home g"),
    _key("end", "end,G", "place(1)", "", PLAY, "To the end", 0, "end G"),
    _key(
        "faster", "plus,equals_sign", "speed(1)", "faster", PLAY, "Faster; -: slower", 86, "+"
    ),
    _key("slower", "minus,underscore", "speed(-1)", "slower", PLAY, "Slower", 82, "-"),
    _key(
        "next", "n", "jump(1)", "next event", PLAY,
        "To the next checkpoint, alarm or attempt", 80, "n",
    ),
    _key(
        "previous", "p", "jump(-1)", "event before", PLAY,
        "To the checkpoint, alarm or attempt before", 62, "p",
    ),
    _key("console", "l", "console", "console", VIEW, "The trainer's own words of then", 58),
    _key("zoom", "z", "zoom", "zoom", VIEW, "One panel on the whole screen", 40),
    _key("back", "escape", "back", "back", VIEW, "Close what is open, then the replay", 78, "esc"),
    _key("panel", "tab", "next_panel", "", MOVE, "Focus the next panel", 0, "tab"),
    _key("panel_before", "shift+tab", "previous_panel", "", MOVE, "Focus the one before"),
    _key("down", "down,j", "scroll(1)", "", MOVE, "One row down", 0, "down j"),
    _key("up", "up,k", "scroll(-1)", "", MOVE, "One row up", 0, "up k"),
)  # fmt: skip
