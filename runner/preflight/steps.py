"""Will as many steps be trained as the user thinks? Regularisation images often double them."""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.units import count


def look(facts: Facts) -> Finding:
    forecast = facts.forecast()
    told = " ".join(f"{warning.rstrip('.')}." for warning in forecast.warnings)
    if forecast.steps is None:
        return skipped("cannot be told", told)
    words = f"{forecast.steps} steps"
    if forecast.steps == 0:
        return failed(words, told, "look at the image folders of the dataset")
    detail = f"{count(forecast.epochs or 0, 'epoch')} of {forecast.batches_per_epoch} batches"
    detail = f"{words}: {detail}. {told}".strip()
    expected = None if facts.smoke else facts.config.expect.steps
    if expected is not None and forecast.steps != expected:
        cure = f"steps = {forecast.steps} in [expect], or change the dataset or the epochs"
        return warned(f"{words}, not {expected}", detail, cure)
    surprising = set(forecast.warnings) - set(facts.plan().warnings)
    if expected is None and surprising and not facts.smoke:
        return warned(words, detail, f"steps = {forecast.steps} in [expect] if that is meant")
    return passed(words, detail)


CHECK = Check("steps", "Steps", look)
