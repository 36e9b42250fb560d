"""tui.text: what may come in, and what never goes out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.hostile import HOSTILE
from tui.text import LIMIT_CHARACTERS, clean, crop, crop_parts, crop_start, take_cells, wrap

CONTROL = {"Cc", "Cs"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_leaves_without_control_characters(text: str) -> None:
    out = clean(text)
    assert not [c for c in out if unicodedata.category(c) in CONTROL]
    assert len(out) <= LIMIT_CHARACTERS


@given(st.text() | st.binary())
def test_nothing_that_comes_out_can_drive_a_terminal(text: str | bytes) -> None:
    out = clean(text)
    assert "\x1b" not in out
    assert not [c for c in out if unicodedata.category(c) in CONTROL]


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;id=1;file:///x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\tb", "a    b"),
        ("one\r\ntwo", "one two"),
        ("\x1b]52;c;open", "52;c;open"),
        ("[/red] stays", "[/red] stays"),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (None, ""),
        ("lone \ud800", "lone \ufffd"),
        ("\u202eevil", "evil"),
    ],
)
def test_words_survive(text: str | bytes | None, out: str) -> None:
    assert clean(text) == out


@given(st.text(), st.integers(0, 40))
def test_crop_never_exceeds_its_cells(text: str, width: int) -> None:
    assert cell_len(crop(clean(text), width)) <= width
    assert cell_len(take_cells(clean(text), width)) <= width


def test_wide_characters_are_cut_whole() -> None:
    assert crop("模型训练", 5) == "模型…"
    assert crop("模型训练", 8) == "模型训练"


def test_the_end_of_a_path_is_kept() -> None:
    assert crop_start("/home/someone/project/output", 10) == "…ct/output"


def test_parts_go_before_letters() -> None:
    assert crop_parts("CPU 140 %, 3 proc", 12) == "CPU 140 %"
    assert crop_parts("one long part", 5) == "one …"


@given(st.text(min_size=1), st.integers(4, 30))
def test_wrapped_lines_fit_and_lose_only_blanks(text: str, width: int) -> None:
    line = clean(text)
    rows = wrap(line, width)
    assert all(cell_len(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == line.replace(" ", "")
