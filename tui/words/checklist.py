"""The preflight checklist: results and pending checks, as rows ordered by severity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

from runner.model import CheckResult
from runner.model.lean import dataclass
from tui.text import clean

#: most severe first; equals keep the order of the checks
_ORDER = {"fail": 0, "warn": 1, "running": 2, "unseen": 3, "pass": 4, "skip": 5}
_ROLES = {"fail": "bad", "warn": "warn", "pass": "good", "running": "accent"}
_MARKS = {"fail": "no", "warn": "warn", "pass": "yes", "running": "running", "unseen": "unknown"}


class CheckName(NamedTuple):
    """A check before it has a result."""

    name: str
    title: str
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """The checks of one configuration. `known`: all, in their own order; `running`: names of those without a
    result yet, of `asked` in all; `held`: the order of the rows until they are done; `breakable`: Escape
    cancels them."""

    known: tuple[CheckName, ...] = ()
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    asked: int = 0
    breakable: bool = True
    held: tuple[str, ...] = ()

    def begun(self, names: Iterable[str], breakable: bool = True) -> Checklist:
        """These checks run again: their earlier results are outdated."""
        asked = frozenset(names)
        kept = {name: found for name, found in self.results.items() if name not in asked}
        return Checklist(self.known, kept, asked, len(asked), breakable, self.order())

    def found(self, result: CheckResult) -> Checklist:
        results = {**self.results, result.name: result}
        return replace(self, results=results, running=self.running - {result.name})

    def ended(self) -> Checklist:
        """Done or cancelled: no check is running."""
        return replace(self, running=frozenset())

    def status(self, name: str) -> str:
        """The result, or `running`, or `unseen`."""
        if name in self.running:
            return "running"
        return self.results[name].status if name in self.results else "unseen"

    def order(self) -> tuple[str, ...]:
        """By severity. While checks run, rows keep the places they had before, so that none jumps under the
        cursor."""
        names = dict.fromkeys((*(one.name for one in self.known), *self.results))
        if self.running:
            return tuple(dict.fromkeys((*(n for n in self.held if n in names), *names)))
        return tuple(sorted(names, key=lambda name: _ORDER.get(self.status(name), 5)))

    def in_order(self) -> tuple[CheckResult, ...]:
        """The results in the order of the checks, those of unknown checks last."""
        names = [one.name for one in self.known]
        first = [self.results[name] for name in names if name in self.results]
        return (*first, *(r for name, r in self.results.items() if name not in names))

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.in_order() if check.status == "fail")


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """`mark` names a shape, `role` repeats it in colour. `detail`: one sentence; `advice`: what to do about
    it; `fix`: the name of the fix that plasma-tui can apply."""

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
    """Results alone, by severity."""
    ordered = sorted(checks, key=lambda check: _ORDER.get(check.status, 5))
    return PreflightList(tuple(map(_row, ordered)), summary_of(checks))


def checklist_view(checklist: Checklist) -> PreflightList:
    """Results and pending checks in the checklist's order."""
    titles = {one.name: one.title for one in checklist.known}
    rows = [
        _pending(name, titles.get(name, name), status)
        if (status := checklist.status(name)) in _PENDING
        else _row(checklist.results[name])
        for name in checklist.order()
    ]
    checks = checklist.in_order()
    if not checklist.running:
        return PreflightList(tuple(rows), summary_of(checks))
    done = f"{checklist.asked - len(checklist.running)} of {checklist.asked}"
    parts = (done, "esc cancels" * checklist.breakable, summary_of(checks, "fail", "warn"))
    return PreflightList(tuple(rows), ", ".join(filter(None, parts)), running=True)


def summary_of(checks: Sequence[CheckResult], *statuses: str) -> str:
    """How many of each, most severe first."""
    words = {"fail": "{} failed", "warn": "{} warning", "pass": "{} passed", "skip": "{} skipped"}
    found = {one: sum(check.status == one for check in checks) for one in statuses or words}
    said = [words[one].format(n) + "s" * (one == "warn" and n > 1) for one, n in found.items() if n]
    return ", ".join(said)


def first_failing(checks: Sequence[CheckResult]) -> CheckResult | None:
    """The first failed check, else the first warning that has a fix."""
    failed = [check for check in checks if check.status == "fail"]
    fixable = [check for check in checks if check.fix and check.status == "warn"]
    return next(iter((*failed, *fixable)), None)


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


#: what the row of a check without a result says, in short and in full
_PENDING = {
    "running": ("running", "This check is running."),
    "unseen": ("p runs it", "Not checked yet: p runs all checks."),
}


def _pending(name: str, title: str, status: str) -> PreflightRow:
    evidence, detail = _PENDING[status]
    role = _ROLES.get(status, "dim")
    return PreflightRow(_MARKS[status], clean(title, 60), evidence, role, name, detail)
