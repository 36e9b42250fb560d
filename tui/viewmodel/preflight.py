"""The preflight checklist as rows: what needs a person first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.model import CheckResult
from tui.text import clean

_ORDER = {"fail": 0, "warn": 1, "pass": 2, "skip": 3}
_ROLES = {"fail": "bad", "warn": "warn", "pass": "good", "skip": "dim"}


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """`mark` names a shape, `role` repeats it in colour."""

    mark: str
    title: str
    evidence: str
    role: str


@dataclass(frozen=True, slots=True)
class PreflightList:
    rows: tuple[PreflightRow, ...]
    summary: str


def preflight_list(checks: Sequence[CheckResult]) -> PreflightList:
    """Failures, then warnings, then the rest, each group in the order of the checks."""
    ordered = sorted(checks, key=lambda check: _ORDER.get(check.status, 3))
    rows = tuple(_row(check) for check in ordered)
    counts = {word: sum(c.status == word for c in checks) for word in _ORDER}
    parts = [f"{counts['fail']} failed"] if counts["fail"] else []
    if counts["warn"]:
        parts.append(f"{counts['warn']} to look at")
    if counts["pass"]:
        parts.append(f"{counts['pass']} passed")
    if counts["skip"]:
        parts.append(f"{counts['skip']} skipped")
    return PreflightList(rows, ", ".join(parts))


def _row(check: CheckResult) -> PreflightRow:
    mark = {"fail": "no", "warn": "warn", "pass": "yes"}.get(check.status, "skip")
    title = clean(check.title or check.name.replace("_", " "), 60)
    return PreflightRow(mark, title, clean(check.evidence, 300), _ROLES.get(check.status, "dim"))
