"""The card of a run that has ended: why it failed or what came out of it, and the key to press next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual.reactive import reactive

from runner.analysis.diagnosis.titles import cause_title
from runner.model import OVER, Checkpoint, Outcome, RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import count, finite, loss
from tui.kit import glyphs
from tui.kit.paint import Row, Span, fit
from tui.kit.panel import ScrollingPanel
from tui.text import clean, wrap
from tui.words.cause import cause_of, cure_of, outcome_of, recommended, setting_words
from tui.words.checkpoints import best_checkpoint
from tui.words.progress import current_checkpoints, is_good, newest_event, progress_of

# --------------------------------------------------------------------------- the model


@dataclass(frozen=True, slots=True)
class ResultCard:
    """`title`, `evidence`, `advice`: of the cause, empty where none is known. `changes`: settings that would
    help; `cured`: `y` applies them. `leads`: the recommended action, if any; `resume_step`: the state that it
    resumes from. `best`: the best checkpoint and why; `sample`: the newest sample images."""

    title: str = ""
    evidence: str = ""
    advice: str = ""
    changes: tuple[str, ...] = ()
    cured: bool = False
    resume_step: int = 0
    leads: str = ""
    best: tuple[str, ...] = ()
    sample: str = ""


def result_card(snapshot: RunSnapshot | None) -> ResultCard | None:
    """None while the run is not over."""
    if snapshot is None or snapshot.status is None or snapshot.state not in OVER:
        return None
    leads, cause = recommended(snapshot), cause_of(snapshot)
    resumable = snapshot.status.safe_step if leads == "resume" else 0
    card = ResultCard(
        leads=leads, resume_step=resumable, best=_best(snapshot), sample=_sample(snapshot)
    )
    if cause is None:
        return card
    cure = cure_of(cause)
    helps = cure or ((clean(cause.fix, 120),) if cause.fix else ())
    return replace(
        card,
        title=clean(cause_title(cause.key), 80),
        evidence=clean(cause.evidence, 600),
        advice=clean(cause.advice, 600),
        changes=tuple(map(setting_words, helps)),
        cured=bool(cure),
    )


def _best(snapshot: RunSnapshot) -> tuple[str, ...]:
    """Its step, its loss, and by what it is the best."""
    best = best_checkpoint(snapshot)
    good = [one for one in current_checkpoints(snapshot) if is_good(one)]
    if best is not None:
        return (f"Best checkpoint: step {best.step}", _reason(best, good), clean(best.name, 200))
    if good:
        return (f"Newest checkpoint: step {good[-1].step}", "no loss to rank it by")
    trained = progress_of(snapshot).step > 0 or outcome_of(snapshot) is Outcome.SUCCEEDED
    saved = bool(current_checkpoints(snapshot))
    return ("No usable checkpoint" if saved else "No checkpoint saved",) if trained else ()


def _reason(best: Checkpoint, good: Sequence[Checkpoint]) -> str:
    validated = finite(best.validation_loss) is not None
    value = loss(best.validation_loss if validated else best.loss)
    kind = "validation loss" if validated else "loss"
    return f"{kind} {value}, best of {len(good)}" if len(good) > 1 else f"{kind} {value}"


def _sample(snapshot: RunSnapshot) -> str:
    newest = newest_event(snapshot, "sampling")
    step = newest.data.get("step") if newest is not None else None
    return f"sample images, newest of step {step}" if step is not None else ""


# --------------------------------------------------------------------------- rows


def result_rows(card: ResultCard, width: int, can_retry: bool) -> list[Row]:
    """All of it, actions before notes. `can_retry`: the key does something now."""
    room = max(8, width - 2)

    def lines(text: str, role: str, indent: str = "") -> list[Row]:
        return [(Span(" "), Span(line, role)) for line in wrap(text, room, indent)] if text else []

    def key(name: str, text: str, strong: bool = False) -> list[Row]:
        first, *more = wrap(text, room - 2) if text else ("",)
        head: Row = (
            Span(" "),
            Span(name, "key"),
            Span(f" {first}", "strong" if strong else "text"),
        )
        return [head, *((Span("   "), Span(line, "text")) for line in more)]

    resume = key("r", f"resume from step {card.resume_step}", True) if card.resume_step else []
    helps: list[Row] = []
    if card.changes:
        applies = card.cured and can_retry
        helps = (
            key("y", "retry with", card.leads == "retry")
            if applies
            else lines("What may help:", "dim")
        )
        for change in card.changes:
            helps += lines(f"  {change}", "strong" if card.leads == "retry" else "text", "    ")
    best: list[Row] = []
    if card.best:
        usable = len(card.best) > 1
        sign = Span(glyphs.BEST if usable else glyphs.NO, "good" if usable else "warn")
        best = [(Span(" "), sign, Span(f" {card.best[0]}", "strong"))]
        best += [row for text in card.best[1:] for row in lines(f"  {text}", "dim", "  ")]
    review = [
        *key("m", "summary, export" if len(card.best) > 1 else "summary"),
        *(key("i", card.sample) if card.sample else []),
    ]
    if not card.title:
        rows = [*resume, *best, *helps, *review]
    else:
        rows = lines(f"{glyphs.NO} {card.title}", "bad", "  ") + lines(card.evidence, "text")
        rows += [*resume, *helps, *best, *lines(card.advice, "dim"), *review]
    return [fit(row, width) for row in rows]


# --------------------------------------------------------------------------- the widget


class ResultPanel(ScrollingPanel):
    FOLLOWS = False

    model: reactive[ResultCard | None] = reactive(None, layout=False, repaint=False)
    #: does the key retry now?
    can_retry: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.TITLE = "Cause" if self.model is not None and self.model.title else "Result"
        self.repaint()

    def watch_can_retry(self) -> None:
        self.repaint()

    def content(self, width: int, height: int) -> Sequence[Row]:
        if self.model is None:
            return ()
        rows = result_rows(self.model, width, self.can_retry)
        if len(rows) <= height:
            self.window(len(rows), height, 0)
            return rows
        room = height - 1
        top = self.window(len(rows), room, 0)
        hidden = len(rows) - top - room
        more = f" {glyphs.ELLIPSIS} {count(hidden, 'more line')}" if hidden else " end"
        return [*rows[top : top + room], (Span(more, "dim"),)]
