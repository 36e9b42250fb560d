"""From a name to a cure: the check is looked at again, and what it offers is what is done."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from runner.config.model import Config
from runner.preflight.cures.model import Cure
from runner.preflight.facts import Facts
from runner.preflight.registry import CHECKS

#: second cures, by the check that offers them
BESIDE: Mapping[str, str] = {"accelerate_file": "accelerate"}


def cure_for(
    name: str,
    config: Config,
    *,
    smoke: bool = False,
    cancelled: threading.Event | None = None,
) -> Cure | None:
    """The cure for what the check of that name finds now; None: nothing to cure, or nothing that could.

    `name` is that of a check or of one of its further cures. Raises KeyError for any other name. May take as
    long as the check (the probe's answer is remembered). What it does is in `will_do`; nothing is changed
    before `apply`.
    """
    check = next((check for check in CHECKS if check.name == check_of(name)), None)
    if check is None:
        raise KeyError(name)
    facts = Facts(config, smoke=smoke, cancelled=cancelled)
    found = check.look(facts).possible(facts.platform)
    named = next((cure for cure in found.cures if cure.name == name), None)
    if named is None and name == check.name and found.cures:
        return found.cures[0]  # what is wrong here is cured at its root, in another check
    return named


def check_of(name: str) -> str:
    """The check that offers the cure of that name."""
    return BESIDE.get(name, name)


def known_names() -> tuple[str, ...]:
    """Every name that `cure_for` takes."""
    return (*(check.name for check in CHECKS), *BESIDE)
