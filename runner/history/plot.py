"""Curves as plain text, by plotext. The only runner module that imports it, and only to draw. plotext aborts
the process on NaN and fails on infinities, so it only gets finite values.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

#: plotext draws on one figure per process
_LOCK = threading.Lock()
#: one per line, in order; the last curve is drawn on top
_LINES = ("braille", "x", "o", "+", "#", "*")
_ASCII_LINES = ("*", "x", "o", "+", "#", "%")
_DOT = "."
LEAST_WIDTH, LEAST_HEIGHT = 20, 6
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: (x, y), ordered by x; non-finite values are left out. `dots`: single points, no line."""

    name: str
    points: tuple[tuple[float, float], ...]
    dots: bool = False


def draw_curves(
    curves: Sequence[Curve],
    *,
    width: int,
    height: int,
    x_label: str = "step",
    log: bool = False,
    ascii_only: bool = False,
) -> str:
    """All curves in one frame of `width` x `height` characters, without colours; "" if nothing can be drawn.

    `log`: a logarithmic y axis; then values not above 0 are left out. Curve names must be cleaned by the
    caller."""
    drawn = [
        (curve, points)
        for curve in curves
        if (points := _thinned(_drawable(curve.points, log), 2 * max(LEAST_WIDTH, width)))
    ]
    if not drawn:
        return ""
    size = max(LEAST_WIDTH, width), max(LEAST_HEIGHT, height)
    with _LOCK:
        text = _draw(drawn, size, x_label, log, _ASCII_LINES if ascii_only else _LINES)
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return text.translate(_FRAME).encode("ascii", "replace").decode() if ascii_only else text


def _drawable(points: Sequence[tuple[float, float]], log: bool) -> list[tuple[float, float]]:
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if log:
        return [(x, math.log10(y)) for x, y in finite if y > 0]
    # differences of very large numbers overflow inside the plotter
    return [(x, y) for x, y in finite if abs(x) < 1e15 and abs(y) < 1e15]


def _thinned(points: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` points: the means of neighbours; both ends stay where they are."""
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / most)
    parts = [points[at : at + size] for at in range(0, len(points), size)]
    means = [[sum(axis) / len(part) for axis in zip(*part, strict=True)] for part in parts]
    means[0][0], means[-1][0] = points[0][0], points[-1][0]
    return [(x, y) for x, y in means]


def _draw(
    drawn: list[tuple[Curve, list[tuple[float, float]]]],
    size: tuple[int, int],
    x_label: str,
    log: bool,
    lines: Sequence[str],
) -> str:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # this terminal's size is not the reader's
    plotext.plotsize(*size)
    markers = itertools.cycle(lines)
    for curve, points in drawn:
        xs, ys = zip(*points, strict=True)
        marker = _DOT if curve.dots else next(markers)
        draw = plotext.scatter if curve.dots or len(xs) == 1 else plotext.plot
        draw(xs, ys, marker=marker, label=curve.name)
    every = [point for _, points in drawn for point in points]
    x_ticks, y_ticks = _spread([x for x, _ in every]), _spread([y for _, y in every])
    plotext.xticks(x_ticks, [_x_text(x) for x in x_ticks])
    plotext.yticks(y_ticks, [f"{10**y if log else y:.3g}" for y in y_ticks])
    plotext.xlabel(x_label)
    text: str = plotext.uncolorize(plotext.build())
    plotext.clear_figure()
    return text


def _x_text(x: float) -> str:
    return f"{x:.0f}" if abs(x) >= 100 or x == int(x) else f"{x:.3g}"


def _spread(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    if low == high:
        return [low]
    found = [low + (high - low) * at / (_TICKS - 1) for at in range(_TICKS)]
    whole = all(value == int(value) for value in (low, high)) and high - low >= 2 * _TICKS
    return [float(round(value)) for value in found] if whole else found


_FRAME = str.maketrans("┌┐└┘│─┤├┬┴┼", "++++|-|++++")
