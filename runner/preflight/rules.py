"""Checks that are tables: conditions on flags, each with what is wrong and what would put it right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.config.flags import FlagValue
from runner.preflight.cures.settings import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, failed, passed, short, warned


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` is asked of the flags; `detail` is a sentence; `changes` put it right (False takes a flag
    out), none where a person must choose. `row`: of the failure catalogue that the detail comes from."""

    evidence: str
    broken: Callable[[Facts], bool]
    detail: str
    advice: str
    changes: Mapping[str, FlagValue] = field(default_factory=dict)
    fatal: bool = True
    row: int | None = None


def judge(
    facts: Facts, check: str, title: str, rules: Sequence[Rule], fine: tuple[str, str]
) -> Finding:
    """All broken rules in one finding; the first fatal one gives the evidence. `fine`: evidence and
    detail when none is broken."""
    broken = [rule for rule in rules if rule.broken(facts)]
    if not broken:
        return passed(*fine)
    broken.sort(key=lambda rule: not rule.fatal)
    first = broken[0]
    make = failed if first.fatal else warned
    more = f" +{len(broken) - 1}" if len(broken) > 1 else ""
    evidence = f"{short(first.evidence, 20 - len(more))}{more}"
    detail = " ".join(rule.detail for rule in broken)
    advice = "; ".join(dict.fromkeys(rule.advice for rule in broken))
    finding = make(evidence, detail, advice)
    changes: dict[str, FlagValue] = {}
    for rule in broken:
        changes = {**rule.changes, **changes}
    if not changes:
        return finding
    present = {n: v for n, v in changes.items() if v is not False or n in facts.flags}
    return finding.curable(flag_cure(facts.config, check, title, present))
