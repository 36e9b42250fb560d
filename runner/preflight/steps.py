"""Will as many steps be trained as the user thinks? Regularisation images often double them."""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import key_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.trainers.sd_scripts.dataset import DatasetError


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
        advice = f"steps = {forecast.steps} in [expect], or change the dataset or the epochs"
        return warned(f"{words}, not {expected}", detail, advice).curable(
            _cure(facts, forecast.steps)
        )
    surprising = set(forecast.warnings) - _of_the_plan(facts)
    if expected is None and surprising and not facts.smoke:
        advice = f"steps = {forecast.steps} in [expect] if that is meant"
        return warned(words, detail, advice).curable(_cure(facts, forecast.steps))
    return passed(words, detail)


def _of_the_plan(facts: Facts) -> set[str]:
    """What other checks tell of the dataset."""
    try:
        return set(facts.plan().warnings)
    except DatasetError:
        return set()


def _cure(facts: Facts, steps: int) -> Cure:
    return key_cure(facts.config, "steps", f"expect {steps} steps", "expect", {"steps": steps})


CHECK = Check("steps", "Steps", look)
