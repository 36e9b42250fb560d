"""Rows: cutting, padding, bars, sparks, tables, the footer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders as b
from tests.hostile import HOSTILE
from tui.kit.chart import ramp_bar, spark
from tui.kit.footer import FooterKey, chosen_keys, footer_row, key_at
from tui.kit.glyphs import to_ascii
from tui.kit.paint import Span, changed_extent, ends, fit, pad, plain, ramp_role, row_width
from tui.panels.checkpoints import checkpoint_head, checkpoint_row
from tui.panels.console import console_rows
from tui.panels.header import header_of, header_row
from tui.panels.preflight import check_row
from tui.panels.verdict import verdict_rows
from tui.text import clean
from tui.words.checklist import preflight_list
from tui.words.checkpoints import checkpoint_table
from tui.words.clauses import Clause, Kind, Verdict

texts = st.text(max_size=12).map(clean)
rows = st.lists(st.tuples(texts, st.sampled_from(["text", "dim", "bad"])), max_size=6).map(
    lambda found: tuple(Span(*one) for one in found)
)


@given(rows, st.integers(1, 30))
def test_padded_rows_are_exactly_as_wide_as_asked(row: tuple[Span, ...], width: int) -> None:
    assert row_width(pad(row, width)) == width


@given(rows, rows)
def test_the_changed_extent_covers_every_difference(
    old: tuple[Span, ...], new: tuple[Span, ...]
) -> None:
    old, new = pad(old, 40), pad(new, 40)
    extent = changed_extent(old, new)
    if old == new:
        assert extent == 0
        return
    before, after = _cells(old), _cells(new)
    last = max((x for x in range(40) if before[x] != after[x]), default=-1)
    assert extent > last


def _cells(row: tuple[Span, ...]) -> list[tuple[str, str]]:
    from rich.cells import cell_len

    found = []
    for span in row:
        for character in span.text:
            found += [(character, span.role)] * cell_len(character)
    return found + [("", "")] * (40 - len(found))


def test_a_number_that_changes_dirties_only_up_to_itself() -> None:
    old = pad((Span("step 412 of 920, steady"),), 60)
    new = pad((Span("step 413 of 920, steady"),), 60)
    assert changed_extent(old, new) == 8


def test_a_cut_row_says_so() -> None:
    assert plain(fit((Span("alpha "), Span("beta gamma", "bad")), 12)) == "alpha beta …"
    assert plain(fit((Span("alpha"), Span(" ", "bad")), 5)) == "alpha"
    assert plain(fit((Span("alpha"), Span("beta")), 5)) == "alph…"


def test_the_right_end_gives_way_first() -> None:
    assert plain(ends((Span("left"),), (Span("right"),), 12)) == "left   right"
    assert plain(ends((Span("left"),), (Span("right"),), 8)) == "left"


def test_the_bar_is_as_long_as_its_share() -> None:
    text = plain(ramp_bar(0.5, 20))
    assert text == "━" * 10 + "─" * 10
    assert plain(ramp_bar(0.525, 20)) == "━" * 10 + "╸" + "─" * 9
    assert plain(ramp_bar(None, 4)) == "────"
    assert plain(ramp_bar(7.0, 4)) == "━━━━"
    assert ramp_bar(0.3, 0) == ()


def test_the_bars_colour_tells_the_place() -> None:
    full = ramp_bar(1.0, 32)
    assert full[0].role == ramp_role(0) and full[-1].role == ramp_role(1)


def test_sparks_keep_the_newest_and_leave_gaps() -> None:
    row = spark([0.0, None, None, 1.0], 2)
    text = plain(row)
    assert len(text) == 2 and ord(text[0]) - 0x2800 == 0x40 and ord(text[1]) - 0x2800 == 0x08
    assert plain(spark([], 3)) == "   "
    assert len(plain(spark([0.5] * 500, 10))) == 10


def test_ascii_keeps_every_cell() -> None:
    from rich.cells import cell_len

    for text in ("◆200 ◇600 ━━╸── │┤└┴", "模型 ✓", "…–−·"):
        assert to_ascii(text).isascii()
        assert len(to_ascii(text)) == cell_len(text)


def test_the_header_keeps_name_and_state_at_any_width() -> None:
    header = header_of(b.snapshot(412))
    for width in (30, 40, 60, 80, 120, 200):
        text = plain(header_row(header, width))
        assert row_width(header_row(header, width)) <= width
        assert "spyke" in text and "● training" in text
    wide = plain(header_row(header, 160))
    assert "step 412/920   45 % ━" in wide and "3.1 s/step" in wide
    assert wide.endswith("26 min left, 18:42 ")
    assert "412/920" in plain(header_row(header, 80)) and "26 min left" in plain(
        header_row(header, 80)
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_in_the_header_moves_when_numbers_change_width(width: int) -> None:
    def places(step: int, pace_s: float, eta_s: float) -> tuple[int, ...]:
        changes = {"seconds_per_step": pace_s, "eta_s": eta_s}
        row = plain(header_row(header_of(b.snapshot(step, status_changes=changes)), width))
        return row.index("/920"), row.index(" %"), row.index(" left"), row.rindex(":")

    if width == 60:  # no room for the percentage
        assert "%" not in plain(header_row(header_of(b.snapshot(412)), width))
        return
    assert places(9, 3.1, 2800.0) == places(99, 12.0, 59.0) == places(412, 0.01, 7.0)


def test_a_long_name_is_cut_in_its_middle_and_pushes_no_number_out() -> None:
    shown = b.snapshot(412, spec=b.spec(name="spyke_plasma_with_a_very_long_name_v12"))
    row = plain(header_row(header_of(shown), 80))
    assert row.startswith(" spyke_plas…_v12  ●") and row.endswith("26 min left, 18:42 ")
    assert all(text in row for text in ("412/920", "45 %", "3.1 s"))


def test_the_header_says_the_day_of_an_end_that_is_not_today() -> None:
    far = header_of(b.snapshot(412, status_changes={"eta_s": 86_400.0}))
    assert "1 d left, Sun 18:16" in plain(header_row(far, 120))


def test_the_header_shows_the_label() -> None:
    shown = replace(b.snapshot(412), label="a warmer face")
    assert plain(header_row(header_of(shown), 80)).startswith(" a warmer face  ● training")


def test_clauses_are_left_out_whole() -> None:
    clauses = (Clause("loss 0.17"), Clause("pace steady"), Clause("two warnings"))
    verdict = Verdict(Kind.HEALTHY, clauses)
    assert plain(verdict_rows(verdict, 80, 2)[0]).strip() == (
        "\u2713 Healthy. Loss 0.17, pace steady, two warnings."
    )
    long = Verdict(Kind.HEALTHY, (Clause("a" * 40), Clause("b" * 20)))
    short = plain(verdict_rows(long, 64, 2)[0]).strip()
    assert short == f"\u2713 Healthy. A{'a' * 39}."


def test_a_long_verdict_wraps_and_keeps_both_halves() -> None:
    first = (Clause("word " * 40 + "end"),)
    verdict = Verdict(Kind.FAILED, first, (Clause("Advice " * 30),), long=True)
    out = [plain(row) for row in verdict_rows(verdict, 60, 4)]
    assert len(out) == 4 and out[0].startswith(" \u2717 Failed. Word")
    assert out[1].rstrip().endswith("…") and out[2].startswith(" Advice")


def test_checkpoint_rows_line_up_with_their_heads() -> None:
    table = checkpoint_table(b.snapshot(412), b.NOW)
    for width in (42, 50, 80, 140):
        head = plain(checkpoint_head(width))
        shown = [plain(checkpoint_row(row, width, 0.5)) for row in table.rows]
        assert all(len(text) <= width for text in [head, *shown])
        end = head.index("step") + 4
        assert [text[:end].split()[-1] for text in shown] == ["400", "200", "600", "800", "920"]


def test_every_table_row_fits_whatever_it_holds() -> None:
    from runner.model import CheckResult

    for text in HOSTILE:
        checks = (CheckResult(text, "warn", text, title=text),)
        found = preflight_list(checks).rows[0]
        for width in (20, 40, 100):
            assert row_width(check_row(found, width, 14)) <= width
            for wrapped in (True, False):
                assert all(row_width(r) <= width for r in console_rows(text, width, wrapped))


def test_padding_and_source_of_a_record_do_not_push_its_words_out() -> None:
    line = "2026-11-21 18:51:20 INFO     model saved." + " " * 400 + "train_network.py:1520"
    cropped = plain(console_rows(line, 80, False)[0])
    assert cropped.strip() == "2026-11-21 18:51:20 INFO     model saved."
    whole = " ".join(plain(row) for row in console_rows(line, 80, True))
    assert "train_network.py:1520" in whole and len(console_rows(line, 80, True)) == 1


def test_console_levels_are_told_apart() -> None:
    roles = {
        level: console_rows(f"2026-11-21 18:51:20 {level:<8} text", 80, False)[0][-1].role
        for level in ("INFO", "WARNING", "ERROR")
    }
    assert roles == {"INFO": "text", "WARNING": "warn", "ERROR": "bad"}
    assert console_rows("RuntimeError: no", 80, False)[0][-1].role == "bad"


def test_the_footer_drops_the_least_worthy_and_knows_where_keys_are() -> None:
    keys = [FooterKey("a", "stop", "stop", 90), FooterKey("z", "zoom", "zoom", 10),
            FooterKey("q", "leave", "leave", 100)]  # fmt: skip
    assert [k.key for k in chosen_keys(keys, 80)] == ["a", "z", "q"]
    assert [k.key for k in chosen_keys(keys, 20)] == ["a", "q"]
    row = plain(footer_row(keys, 80))
    for key in keys:
        found = key_at(keys, 80, row.index(key.label))
        assert found == key
    assert key_at(keys, 80, 79) is None


def test_a_footer_drops_the_way_out_before_the_way_back() -> None:
    keys = [FooterKey("esc", "back", "back", 70), FooterKey("ctrl+q", "leave", "app.leave", 100)]
    assert [k.key for k in chosen_keys(keys, 12)] == ["esc"]
    assert [k.key for k in chosen_keys(keys, 80)] == ["esc", "ctrl+q"]
