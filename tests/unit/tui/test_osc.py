"""One notification by an escape sequence: the right kind, and bytes that drive nothing."""

from __future__ import annotations

import re

import pytest

from tests.hostile import HOSTILE
from tui.osc import LIMIT_BYTES, Way, sequence, way_of

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "osc99"),
        ({"TERM": "xterm-kitty", "SSH_CONNECTION": "x"}, "osc99"),
        (XTERM | {"TERM_PROGRAM": "iTerm.app"}, "osc9"),
        (XTERM | {"LC_TERMINAL": "iTerm2", "SSH_CONNECTION": "x"}, "osc9"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "osc777"),
        (XTERM | {"TERM_PROGRAM": "WezTerm"}, "osc777"),
        ({"TERM": "foot"}, "osc777"),
        ({"TERM": "rxvt-unicode-256color"}, "osc777"),
        (XTERM | {"VTE_VERSION": "7600"}, "osc777"),
        (XTERM | {"SSH_CONNECTION": "x"}, "osc9"),
        (XTERM | {"WT_SESSION": "x"}, "off"),
        (XTERM | {"TERM_PROGRAM": "Apple_Terminal"}, "off"),
        (XTERM | {"TERM_PROGRAM": "vscode"}, "off"),
        ({"TERM": "alacritty", "SSH_CONNECTION": "x"}, "off"),
        (XTERM, "off"),
        ({"TERM": "linux", "SSH_CONNECTION": "x"}, "off"),
        ({"TERM": "screen-256color", "STY": "1.pts"}, "off"),
        ({"TERM": "dumb"}, "off"),
        ({}, "off"),
    ],
)
def test_each_terminal_gets_the_kind_it_knows(environ: dict[str, str], kind: str) -> None:
    assert way_of("auto", environ) == Way(kind)


def test_tmux_is_passed_by_to_the_terminal_around_it() -> None:
    tmux = {"TERM": "screen-256color", "TMUX": "/tmp/x", "TERM_PROGRAM": "tmux"}
    assert way_of("auto", tmux) == Way("osc9", True)
    assert way_of("auto", tmux | {"KITTY_WINDOW_ID": "3"}) == Way("osc99", True)
    assert way_of("auto", tmux | {"WT_SESSION": "x"}) == Way("off", False)


def test_what_a_person_chose_is_taken_unless_nothing_gets_through() -> None:
    assert way_of("osc777", XTERM) == Way("osc777")
    assert way_of("off", XTERM | {"KITTY_WINDOW_ID": "1"}) == Way()
    assert way_of("osc9", {"TERM": "screen", "STY": "1"}) == Way()


def test_the_bytes_of_each_kind() -> None:
    assert sequence(Way("osc9"), "spyke: finished", "920 steps") == (
        "\x1b]9;spyke: finished: 920 steps\x07"
    )
    assert sequence(Way("osc777"), "a;b", "c;d") == "\x1b]777;notify;a,b;c;d\x07"
    assert sequence(Way("osc99"), "a", "b") == "\x1b]99;i=plasma-tui;a: b\x1b\\"
    seen = sequence(Way("osc99"), "a", "b", unless_seen=True)
    assert seen == "\x1b]99;i=plasma-tui:o=unfocused;a: b\x1b\\"
    assert sequence(Way("off"), "a", "b") == ""


def test_in_tmux_every_escape_is_doubled_within_one_envelope() -> None:
    assert sequence(Way("osc9", True), "a", "b") == "\x1bPtmux;\x1b\x1b]9;a: b\x07\x1b\\"
    assert sequence(Way("osc99", True), "a", "b") == (
        "\x1bPtmux;\x1b\x1b]99;i=plasma-tui;a: b\x1b\x1b\\\x1b\\"
    )


def test_a_name_that_begins_with_a_number_is_no_command_of_conemu() -> None:
    assert sequence(Way("osc9"), "4;1;50", "x").startswith("\x1b]9;plasma-tui: 4,1,50")


@pytest.mark.parametrize("kind", ["osc9", "osc777", "osc99"])
@pytest.mark.parametrize("in_tmux", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_gets_out_of_its_sequence(kind: str, in_tmux: bool, text: str) -> None:
    for title, body in ((text, "x"), ("x", text), (text, text)):
        made = sequence(Way(kind, in_tmux), title, body)
        assert len(made.encode()) <= LIMIT_BYTES
        inner = made
        if in_tmux:
            assert made.startswith("\x1bPtmux;") and made.endswith("\x1b\\")
            inner = made[len("\x1bPtmux;") : -2].replace("\x1b\x1b", "\x1b")
        end = "\x1b\\" if kind == "osc99" else "\x07"
        assert inner.startswith("\x1b]") and inner.endswith(end)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", inner[2 : -len(end)])


def test_a_long_text_is_cut_between_its_characters() -> None:
    made = sequence(Way("osc9"), "spyke", "模型训练" * 100)
    assert made.endswith("…\x07") and "\ufffd" not in made
    assert len(made.encode()) <= LIMIT_BYTES
