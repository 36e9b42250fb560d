"""Questions before a run starts, resumes, is retried or approved. The runner has made the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.model import CheckResult
from runner.model.preview import FlagChange, Preview
from runner.model.units import count
from tui.text import clean
from tui.words.cause import named_place
from tui.words.questions import Choice, Question

#: by order: its answer, and the safe one
ANSWERS = {
    "start": (Choice("start", "Start"), "Don't start"),
    "enqueue": (Choice("enqueue", "Queue"), "Don't start"),
    "resume": (Choice("resume", "Resume"), "Cancel"),
    "retry": (Choice("retry", "Retry"), "Cancel"),
}


def preview_question(order: str, preview: Preview) -> Question:
    """`order`: start, enqueue, resume or retry."""
    answer = ANSWERS[order][0]
    if preview.existing:
        what = count(len(preview.existing), "existing file")
        answer = replace(answer, label=f"{answer.label} and overwrite {what}")
    return Question(
        f"{clean(preview.title, 120).rstrip('?')}?",
        _lines(preview.facts),
        (answer,),
        warnings=_lines(preview.warnings),
        changes=tuple(map(_change, preview.changes)),
        command=clean(preview.command),
    )


def _lines(sentences: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in (clean(text, 1000) for text in sentences) if line)


def _change(change: FlagChange) -> tuple[str, str]:
    before, after = _value(change.before), _value(change.after)
    why = f", {clean(change.why, 200)}" if change.why else ""
    return clean(named_place(change.name), 100), f"{before} \u2192 {after}{why}"


def _value(value: str | None) -> str:
    """A switch is on or off, or not set."""
    if value is None:
        return "not set"
    return "on" if value == "true" else clean(value, 300)


def approve_question(name: str, lines: Sequence[CheckResult] = ()) -> Question:
    """`lines`: the verdict that is approved."""
    shown = [f"{clean(line.title, 30)}: {clean(line.evidence, 60)}" for line in lines]
    facts = (
        *([f"{'; '.join(shown)}."] if shown else []),
        "Then the long run with the same settings can start.",
        "Your approval is recorded with both runs.",
    )
    return Question(f"Approve {name}?", facts, (Choice("approve", "Approve"),))
