"""The sections of a review that tell of the training itself. Pure; texts are as they came."""

from __future__ import annotations

import time
from collections.abc import Callable

from runner.history.plot import Curve, draw_curves
from runner.history.review.attempts import AttemptReview
from runner.history.review.checklist import checklist
from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Points,
    Section,
    Table,
)
from runner.history.review.model import Review
from runner.model.units import UNKNOWN, count, duration, file_size, memory_size, pace
from runner.model.units import loss as loss_text

PLOT_WIDTH, PLOT_HEIGHT = 78, 16
#: this share of the points is drawn in any case
USUAL = 0.96


def checklist_section(review: Review) -> Section:
    return Section("checklist", "Checklist", (Points(checklist(review)),))


# ----------------------------------------------------------------- expected and happened


def expected_section(review: Review) -> Section:
    rows = [row for row in _expected_rows(review) if row[1] != UNKNOWN or row[2] != UNKNOWN]
    head = ("what", "forecast", "happened")
    return Section("expected", "Expected and happened", (Table(head, tuple(rows), (1, 2)),))


def _expected_rows(review: Review) -> list[tuple[str, str, str]]:
    snapshot = review.snapshot
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    sizes = [c.size_bytes for c in review.kept if c.size_bytes is not None]
    took = trained_time(review)
    samples = review.samples.count if review.samples is not None else None

    def row(
        what: str, name: str, fact: float | None, words: Callable[[float | None], str] = str
    ) -> tuple[str, str, str]:
        said = getattr(forecast, name) if forecast is not None else None
        return what, _words(said, words), _words(fact, words)

    written = len(review.checkpoints) if status is not None else None
    due = len(forecast.checkpoints) if forecast is not None and forecast.checkpoints else None
    return [
        row("images", "images", review.images),
        row("regularisation images", "reg_images", review.reg_images),
        row("batches an epoch", "batches_per_epoch", review.banner.get("batches_per_epoch")),
        row("epochs", "epochs", review.banner.get("epochs")),
        row("steps", "steps", status.step if status is not None else None),
        ("files of weights", _words(due), _words(written)),
        row("bytes of one file", "checkpoint_bytes", max(sizes, default=None), file_size),
        ("bytes of all files", file_size(_all_bytes(review)), file_size(sum(sizes) if sizes else None)),
        row("sample images", "samples", samples),
        row(
            "pace", "seconds_per_step",
            status.seconds_per_step if status is not None else None, pace,
        ),
        row("duration", "duration_s", took, duration),
        row(
            "memory of the training", "memory_bytes",
            status.hardware.tree_memory_max_bytes if status is not None else None, memory_size,
        ),
    ]  # fmt: skip


def _all_bytes(review: Review) -> int | None:
    spec = review.snapshot.spec
    forecast = spec.forecast if spec is not None else None
    if forecast is None or forecast.checkpoint_bytes is None:
        return None
    kept = [c for c in forecast.checkpoints if c.removed_at_step is None]
    return forecast.checkpoint_bytes * len(kept)


def _words(value: float | None, words: Callable[[float | None], str] = str) -> str:
    return UNKNOWN if value is None else words(value)


def trained_time(review: Review) -> float | None:
    """Seconds from the start of each attempt to its end, added up; None: an end is not known."""
    if not review.attempts or any(one.ended_at is None for one in review.attempts):
        return None
    return sum(max(0.0, (one.ended_at or 0.0) - one.started_at) for one in review.attempts)


# ----------------------------------------------------------------- attempts


def attempts_section(review: Review) -> Section | None:
    found = review.attempts
    if not found:
        return None
    rows = tuple(_attempt(one) for one in found)
    heads = ("attempt", "started", "took", "steps", "ended by", "trained again", "began from")
    blocks: list[Block] = [Table(heads, rows, (0, 2, 5))]
    lost = attempts_lost(review)
    if lost:
        blocks.append(Bullets(lost))
    changed = [f"attempt {a.attempt}: {text}" for a in found for text in a.changes]
    if changed:
        blocks.append(Bullets(tuple(changed)))
    return Section("attempts", "Attempts", tuple(blocks))


def _attempt(one: AttemptReview) -> tuple[str, ...]:
    steps = "none"
    if one.first_step is not None:
        steps = f"{one.first_step} to {one.last_step}"
    took = one.ended_at - one.started_at if one.ended_at is not None else None
    again = str(one.replayed_steps) if one.replayed_steps else "-"
    return (
        str(one.attempt), moment(one.started_at), duration(took), steps, one.how, again,
        one.source or UNKNOWN,
    )  # fmt: skip


