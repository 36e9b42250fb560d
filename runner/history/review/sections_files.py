"""The sections of a review that tell of the files of weights, and which of them may be the best. Pure."""

from __future__ import annotations

from runner.history.review.best import validation_near
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
    gone = gone and not review.never_seen(c)
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


def file_words(one: Checkpoint | None, review: Review) -> tuple[str, bool | None]:
    """(what it is, is it good); None: not known."""
    if one is None:
        return "was never written", False
    if one.removed:
        return "deleted by the trainer, as it was told to", True
    if review.never_seen(one):
        return one.problem or "not found", None
    if one.replaced is not None:
        return f"was {one.replaced}", False
    if one.missing or (one.path in review.sizes_now and review.sizes_now[one.path] is None):
        return "is gone", False
    now = review.sizes_now.get(one.path)
    if now is not None and one.size_bytes is not None and now != one.size_bytes:
        return f"has changed since: {now:,} bytes, not {one.size_bytes:,}", False
    if one.complete is False:
        return one.problem or "not complete", False
    if one.finite is False:
        return one.problem or "holds values that are not finite", False
    size = file_size(one.size_bytes)
    if one.complete is None or one.finite is None:
        return f"{size}, {one.problem or 'not looked at'}", None
    return size, True
