"""Zooming and panning a chart, as numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.kit.scale import Window, panned, shown, zoomed

END, NEWEST = 920.0, 412.0


def zoom(
    window: Window | None, factor: float = 0.5, at: float | None = None, least: float = 10.0
) -> Window | None:
    return zoomed(window, factor, END, NEWEST, at=at, least=least)


def test_without_a_window_all_of_the_axis_is_shown() -> None:
    assert shown(None, END, NEWEST) == (0, END)


def test_zooming_in_first_leaves_out_what_is_still_to_be_trained() -> None:
    assert zoom(None) == Window(0, 412, follows=True)
    assert zoom(Window(0, 412, follows=True)) == Window(206, 412, follows=True)


def test_a_window_at_the_newest_step_moves_with_it() -> None:
    window = Window(206, 412, follows=True)
    assert shown(window, END, 500) == (294, 500)
    assert shown(Window(206, 412), END, 500) == (206, 412)


def test_zooming_at_the_cursor_keeps_it_where_it_is() -> None:
    window = zoom(None, at=230)
    assert window is not None and not window.follows
    assert (window.low, window.high) == (115, 575)
    assert (230 - window.low) / 460 == 230 / END


def test_zooming_out_ends_with_all_of_it() -> None:
    assert zoom(Window(100, 200), 2) == Window(50, 250)
    assert zoom(Window(0, 500), 2) is None


def test_a_window_never_gets_narrower_than_the_least() -> None:
    window = zoom(Window(402, 412, follows=True))
    assert window == Window(402, 412, follows=True)


def test_panning_stops_at_the_start_and_follows_at_the_newest_step() -> None:
    assert panned(Window(206, 412, follows=True), -0.25, END, NEWEST) == Window(154.5, 360.5)
    assert panned(Window(10, 110), -0.25, END, NEWEST) == Window(0, 100)
    assert panned(Window(154.5, 360.5), 0.25, END, NEWEST) == Window(206, 412, follows=True)
    assert panned(None, 0.25, END, NEWEST) is None


@given(
    st.lists(st.sampled_from(["in", "out", "left", "right"]), max_size=30),
    st.floats(1, 1e6),
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_any_sequence_of_keys_shows_a_part_of_the_axis(
    keys: list[str], end: float, trained: float, at: float | None
) -> None:
    window: Window | None = None
    newest, cursor = end * trained, None if at is None else end * at
    for key in keys:
        if key in ("in", "out"):
            factor = 0.5 if key == "in" else 2.0
            window = zoomed(window, factor, end, newest, at=cursor, least=10.0)
        else:
            window = panned(window, 0.25 if key == "right" else -0.25, end, newest)
        low, high = shown(window, end, newest)
        assert -1e-6 * end <= low < high <= end * (1 + 1e-9)
        assert high - low >= min(10.0, end) * (1 - 1e-6)
