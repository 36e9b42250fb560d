"""Every key, once. Footer, help screen and command palette are all made from this table."""

from __future__ import annotations

from textual.binding import BindingType

from tui.key import LEAVE as LEAVE
from tui.key import MOVE as MOVE
from tui.key import RUN as RUN
from tui.key import VIEW as VIEW
from tui.key import Key as Key
from tui.keys_compare import COMPARE_KEYS
from tui.keys_replay import REPLAY_KEYS
from tui.keys_runs import RUNS_KEYS
from tui.keys_samples import SAMPLES_KEYS
from tui.keys_summary import SUMMARY_KEYS

KEYS: tuple[Key, ...] = (
    Key("run.start", "s", "start", "start", "monitor", RUN, "Start the configured training", 90),
    Key(
        "run.smoke",
        "t",
        "smoke",
        "smoke",
        "monitor",
        RUN,
        "A short test with the same settings",
        84,
    ),
    Key(
        "run.retry",
        "y",
        "retry",
        "try again",
        "monitor",
        RUN,
        "Try again with the cure; shows first what differs",
        89,
    ),
    Key(
        "run.approve", "y", "approve", "approve", "monitor", RUN, "Approve a passed smoke test", 89
    ),
    Key(
        "run.stop",
        "a",
        "stop",
        "stop",
        "monitor",
        RUN,
        "Stop the training: asks first and says what is lost",
        88,
    ),
    Key(
        "run.resume",
        "r",
        "resume",
        "resume",
        "monitor",
        RUN,
        "Go on from the newest good state; shows first how",
        86,
    ),
    Key(
        "run.adopt",
        "o",
        "adopt",
        "adopt",
        "monitor",
        RUN,
        "Give a training whose supervisor is gone a new one",
        87,
    ),
    Key(
        "gpu.free",
        "u",
        "free_gpu",
        "free GPU",
        "monitor",
        RUN,
        "Ask ComfyUI to free its GPU memory; ends nothing",
        83,
    ),
    Key(
        "plan.preflight",
        "p",
        "preflight",
        "preflight",
        "monitor",
        RUN,
        "Look at all that a start needs; esc breaks it off",
        82,
    ),
    Key(
        "plan.fix",
        "f",
        "fix",
        "fix",
        "monitor",
        RUN,
        "Cure what a check finds; shows first what is done",
        85,
    ),
    Key("plan.edit", "e", "edit", "edit", "monitor", RUN, "plasma.toml in $VISUAL or $EDITOR", 78),
    Key(
        "plan.flags",
        "v",
        "flags",
        "flags",
        "monitor",
        VIEW,
        "All flags of the trainer's script, in its own words",
        55,
    ),
    Key(
        "review.summary",
        "m",
        "summary",
        "summary",
        "monitor",
        VIEW,
        "The verdict on this run, point by point",
        76,
    ),
    Key(
        "review.samples",
        "i",
        "samples",
        "images",
        "monitor",
        VIEW,
        "The sample images by step and prompt",
        56,
    ),
    Key(
        "review.replay",
        "w",
        "replay",
        "replay",
        "monitor",
        VIEW,
        "Watch an ended run again, at any speed",
        54,
    ),
    Key(
        "notices.test",
        "n",
        "test_notice",
        "test notice",
        "monitor",
        VIEW,
        "Send a test notice on every channel",
        30,
    ),
    Key("runs.list", "h", "app.runs", "runs", "app", VIEW, "All runs of this machine", 60),
    Key("view.console", "l", "console", "console", "monitor", VIEW, "The trainer's own words", 58),
    Key("view.zoom", "z", "zoom", "zoom", "monitor", VIEW, "One panel on the whole screen", 40),
    Key(
        "view.next",
        "tab",
        "next_panel",
        "next panel",
        "monitor",
        VIEW,
        "Focus the next panel",
        20,
        "tab",
    ),
    Key(
        "view.previous", "shift+tab", "previous_panel", "", "monitor", VIEW, "Focus the one before"
    ),
    Key("view.back", "escape", "back", "back", "monitor", VIEW, "Close what is open", 0, "esc"),
    Key("move.down", "down,j", "scroll(1)", "", "monitor", MOVE, "One row down", 0, "down j"),
    Key("move.up", "up,k", "scroll(-1)", "", "monitor", MOVE, "One row up", 0, "up k"),
    Key(
        "move.page_down", "pagedown,space", "page(1)", "", "monitor", MOVE, "A page down", 0, "pgdn"
    ),
    Key("move.page_up", "pageup", "page(-1)", "", "monitor", MOVE, "A page up", 0, "pgup"),
    Key("move.start", "home,g", "edge('start')", "", "monitor", MOVE, "To the start", 0, "home g"),
    Key(
        "move.end",
        "end,G",
        "edge('end')",
        "",
        "monitor",
        MOVE,
        "To the end, and follow it",
        0,
        "end G",
    ),
    Key("demo.start", "d", "demo", "demo", "welcome", RUN, "Train a small LoRA here, now", 90),
    Key(
        "project.new",
        "n",
        "new_project",
        "set up",
        "welcome",
        RUN,
        "A plasma.toml from what is on this machine",
        88,
    ),
    Key(
        "project.import",
        "i",
        "import_project",
        "import",
        "welcome",
        RUN,
        "A plasma.toml from a script or configuration",
        87,
    ),
    Key("form.enter", "enter", "enter", "next", "form", MOVE, "Next field, or write", 90, "enter"),
    Key("form.down", "down,tab", "move(1)", "", "form", MOVE, "Next field", 0, "down"),
    Key("form.up", "up,shift+tab", "move(-1)", "", "form", MOVE, "Field before", 0, "up"),
    Key(
        "form.right",
        "right",
        "choose(1)",
        "choose",
        "form",
        MOVE,
        "Next of what was found",
        85,
        "left right",
    ),
    Key("form.left", "left", "choose(-1)", "", "form", MOVE, "The one found before", 0, "left"),
    Key(
        "form.page_down", "pagedown", "page(1)", "the text", "form", MOVE, "A page down", 70, "pgdn"
    ),
    Key("form.page_up", "pageup", "page(-1)", "", "form", MOVE, "A page up", 0, "pgup"),
    Key("form.back", "escape", "back", "back", "form", VIEW, "Back; nothing is written", 80, "esc"),
    *RUNS_KEYS,
    *SUMMARY_KEYS,
    *SAMPLES_KEYS,
    *COMPARE_KEYS,
    *REPLAY_KEYS,
    Key(
        "flags.back",
        "escape",
        "back",
        "back",
        "flags",
        VIEW,
        "Clear the filter, or go back",
        80,
        "esc",
    ),
    Key("flags.down", "down", "cursor(1)", "", "flags", MOVE, "Next flag", 0, "down"),
    Key("flags.up", "up", "cursor(-1)", "", "flags", MOVE, "Flag before", 0, "up"),
    Key("flags.page_down", "pagedown", "page(1)", "", "flags", MOVE, "A page down", 0, "pgdn"),
    Key("flags.page_up", "pageup", "page(-1)", "", "flags", MOVE, "A page up", 0, "pgup"),
    Key("flags.start", "home", "edge('start')", "", "flags", MOVE, "First flag", 0, "home"),
    Key("flags.end", "end", "edge('end')", "", "flags", MOVE, "Last flag", 0, "end"),
    Key(
        "app.help",
        "question_mark,f1",
        "app.help",
        "help",
        "app",
        VIEW,
        "All keys",
        70,
        "?",
    ),
    Key(
        "app.leave",
        "q,ctrl+q",
        "app.leave",
        "leave",
        "app",
        LEAVE,
        "Close the screen; a training goes on",
        100,
        "q",
    ),
    Key(
        "app.interrupt",
        "ctrl+c",
        "app.interrupt",
        "",
        "app",
        LEAVE,
        "Never stops a training; twice leaves the screen",
        priority=True,
    ),
    Key(
        "app.suspend",
        "ctrl+z",
        "app.suspend_process",
        "",
        "app",
        LEAVE,
        "To the shell; fg comes back",
        priority=True,
    ),
    Key(
        "app.palette",
        "ctrl+p",
        "app.command_palette",
        "",
        "app",
        VIEW,
        "Find a command by its name",
        priority=True,
    ),
)


def keys_of(*where: str) -> tuple[Key, ...]:
    """The keys of these places, place by place, in the table's order."""
    return tuple(key for place in where for key in KEYS if key.where == place)


def bindings(where: str) -> list[BindingType]:
    """Textual's bindings of one place."""
    return [key.binding() for key in KEYS if key.where == where]


def footer_keys(*where: str) -> tuple[Key, ...]:
    return tuple(key for key in keys_of(*where) if key.worth > 0)
