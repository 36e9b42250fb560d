"""Curves as text: never a crash, never a colour, always of the size that was asked for."""

from __future__ import annotations

import math
import threading

import pytest

from runner.history.plot import Curve, draw_curves

BAD = (math.nan, math.inf, -math.inf)


def line(name: str = "loss", count: int = 920) -> Curve:
    return Curve(name, tuple((float(n), 0.1 + 1 / n) for n in range(1, count + 1)))


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_drawing_fits_its_frame_and_has_no_colours(ascii_only: bool) -> None:
    text = draw_curves([line()], width=70, height=15, ascii_only=ascii_only)
    rows = text.split("\n")
    assert max(map(len, rows)) <= 70 and len(rows) <= 15
    assert "\x1b" not in text and "step" in text and "loss" in text and "920" in text
    assert text.isascii() is ascii_only


def test_what_is_not_finite_never_reaches_the_plotter() -> None:
    points = tuple((float(n), BAD[n % 3] if n % 4 else 0.5) for n in range(100))
    assert draw_curves([Curve("x", points)], width=40, height=10)
    assert draw_curves([Curve("x", tuple((1.0, v) for v in BAD))], width=40, height=10) == ""
    assert draw_curves([Curve("x", ((math.nan, 1.0),))], width=40, height=10) == ""
    assert draw_curves([], width=40, height=10) == ""


@pytest.mark.parametrize(
    "points",
    [((1.0, 2.0),), ((1.0, 0.0), (2.0, 0.0)), ((1.0, 1e300), (2.0, -1e300)), ((1.0, 1e-300), (2.0, 0.0)),
     ((5.0, 1.0), (5.0, 2.0))],
)  # fmt: skip
@pytest.mark.parametrize("log", [False, True])
def test_odd_values_are_drawn_or_left_out(
    points: tuple[tuple[float, float], ...], log: bool
) -> None:
    draw_curves([Curve("x", points)], width=40, height=10, log=log)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (1, 1), (-5, 300), (400, 3)])
def test_any_size_is_survived(width: int, height: int) -> None:
    assert draw_curves([line()], width=width, height=height)


def test_a_logarithmic_axis_names_the_values_themselves() -> None:
    text = draw_curves([Curve("x", ((1.0, 0.01), (2.0, 100.0)))], width=40, height=12, log=True)
    assert "100" in text and "0.01" in text


def test_several_threads_may_draw_at_once() -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(draw_curves([line()], width=50, height=10)))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(texts)) == 1 and len(texts) == 8
