"""The keys of the sample images."""

from __future__ import annotations

from tui.key import MOVE, RUN, VIEW, Key

_AT = "samples"

SAMPLES_KEYS: tuple[Key, ...] = (
    Key("samples.right", "right", "step(1)", "step", _AT, MOVE, "The next step", 90, "left right"),
    Key("samples.left", "left", "step(-1)", "", _AT, MOVE, "The step before", 0, "left"),
    Key("samples.down", "down", "prompt(1)", "prompt", _AT, MOVE, "The next prompt", 86, "up down"),
    Key("samples.up", "up", "prompt(-1)", "", _AT, MOVE, "The prompt before", 0, "up"),
    Key("samples.grid", "g", "grid", "grid", _AT, VIEW, "All prompts by all steps, and back", 84),
    Key("samples.open", "enter", "open", "open", _AT, VIEW, "Out of the grid: one large", 82, "enter"),
    Key("samples.copy", "o", "copy", "copy path", _AT, RUN,
        "The path of the image to the terminal's clipboard", 70),
    Key("samples.first", "home", "edge('start')", "", _AT, MOVE, "The first step", 0, "home"),
    Key("samples.last", "end", "edge('end')", "", _AT, MOVE,
        "The newest step, and follow it", 0, "end"),
    Key("samples.back", "escape", "back", "back", _AT, VIEW, "Back", 80, "esc"),
)  # fmt: skip
