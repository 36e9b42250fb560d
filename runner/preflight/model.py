"""What a check is, how it registers, what it finds; a check of flags only is a table of `Rule`s."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.analysis.diagnosis.needs import any_ruled_out
from runner.model.units import some as some
from runner.preflight.cures.model import Cure, Fix
from runner.preflight.cures.settings import cure_of
from runner.preflight.facts import Facts
from runner.trainers.sd_scripts.dataset import DatasetError

#: the panel is 22 columns wide; after a mark and a space
EVIDENCE_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`evidence`: a few words; `detail`: one full sentence; `advice`: a command or a change to make; `fixes`:
    automatic fixes, a key offers the first one; `cures`: the same, ready to apply."""

    status: str  # pass, warn, fail, skip
    evidence: str
    detail: str = ""
    advice: str = ""
    fixes: tuple[Fix | Cure | None, ...] = ()
    cures: tuple[Cure, ...] = ()

    def fixed_by(self, *fixes: Fix | Cure | None) -> Finding:
        return replace(self, fixes=fixes)

    def curable(self, facts: Facts, check: str) -> Finding:
        """The same, with the fixes that the platform allows."""
        if not any(self.fixes):
            return self
        cures = (cure_of(fix, facts, check) if isinstance(fix, Fix) else fix for fix in self.fixes)
        platform = facts.platform
        possible = (c for c in cures if c is not None and not any_ruled_out(c.changes, platform))
        return replace(self, cures=tuple(possible))


def passed(evidence: str, detail: str = "", *fixes: Cure) -> Finding:
    return Finding("pass", short(evidence), detail, fixes=fixes)


def skipped(evidence: str, detail: str = "") -> Finding:
    return Finding("skip", short(evidence), detail)


def warned(evidence: str, detail: str, advice: str = "", *fixes: Fix | Cure | None) -> Finding:
    return Finding("warn", short(evidence), detail, advice or _words(fixes), fixes)


def failed(evidence: str, detail: str, advice: str = "", *fixes: Fix | Cure | None) -> Finding:
    return Finding("fail", short(evidence), detail, advice or _words(fixes), fixes)


def _words(fixes: Sequence[Fix | Cure | None]) -> str:
    """Without other advice: do the fix by hand."""
    return "; ".join(fix.words for fix in fixes if isinstance(fix, Fix))


def short(text: str, limit: int = EVIDENCE_LIMIT) -> str:
    """Cut in the middle: the ends of a name identify it."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


# ----------------------------------------------------------------- registration

Look = Callable[[Facts], Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is for machines and `check --fix`, `title` for the panel. `slow`: may take seconds. `order`: the
    position in the panel. `cures`: names of further fixes, besides its own name. `foresees`: the causes of
    failed runs (keys of the diagnosis) that it reports before the start."""

    name: str
    title: str
    look: Look
    slow: bool = False
    order: int = 0
    cures: tuple[str, ...] = ()
    foresees: tuple[str, ...] = ()


#: unordered; `runner.preflight.registry` imports all modules with checks
REGISTERED: list[Check] = []


def _script(facts: Facts) -> Finding | None:
    return None if facts.script else skipped("unknown", f"{facts.script_name} is unknown here.")


def _launcher(facts: Facts) -> Finding | None:
    launched = facts.config.trainer.launcher == "accelerate"
    return None if launched else skipped("no launcher", "Python starts the script directly.")


def _python(facts: Facts) -> Finding | None:
    return skipped("python does not run") if facts.interpreter().problem else None


def _accelerate(facts: Facts) -> Finding | None:
    absent = sorted({"torch", "accelerate"} & set(facts.interpreter().missing()))
    return skipped("packages missing", f"No {' and no '.join(absent)}.") if absent else None


#: what a check may need, as `needs="python script"`; each gives the reason for skipping
NEEDS: dict[str, Callable[[Facts], Finding | None]] = {
    "script": _script, "launcher": _launcher, "python": _python, "accelerate": _accelerate
}  # fmt: skip


def check(
    name: str,
    title: str,
    order: int,
    *,
    needs: str = "",
    slow: bool = False,
    cures: Sequence[str] = (),
    foresees: Sequence[str] = (),
) -> Callable[[Look], Look]:
    """Registers a function as a check. It is skipped if one of its `needs` is not met or the dataset cannot
    be read (the check `dataset` reports why), and not run if the trainer program decides it."""

    def register(look: Look) -> Look:
        @functools.wraps(look)
        def guarded(facts: Facts) -> Finding:
            if settled := facts.demands.settled.get(name):
                return Finding(*settled)
            for need in needs.split():
                if unmet := NEEDS[need](facts):
                    return unmet
            try:
                return look(facts).curable(facts, name)
            except DatasetError as error:
                return skipped("dataset unread", str(error))

        made = Check(name, title, guarded, slow, order, tuple(cures), tuple(foresees))
        REGISTERED.append(made)
        return guarded

    return register


# ----------------------------------------------------------------- tables of rules


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` tests the flags; `detail` is a sentence; `changes` fix it, none if the user must choose by the
    `advice`."""

    evidence: str
    broken: Callable[[Facts], bool]
    detail: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    fatal: bool = True


def judge(facts: Facts, title: str, rules: Sequence[Rule], fine: tuple[str, str]) -> Finding:
    """All broken rules in one finding; the first fatal one gives the evidence. `title`: of the fix; `fine`:
    evidence and detail when none is broken."""
    broken = sorted((rule for rule in rules if rule.broken(facts)), key=lambda rule: not rule.fatal)
    if not broken:
        return passed(*fine)
    more = f" +{len(broken) - 1}" if len(broken) > 1 else ""
    changes: dict[str, Any] = {}
    advice: dict[str, None] = {}
    for rule in broken:
        own = {n: v for n, v in rule.changes.items() if v is not False or n in facts.flags}
        advice[rule.advice or Fix(title, own).words] = None
        changes = own | changes
    make = failed if broken[0].fatal else warned
    return make(
        short(broken[0].evidence, EVIDENCE_LIMIT - len(more)) + more,
        " ".join(rule.detail for rule in broken),
        "; ".join(advice),
        Fix(title, changes) if changes else None,
    )
