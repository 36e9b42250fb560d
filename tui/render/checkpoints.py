"""Rows of the checkpoint table: as many columns as the width has room for, trouble in words."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.paint import Row, Span, cell, ramp_role, row_width
from tui.render.tables import MARKS
from tui.text import crop, crop_parts
from tui.viewmodel.checkpoints import CheckpointRow

_WIDTHS = {
    "mark": 3,
    "step": 6,
    "epoch": 7,
    "size": 9,
    "loss": 8,
    "val": 8,
    "complete": 10,
    "whole": 7,
    "finite": 8,
    "ok": 4,
    "state": 7,
    "norm": 7,
    "change": 8,
}
_MARKED = ("complete", "whole", "finite", "ok", "state")
#: from the narrowest up; `age`, with all that is said in words, takes what is left
_BY_WIDTH = (
    (0, "mark step size ok"),
    (46, "mark step size loss ok state"),
    (60, "mark step size loss ok state norm"),
    (72, "mark step epoch size loss whole finite state norm"),
    (84, "mark step epoch size loss whole finite state norm change"),
    (100, "mark step epoch size loss val complete finite state norm change"),
)
#: widths from which on words have their place further right
NARROW, COMPACT, ROOMY = 46, 72, 100


def checkpoint_columns(width: int) -> tuple[str, ...]:
    """Which columns there is room for, left to right. They depend on nothing else: what a later file
    brings must not move the others."""
    names = next(names for least, names in reversed(_BY_WIDTH) if width >= least)
    return (*names.split(), "age")


def checkpoint_head(width: int) -> Row:
    spans: list[Span] = []
    for name in checkpoint_columns(width):
        if name == "mark":
            spans.append(Span(" " * _WIDTHS[name]))
        elif name == "age":
            spans.append(Span("  age", "dim"))
        elif name in _MARKED:
            spans.append(Span(_middle(name, _WIDTHS[name]), "dim"))
        else:
            spans.append(cell(name, _WIDTHS[name], "dim", "right"))
    return tuple(spans)


def _middle(text: str, width: int) -> str:
    """Centred, but two cells from what stands left of it."""
    return "  " + text.center(width - 2)


def checkpoint_row(row: CheckpointRow, width: int, fraction: float, selected: bool = False) -> Row:
    """One file; what is not there stays dim. `fraction`: its place in the run, for its colour."""
    said = _trouble(row) or (_words(row, width), _role(row))
    columns = checkpoint_columns(width)
    if _trouble(row) or row.source is None:
        columns = _with_room(columns, width, cell_len(said[0]), row.source is None)
    spans = [_cell(row, name, fraction) for name in columns[:-1]]
    if selected:
        spans[0] = Span(glyphs.CURSOR + spans[0].text[1:], "accent")
    rest = width - row_width(tuple(spans)) - 2
    cut = crop(said[0], rest) if row.problem or row.remark else crop_parts(said[0], rest)
    return (*spans, Span("  " + cut, said[1]))


def _with_room(columns: tuple[str, ...], width: int, wanted: int, bare: bool) -> tuple[str, ...]:
    """Words that must be read are told in full as far as can be: columns give way from the right, and
    such words begin below each other, if they are not too long for that. `bare`: nothing is written,
    so that all but the first columns are empty."""
    kept = [*columns[:-1]]
    while kept[-1] != _last_column(width, bare):
        kept.pop()
    while len(kept) > 2 and width - sum(_WIDTHS[name] for name in kept) - 2 < wanted:
        kept.pop()
    return (*kept, "age")


def _last_column(width: int, bare: bool) -> str:
    """Behind which one the words begin."""
    if width < NARROW:
        return "step"
    if width < COMPACT:
        return "size"
    if width < ROOMY:
        return "state" if bare else "whole"
    return "change"


def _cell(row: CheckpointRow, name: str, fraction: float) -> Span:
    size = _WIDTHS[name]
    if name == "mark":
        shape, tint = _shape(row, fraction)
        return cell(f" {shape}", size, tint)
    if name in _MARKED:
        sign, role = MARKS.get(_marks(row)[name], MARKS["unknown"])
        if row.kind not in ("written", "expected", "missing"):
            role = "dim"
        return Span(_middle(sign, size), role)
    texts = {
        "step": str(row.step) if row.step is not None else "?",
        "epoch": row.epoch,
        "size": row.size if row.size != "unknown" else "?",
        "loss": row.loss,
        "val": row.validation,
        "norm": row.norm,
        "change": row.change,
    }
    return cell(texts[name], size, "dim" if row.kind == "gone" else _role(row), "right")


def _shape(row: CheckpointRow, fraction: float) -> tuple[str, str]:
    if row.kind == "written":
        return (glyphs.NO, "bad") if row.problem else (glyphs.WRITTEN, ramp_role(fraction))
    return {
        "expected": (glyphs.EXPECTED, "dim"),
        "missing": (glyphs.WARN, "warn"),
        "gone": (glyphs.NO, "bad"),
    }.get(row.kind, (glyphs.SKIP, "dim"))


def _role(row: CheckpointRow) -> str:
    return {"written": "text", "missing": "warn", "gone": "bad"}.get(row.kind, "dim")


def _marks(row: CheckpointRow) -> dict[str, str]:
    both = _both(row)
    return {
        "complete": row.complete,
        "whole": row.complete,
        "finite": row.finite,
        "ok": both,
        "state": row.state,
    }


def _both(row: CheckpointRow) -> str:
    if row.complete == "" or row.finite == "":
        return ""
    if "no" in (row.complete, row.finite):
        return "no"
    return "yes" if row.complete == row.finite == "yes" else "unknown"


def _trouble(row: CheckpointRow) -> tuple[str, str] | None:
    """What must be read, and its role."""
    if row.problem:
        return row.problem, "bad"
    if row.remark:
        return row.remark, "warn"
    return (row.age, "dim") if row.kind == "impossible" else None


def _words(row: CheckpointRow, width: int) -> str:
    """Where room is scarce, that a file will be deleted is worth more than its age."""
    final = "final" if row.final else ""
    said = [row.age, row.fate, final] if width >= ROOMY else [row.until, row.age, row.fate, final]
    return ", ".join(text for text in said if text)
