"""The sections of a review that tell of the files of weights, and which of them may be the best. Pure."""

from __future__ import annotations

from runner.history.review.best import validation_near
from runner.history.review.checklist import never_seen
from runner.history.review.document import Bullets, Paragraph, Section, Table
from runner.history.review.model import Review
from runner.model import Checkpoint
from runner.model.units import UNKNOWN, change_percent, file_size
from runner.model.units import loss as loss_text


def checkpoints_section(review: Review) -> Section:
    found = review.checkpoints
    if not found:
        return Section("checkpoints", "Checkpoints", (Paragraph("None was written."),))
    places = {c.checkpoint.path: c.place for c in review.candidates}
    heard = any(c.validation_loss is not None for c in found)
    heads: tuple[str, ...] = (
        "file",
        "step",
        "size",
        "whole",
        "finite",
        "state",
        "loss",
        "norm",
        "change",
        "place",
    )
    heads = (*heads, "validation", "remark") if heard else (*heads, "remark")
    rows = [_checkpoint(c, places.get(c.path), heard, review) for c in found]
    spec = review.snapshot.spec
    folder = spec.output_dir if spec is not None else None
    where = [Paragraph(f"In {folder}")] if folder else []
    return Section(
        "checkpoints",
        "Checkpoints",
        (*where, Table(heads, tuple(rows), (1, 2, 6, 7, 8, 9))),
    )


_YES = {True: "yes", False: "NO", None: UNKNOWN}


def _checkpoint(c: Checkpoint, place: int | None, heard: bool, review: Review) -> tuple[str, ...]:
    state = "none" if c.state_path is None else _YES[c.state_complete]
    gone = c.missing or (not c.removed and review.sizes_now.get(c.path, 0) is None)
    gone = gone and not never_seen(c, review)
    remarks = [
        "deleted by the trainer" if c.removed else c.replaced or ("GONE" if gone else ""),
        c.problem if c.problem and c.problem != c.replaced else "", c.remark or "",
    ]  # fmt: skip
    change = "-"
    if c.norm_change is not None:
        change = f"{'+' if c.norm_change >= 0 else '-'}{change_percent(c.norm_change * 100)}"
    return (
        c.name,
        str(c.step) if c.step is not None else UNKNOWN,
        file_size(c.size_bytes),
        _YES[c.complete],
        _YES[c.finite],
        state,
        loss_text(c.loss),
        f"{c.norm:.3g}" if c.norm is not None else UNKNOWN,
        change,
        str(place) if place is not None else "-",
        *((_validation(c, review),) if heard else ()),
        "; ".join(text for text in remarks if text),
    )


def _validation(c: Checkpoint, review: Review) -> str:
    """With its step, where that is another one than the file's."""
    if c.validation_loss is None:
        return "-"
    near = validation_near(c, review.checkpoints, review.validations)
    at = f" at {near}" if near is not None and near != c.step else ""
    return loss_text(c.validation_loss) + at


def best_section(review: Review) -> Section | None:
    """Advice, and clearly said to be."""
    if not review.candidates:
        return None
    items = []
    for one in review.candidates[:3]:
        words = [*one.reasons, *(f"but {text}" for text in one.cautions)]
        items.append(
            f"place {one.place}: {one.checkpoint.name}: {'; '.join(words) or 'no reasons known'}"
        )
    text = "This is advice by numbers: look at the images before you choose."
    return Section("best", "Best checkpoint", (Paragraph(text), Bullets(tuple(items))))
