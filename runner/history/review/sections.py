"""The sections of a review about the training itself, as blocks; a section without blocks is left out.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import starmap

from runner.history.checkpoint_columns import CheckpointFacts, text_columns
from runner.history.plot import Curve, draw_curves
from runner.history.review.best import validation_near
from runner.history.review.document import Block, Bullets, Code, Paragraph, Table
from runner.history.review.model import Review
from runner.model import Checkpoint
from runner.model.units import UNKNOWN, clock, count, duration, file_size, memory_size, pace
from runner.model.units import loss as loss_text

PLOT_WIDTH, PLOT_HEIGHT = 78, 16
#: this share of the points is always drawn
USUAL = 0.96


def moment(at: float | None) -> str:
    """Local time of this machine."""
    return clock("%Y-%m-%d %H:%M:%S", at)


def trained_time(review: Review) -> float | None:
    """Seconds from the start of each attempt to its end, added up; None: an end is unknown."""
    took = [one.ended_at and max(0.0, one.ended_at - one.started_at) for one in review.attempts]
    known = [one for one in took if one is not None]
    return sum(known) if took and len(known) == len(took) else None


# ----------------------------------------------------------------- planned vs. actual


def expected(review: Review) -> Iterator[Block]:
    spec, status = review.snapshot.spec, review.snapshot.status
    forecast = spec.forecast if spec is not None else None
    sizes = [c.size_bytes for c in review.kept if c.size_bytes is not None]
    memory = status.hardware.tree_memory_max_bytes if status is not None else None
    written = len(review.checkpoints) if status is not None else None
    due = due_bytes = None
    if forecast is not None and forecast.checkpoints:
        due = len(forecast.checkpoints)
    if forecast is not None and forecast.checkpoint_bytes is not None:
        staying = sum(1 for c in forecast.checkpoints if c.removed_at_step is None)
        due_bytes = forecast.checkpoint_bytes * staying

    def told(what: str, name: str, fact: float | None, words: _InWords = str) -> _Planned:
        return what, getattr(forecast, name, None), fact, words

    rows: tuple[_Planned, ...] = (
        told("images", "images", review.images),
        told("regularisation images", "reg_images", review.reg_images),
        told("batches per epoch", "batches_per_epoch", review.banner.get("batches_per_epoch")),
        told("epochs", "epochs", review.banner.get("epochs")),
        told("steps", "steps", getattr(status, "step", None)),
        ("checkpoints", due, written, str),
        told("bytes per checkpoint", "checkpoint_bytes", max(sizes, default=None), file_size),
        ("bytes of all checkpoints", due_bytes, sum(sizes) if sizes else None, file_size),
        told("sample images", "samples", getattr(review.samples, "count", None)),
        told("pace", "seconds_per_step", getattr(status, "seconds_per_step", None), pace),
        told("duration", "duration_s", trained_time(review), duration),
        told("training memory", "memory_bytes", memory, memory_size),
    )  # fmt: skip
    cells = tuple(row for row in starmap(_planned, rows) if row[1:] != (UNKNOWN, UNKNOWN))
    yield Table(("what", "planned", "actual"), cells, (1, 2))


_InWords = Callable[[float | None], str]
#: (what, planned, actual, value as text)
_Planned = tuple[str, float | None, float | None, _InWords]


def _planned(
    what: str, forecast: float | None, happened: float | None, words: _InWords
) -> tuple[str, ...]:
    return what, *(UNKNOWN if value is None else words(value) for value in (forecast, happened))


# ----------------------------------------------------------------- attempts


def attempts(review: Review) -> Iterator[Block]:
    found = review.attempts
    if not found:
        return
    heads = ("attempt", "started", "took", "steps", "ended by", "trained again", "started from")
    rows = tuple(
        (
            str(one.attempt),
            moment(one.started_at),
            duration(one.ended_at - one.started_at if one.ended_at is not None else None),
            "none" if one.first_step is None else f"{one.first_step} to {one.last_step}",
            one.how,
            str(one.replayed_steps or "-"),
            one.source or UNKNOWN,
        )
        for one in found
    )
    yield Table(heads, rows, (0, 2, 5))
    lost = (*(one.lost for one in found if one.lost), *_unsaved(review))
    if lost:
        yield Bullets(lost)
    changed = tuple(f"attempt {a.attempt}: {text}" for a in found for text in a.changes)
    if changed:
        yield Bullets(changed)


def _unsaved(review: Review) -> tuple[str, ...]:
    """Steps at the end that are in no file: lost unless the run is resumed."""
    status = review.snapshot.status
    if status is None or review.living:
        return ()
    there = (c for c in review.counted if not (c.removed or c.missing))
    good = [c.step or 0 for c in there if c.complete and c.finite is not False]
    newest = max(good, default=0)
    if newest >= status.step:
        return ()
    return (f"Steps {newest + 1} to {status.step} aren't in any complete checkpoint.",)


# ----------------------------------------------------------------- loss


def loss(review: Review, *, plot: bool, width: int) -> Iterator[Block]:
    facts = review.losses
    if not facts.rows:
        return
    kind = "the trainer's running average"
    if facts.exact:
        kind = f"exact losses for {facts.exact} steps, the running average for the rest"
    if facts.exact == facts.rows:
        kind = "exact losses of the steps"
    text = f"{count(facts.rows, 'step')} with {kind}. Smoothed loss at the end {loss_text(facts.smooth)}"
    if facts.lowest_smooth is not None and facts.lowest_smooth_step != facts.last_step:
        text += f", lowest {loss_text(facts.lowest_smooth)} at step {facts.lowest_smooth_step}"
    yield Paragraph(f"{text}.")
    drawing = loss_plot(review, width=width) if plot else ""
    if drawing:
        yield Code(drawing, "text")
    if review.epochs:
        yield epoch_table(review)


def loss_plot(
    review: Review, *, width: int, height: int = PLOT_HEIGHT, ascii_only: bool = False
) -> str:
    """The mean of neighbouring steps as dots, the smoothed loss as a line; "" without any."""
    means = tuple((float(p.step), p.mean) for p in review.curve if p.mean is not None)
    smooth = tuple((float(p.step), p.smooth) for p in review.curve if p.smooth is not None)
    if not means:
        return ""
    top = _top([value for _, value in (*means, *smooth)])
    over = sum(value > top for _, value in means)
    name = f"loss ({over} of {len(means)} points are above)" if over else "loss"
    curves = [
        Curve(name, tuple(point for point in means if point[1] <= top), dots=True),
        Curve("smoothed", tuple(point for point in smooth if point[1] <= top)),
    ]
    return draw_curves(curves, width=width, height=height, ascii_only=ascii_only)


def _top(values: list[float]) -> float:
    """The upper limit of the plot: a few outliers must not squash the rest."""
    values.sort()
    usual = values[int(USUAL * (len(values) - 1))]
    return values[-1] if values[-1] <= 2 * usual or usual <= 0 else 1.25 * usual


def epoch_table(review: Review) -> Table:
    """A row per epoch; no validation column without validations."""
    heads = (
        *("epoch", "steps", "mean", "lowest", "highest", "smoothed"),
        *("not finite", "took", "validation"),
    )
    rows = [
        (
            str(row.epoch),
            f"{row.first_step}-{row.last_step}{'' if row.whole else ' (part)'}",
            *map(loss_text, (row.mean, row.lowest, row.highest, row.smooth)),
            str(row.nonfinite),
            duration(row.seconds),
            loss_text(row.validation) if row.validation is not None else "-",
        )
        for row in review.epochs
    ]
    shown = 9 if any(row.validation is not None for row in review.epochs) else 8
    return Table(heads[:shown], tuple(row[:shown] for row in rows), tuple(range(shown)))


# ----------------------------------------------------------------- files


def checkpoints(review: Review) -> Iterator[Block]:
    if not review.checkpoints:
        yield Paragraph("No checkpoint was written.")
        return
    spec = review.snapshot.spec
    if spec is not None and spec.output_dir:
        yield Paragraph(f"In {spec.output_dir}")
    places = {c.checkpoint.path: c.place for c in review.candidates}
    columns = text_columns("summary")
    rows = []
    for one in review.checkpoints:
        near = validation_near(one, review.checkpoints, review.validations)
        facts = CheckpointFacts(one, None, places.get(one.path), near if near != one.step else None)
        cells = [column.words(column.cell(facts)) for column in columns]
        rows.append([one.name, *cells, _remarks(one, review)])
    heads = ["file", *(column.name for column in columns), "remark"]
    used = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    marks = {column.name for column in columns if column.mark}
    numeric = [n for n, at in enumerate(used) if heads[at] not in {"file", "remark", *marks}]
    yield Table(
        tuple(heads[at] for at in used),
        tuple(tuple(row[at] or _WITHOUT.get(heads[at], "-") for at in used) for row in rows),
        tuple(numeric),
    )


#: text of an empty cell, by column
_WITHOUT = {"remark": "", "loss": UNKNOWN, "norm": UNKNOWN}


def _remarks(c: Checkpoint, review: Review) -> str:
    fate = "deleted by the trainer" if c.removed else ""
    return "; ".join(text for text in (fate, c.problem, c.remark) if text)


def best(review: Review) -> Iterator[Block]:
    """Advice, labeled as such."""
    if not review.candidates:
        return
    yield Paragraph("This ranking is based on numbers: check the images before you choose.")
    items = []
    for one in review.candidates[:3]:
        words = "; ".join((*one.reasons, *(f"but {text}" for text in one.cautions)))
        items.append(f"place {one.place}: {one.checkpoint.name}: {words or 'no reasons known'}")
    yield Bullets(tuple(items))
