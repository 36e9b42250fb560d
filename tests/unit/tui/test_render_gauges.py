"""Rows of the hardware: what fits, what differs in shape, what stays where it is."""

from __future__ import annotations

import pytest

from runner.model import RunSnapshot
from tests import builders as b
from tests import machines as m
from tui.kit import glyphs
from tui.kit.chart import blocks, shared_bar, spark
from tui.kit.paint import Row, plain, row_width
from tui.panels.machine import board_row, gauge_board, gauge_rows, section_rows

MACHINES = {
    "nvidia": m.one_card(),
    "two": m.two_cards(),
    "mac": m.mac(2),
    "amd": m.amd(),
    "none": m.no_gpu(),
    "disk": m.filling_disk(),
    "silent": m.silent_driver(),
    "old": b.snapshot(),
}


def rows(shown: RunSnapshot, width: int) -> list[Row]:
    board = gauge_board(shown, b.NOW)
    return [row for one in board.rows for row in board_row(one, width, board.stale)]


def texts(shown: RunSnapshot, width: int) -> list[str]:
    return [plain(row).rstrip() for row in rows(shown, width)]


@pytest.mark.parametrize("name", MACHINES)
def test_every_row_fits_at_every_width(name: str) -> None:
    board = gauge_board(MACHINES[name], b.NOW, details=True)
    for width in (20, 24, 30, 37, 38, 42, 53, 54, 60, 80, 120, 200):
        assert all(row_width(row) <= width for row in rows(MACHINES[name], width)), width
        assert all(row_width(row) <= width for row in section_rows(board.sections, width)), width


@pytest.mark.parametrize("width", [30, 42, 60, 118])
def test_numbers_bars_and_notes_keep_their_places(width: int) -> None:
    """Whatever the values: a bar begins and ends in the same cells."""
    places = set()
    for shown in MACHINES.values():
        for row in rows(shown, width):
            text = plain(row)
            if glyphs.BAR in text and glyphs.BAR_REST in text:
                marks = (glyphs.BAR, glyphs.BAR_TIP, glyphs.BAR_OTHERS, glyphs.BAR_REST)
                cells = [x for x, character in enumerate(text) if character in marks]
                places.add((cells[0], cells[-1]))
    assert len(places) == 1


def test_others_differ_from_us_in_shape_and_shade() -> None:
    bar = shared_bar(0.5, 0.25, 20, 8)
    text = plain(bar)
    assert text == glyphs.BAR * 10 + glyphs.BAR_OTHERS * 5 + glyphs.BAR_REST * 5
    ours = {span.role for span in bar if glyphs.BAR in span.text}
    others = {span.role for span in bar if glyphs.BAR_OTHERS in span.text}
    assert all(role.startswith("ramp-") for role in ours) and others == {"dim"}
    assert glyphs.to_ascii(text) == "=" * 10 + "%" * 5 + "-" * 5


@pytest.mark.parametrize("width", [0, 1, 5, 20])
@pytest.mark.parametrize(("ours", "beside"), [(0, 0), (0.001, 0.9), (0.7, 0.7), (1, 0), (None, 1)])
def test_a_shared_bar_has_its_width_whatever_the_parts(
    width: int, ours: float | None, beside: float
) -> None:
    bar = shared_bar(ours, beside, width)
    assert row_width(bar) == width
    if ours and width:
        assert glyphs.BAR in plain(bar), "a part that is there is seen"


def test_unmeasured_gauges_say_why() -> None:
    shown = b.snapshot(hardware=b.hardware(3, gpu=False))
    gauge = gauge_board(shown, b.NOW).gauges[0]
    text = [plain(row) for row in gauge_rows(gauge, 60, False)]
    assert text == [" GPU     not measured: no NVIDIA driver on this machine"]
    narrow = [plain(row).rstrip() for row in gauge_rows(gauge, 30, False)]
    assert narrow[0] == " GPU     not measured" and "no NVIDIA" in narrow[1]


def test_a_narrow_row_tells_the_most_important_whole() -> None:
    narrow = texts(m.two_cards(), 30)
    assert " others  ComfyUI 6.1 GB, 40 %" in narrow
    assert "         5.4 left, peak 19.3" in narrow
    assert "         slowed: heat" in narrow


def test_stale_values_are_grey_and_say_since_when() -> None:
    found = rows(m.silent_driver(), 42)
    gpu = next(row for row in found if plain(row).startswith(" GPU "))
    assert {span.role for span in gpu} <= {"dim", "faint", "text"}
    assert any("no answer for 40 s" in plain(row) for row in found)
    cpu = next(row for row in found if plain(row).startswith(" CPU"))
    assert any(span.role.startswith("ramp-") for span in cpu)


@pytest.mark.parametrize("width", [30, 36, 60, 118])
def test_the_last_five_minutes_stand_in_the_row_as_blocks(width: int) -> None:
    gpu = next(text for text in texts(m.one_card(), width) if text.startswith(" GPU "))
    assert sum(character in glyphs.SPARKS for character in gpu) >= 5


def test_blocks_are_as_high_as_their_share_and_end_now() -> None:
    assert plain(blocks([0.0, 0.5, 1.0], 38))[-3:] == "▁▅█"
    assert plain(blocks([None, 0.5], 38))[-2:] == " ▅"
    assert plain(blocks([0.2, 0.6, 1.0, 1.0], 19))[-2:] == "▄█", "two readings a cell: their mean"
    assert [row_width(blocks([0.5] * 90, width)) for width in (0, 1, 7, 60)] == [0, 1, 7, 60]


def test_small_changes_paint_nothing() -> None:
    """What the eye cannot tell apart costs no bytes."""
    before = m.on(m.sample(m.rtx()))
    after = m.on(
        m.sample(
            m.rtx(power_w=324.0, temperature_c=74.3, clock_mhz=2535.0, percent=94.2),
            cpu_percent=31.3,
            tree_cpu_percent=141.0,
        )
    )
    assert rows(before, 42) == rows(after, 42)


def test_sections_stand_in_two_columns_where_there_is_room() -> None:
    sections = gauge_board(m.two_cards(), b.NOW, details=True).sections
    one, two = section_rows(sections, 100), section_rows(sections, 160)
    assert len(two) < len(one)
    told = "\n".join(map(plain, two))
    assert all(section.title[:12] in told for section in sections)


def test_a_history_can_be_read_without_braille() -> None:
    steps = [0.1, 0.1, 0.4, 0.4, 0.6, 0.6, 0.9, 0.9]
    assert glyphs.to_ascii(plain(spark(steps, 4))) == "_.-'"
    assert glyphs.to_ascii("\u2800\u4e2d") == "???", "what has no stand-in keeps its cells"
