"""What resuming and approving would do, as far as the snapshot tells; the runner makes the real plan."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import CheckResult, RunSnapshot
from tui.text import clean
from tui.viewmodel.progress import progress_of
from tui.viewmodel.stopping import Choice, Question


def resume_question(snapshot: RunSnapshot, name: str) -> Question:
    progress = progress_of(snapshot)
    source = progress.safe_step
    total = f" to {progress.total_steps}" if progress.total_steps else ""
    facts = [f"It goes on from the state of step {source}{total}, as a new attempt of this run."]
    again = progress.step - source
    if again > 0:
        facts.append(f"The steps {source + 1} to {progress.step} are trained again.")
    facts.append("The new attempt writes into a folder of its own; nothing is overwritten.")
    return Question(f"Resume {name}?", tuple(facts), (Choice("resume", "Resume"),))


def approve_question(name: str, lines: Sequence[CheckResult] = ()) -> Question:
    """`lines`: the verdict that is approved."""
    shown = [f"{clean(line.title, 30)}: {clean(line.evidence, 60)}" for line in lines]
    facts = (
        *([f"{'; '.join(shown)}."] if shown else []),
        "The long run with the same settings may start after that.",
        "Who approved, and when, is written down with both runs.",
    )
    return Question(f"Approve {name}?", facts, (Choice("approve", "Approve"),))
