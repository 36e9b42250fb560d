"""The preflight checklist as rows: what needs a person first, with what is still to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

from runner.model import CheckResult
from runner.model.lean import dataclass
from tui.text import clean

#: the rest stands in the order of the checks
_ORDER = {"fail": 0, "warn": 1, "running": 2, "pass": 3, "unseen": 3, "skip": 4}
_ROLES = {"fail": "bad", "warn": "warn", "pass": "good", "running": "accent"}
_MARKS = {"fail": "no", "warn": "warn", "pass": "yes", "running": "running", "unseen": "unknown"}


class CheckName(NamedTuple):
    """A check before it has a result."""

    name: str
    title: str
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """What is known of the checks of one configuration. `known`: all of them, in their order;
    `running`: names of those whose result is still to come; `breakable`: Escape ends them."""

    known: tuple[CheckName, ...] = ()
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    breakable: bool = True

    def begun(self, names: Iterable[str], breakable: bool = True) -> Checklist:
        """Of these the results so far are no longer what is true now."""
        asked = frozenset(names)
        kept = {name: found for name, found in self.results.items() if name not in asked}
        return Checklist(self.known, kept, asked, breakable)

    def found(self, result: CheckResult) -> Checklist:
        results = {**self.results, result.name: result}
        return replace(self, results=results, running=self.running - {result.name})

    def ended(self) -> Checklist:
        """All are done, or it was broken off: nothing runs any more."""
        return replace(self, running=frozenset())

    def in_order(self) -> tuple[CheckResult, ...]:
        """The results, those of unknown checks last."""
        names = [one.name for one in self.known]
        first = [self.results[name] for name in names if name in self.results]
        return (*first, *(r for name, r in self.results.items() if name not in names))

    def unseen(self) -> tuple[CheckName, ...]:
        return tuple(one for one in self.known if one.name not in self.results)


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """`mark` names a shape, `role` repeats it in colour. `detail`: one whole sentence; `advice`: what a
    person can do; `fix`: the name of a cure that plasma-tui has."""

    mark: str
    title: str
    evidence: str
    role: str
    name: str = ""
    detail: str = ""
    advice: str = ""
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class PreflightList:
    rows: tuple[PreflightRow, ...]
    summary: str
    running: bool = False


def preflight_list(checks: Sequence[CheckResult]) -> PreflightList:
    """Failures, then warnings, then the rest in the order of the checks, then what was skipped."""
    return _listed([(check.status, _row(check)) for check in checks], checks)


def checklist_view(checklist: Checklist) -> PreflightList:
    """The same with the checks that have no result; those that run stand above what has passed."""
    found = {check.name: check for check in checklist.in_order()}
    names = [*(one.name for one in checklist.known), *found]
    titles = {one.name: one.title for one in checklist.known}
    rows = []
    for name in dict.fromkeys(names):
        if name in checklist.running:
            rows.append(("running", _waiting(name, titles.get(name, name), "running")))
        elif name in found:
            rows.append((found[name].status, _row(found[name])))
        else:
            rows.append(("unseen", _waiting(name, titles.get(name, name), "unseen")))
    view = _listed(rows, tuple(found.values()))
    if checklist.running:
        done = len(checklist.known) - len(checklist.running)
        how = ", esc ends" if checklist.breakable else ""
        return replace(view, summary=f"{done} of {len(checklist.known)}{how}", running=True)
    return view


def _listed(
    rows: Sequence[tuple[str, PreflightRow]], checks: Sequence[CheckResult]
) -> PreflightList:
    ordered = sorted(rows, key=lambda row: _ORDER.get(row[0], 4))
    return PreflightList(tuple(row for _, row in ordered), summary_of(checks))


def summary_of(checks: Sequence[CheckResult]) -> str:
    """How many of each, what needs a person first."""
    words = {"fail": "failed", "warn": "to look at", "pass": "passed", "skip": "skipped"}
    counts = {status: sum(c.status == status for c in checks) for status in words}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])


def first_failing(checks: Sequence[CheckResult]) -> CheckResult | None:
    """The check that a person should look at first: a failed one, else one that warns and has a cure."""
    failed = [check for check in checks if check.status == "fail"]
    curable = [check for check in (*failed, *checks) if check.fix and check.status != "pass"]
    return next(iter((*failed, *curable)), None)


def _row(check: CheckResult) -> PreflightRow:
    return PreflightRow(
        _MARKS.get(check.status, "skip"),
        clean(check.title or check.name.replace("_", " "), 60),
        clean(check.evidence, 300),
        _ROLES.get(check.status, "dim"),
        check.name,
        clean(check.detail or check.evidence, 1000),
        clean(check.advice, 600),
        check.fix if check.status in ("fail", "warn") else None,
    )


def _waiting(name: str, title: str, how: str) -> PreflightRow:
    words = {"running": "running", "unseen": "p looks"}
    told = {"running": "Being looked at.", "unseen": "Not looked at yet: p runs all checks."}
    shown = clean(title, 60)
    return PreflightRow(_MARKS[how], shown, words[how], _ROLES.get(how, "dim"), name, told[how])
