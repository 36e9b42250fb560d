"""Will as many steps be trained as the user thinks? Regularisation images often double them."""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned


def look(facts: Facts) -> Finding:
    forecast = facts.forecast()
    told = " ".join(f"{warning}." for warning in map(_bare, forecast.warnings))
    if forecast.steps is None:
        return skipped("cannot be told", told)
    expected = facts.config.expect.steps
    words = f"{forecast.steps} steps"
    detail = f"{words}: {forecast.epochs} epochs of {forecast.batches_per_epoch} batches. {told}"
    if facts.smoke or expected is None:
        return passed(words, detail.strip())
    if forecast.steps != expected:
        cure = f"steps = {forecast.steps} in [expect], or change the dataset or the epochs"
        return warned(f"{words}, not {expected}", detail.strip(), cure)
    return passed(words, detail.strip())


def _bare(sentence: str) -> str:
    return sentence.rstrip(".")


CHECK = Check("steps", "Steps", look)