def attempts_lost(review: Review) -> tuple[str, ...]:
    """What each end has cost: steps trained again and the time they took, the break, the start-up."""
    found = []
    for one, after in zip(review.attempts, review.attempts[1:], strict=False):
        words = []
        if one.replayed_steps:
            took = f" ({duration(one.replayed_s)} of training)" if one.replayed_s else ""
            words.append(f"{count(one.replayed_steps, 'step')} trained again{took}")
        if one.idle_s is not None:
            words.append(f"{duration(one.idle_s)} until attempt {after.attempt} was started")
        if after.startup_s is not None:
            words.append(f"{duration(after.startup_s)} until its first step")
        if words:
            found.append(f"The end of attempt {one.attempt} cost {', '.join(words)}.")
    return (*found, *_unsaved(review))


def _unsaved(review: Review) -> tuple[str, ...]:
    """Steps at the end that are in no file: what a run that broke off has lost unless it goes on."""
    status = review.snapshot.status
    if status is None or review.living or not status.step:
        return ()
    good = [
        c.step for c in review.counted
        if c.step is not None and c.complete and c.finite is not False and not c.removed
        and not c.missing
    ]  # fmt: skip
    newest = max(good, default=0)
    if newest >= status.step:
        return ()
    return (f"Steps {newest + 1} to {status.step} are in no whole file of weights.",)


# ----------------------------------------------------------------- loss


def loss_section(review: Review, *, plot: bool, width: int = PLOT_WIDTH) -> Section | None:
    facts = review.losses
    if not facts.rows:
        return None
    blocks: list[Block] = [Paragraph(_loss_words(review))]
    drawing = loss_plot(review, width=width) if plot else ""
    if drawing:
        blocks.append(Code(drawing, "text"))
    if review.epochs:
        blocks.append(epoch_table(review))
    return Section("loss", "Loss", tuple(blocks))


def _loss_words(review: Review) -> str:
    facts = review.losses
    kind = (
        "exact losses of the steps" if facts.exact == facts.rows
        else "the trainer's running average" if not facts.exact
        else f"exact losses for {facts.exact} steps, the running average for the others"
    )  # fmt: skip
    text = f"{count(facts.rows, 'step')} with {kind}. Smoothed loss at the end {loss_text(facts.smooth)}"
    if facts.lowest_smooth is not None and facts.lowest_smooth_step != facts.last_step:
        text += f", lowest {loss_text(facts.lowest_smooth)} at step {facts.lowest_smooth_step}"
    return f"{text}."


def loss_plot(
    review: Review, *, width: int, height: int = PLOT_HEIGHT, ascii_only: bool = False
) -> str:
    """The mean of neighbouring steps as dots, the smoothed loss as a line; "" without any."""
    means = tuple((float(p.step), p.mean) for p in review.curve if p.mean is not None)
    smooth = tuple((float(p.step), p.smooth) for p in review.curve if p.smooth is not None)
    if not means:
        return ""
    top = _top([value for _, value in (*means, *smooth)])
    over = sum(1 for _, value in means if value > top)
    name = f"loss ({over} of {len(means)} points lie above)" if over else "loss"
    shown = tuple(point for point in means if point[1] <= top)
    line = tuple(point for point in smooth if point[1] <= top)
    curves = [Curve(name, shown, dots=True), Curve("smoothed", line)]
    return draw_curves(curves, width=width, height=height, ascii_only=ascii_only)


def _top(values: list[float]) -> float:
    """Where the drawing ends: a few wild steps must not press all others into one row."""
    ordered = sorted(values)
    usual = ordered[int(USUAL * (len(ordered) - 1))]
    return max(ordered) if max(ordered) <= 2 * usual or usual <= 0 else 1.25 * usual


def epoch_table(review: Review) -> Table:
    """A row an epoch; without validation there is no column for it."""
    heard = any(row.validation is not None for row in review.epochs)
    heads = ("epoch", "steps", "mean", "lowest", "highest", "smoothed", "not finite", "took")
    rows: list[tuple[str, ...]] = []
    for row in review.epochs:
        steps = f"{row.first_step}-{row.last_step}{'' if row.whole else ' (part)'}"
        cells: tuple[str, ...] = (
            str(row.epoch), steps, loss_text(row.mean), loss_text(row.lowest),
            loss_text(row.highest), loss_text(row.smooth), str(row.nonfinite),
            duration(row.seconds),
        )  # fmt: skip
        if heard:
            cells = (*cells, loss_text(row.validation) if row.validation is not None else "-")
        rows.append(cells)
    return Table(
        (*heads, "validation") if heard else heads, tuple(rows), tuple(range(9 if heard else 8))
    )


def moment(at: float | None) -> str:
    """Local time of the machine that tells it."""
    return UNKNOWN if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
