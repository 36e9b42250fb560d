"""The catalogue of causes: rows of `causes/*.toml`, read once.

A row has a key, advice, the signs of the cause, and its fixes. Rows are tried in order, specific ones before
general ones. `said`: patterns in an exception or in a process's last lines; `raised`: in an exception;
`warned`: in a warning, used only when nothing else matches; `when_raised`: in an exception under extra
conditions. A row without signs is chosen by the verdict, from steps, device and exit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct, convert

from runner.analysis.diagnosis.cures import Cure
from runner.model import Phase

UNKNOWN = "unknown"
_NAME = re.compile(r"<([A-Z_]+)>")
#: `places` last: where an exception was raised, whatever it says
_FILES = (
    "device",
    "launcher",
    "model",
    "dataset",
    "flags",
    "environment",
    "places",
    "judged",
    "slurm",
)


class Company(Struct, frozen=True, forbid_unknown_fields=True):
    """An exception that identifies a cause if all of its conditions hold: `raised`: what it says (left out:
    anything); `within`: the traceback went through one of these functions: `function`, or `file:function`
    with the end of the file's path (`*` as in fnmatch); `raised_in`: it was raised in one of these itself;
    `beside`: the log has such a warning, which is more
    specific than the exception; `during`: what the trainer was doing; `resumed`: it had resumed a state."""

    raised: re.Pattern[str] = re.compile("")
    within: tuple[str, ...] = ()
    raised_in: tuple[str, ...] = ()
    beside: re.Pattern[str] | None = None
    during: tuple[Phase, ...] = ()
    resumed: bool = False


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A cause. `advice`: if left out, that of the last row with this key; `fixes`: in the order in which to
    try them; `device`: the device that this cause implies; `hints`: sentences added to the advice if the
    platform supports them; `when`: distinguishes rows of one key that the verdict chooses from."""

    key: str
    advice: str = ""
    said: re.Pattern[str] | None = None
    raised: re.Pattern[str] | None = None
    warned: re.Pattern[str] | None = None
    when_raised: tuple[Company, ...] = ()
    fixes: tuple[Cure, ...] = ()
    device: str | None = None
    hints: dict[str, str] = {}
    when: str = ""


@cache
def entries() -> tuple[Entry, ...]:
    """Every row, in the order in which they are tried."""
    folder = Path(__file__).parent / "causes"
    shared = tomllib.loads((folder / "shared.toml").read_text("utf-8"))
    rows = [
        row
        for name in _FILES
        for row in tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))["cause"]
    ]
    advice = {row["key"]: row["advice"] for row in rows if "advice" in row}
    return tuple(_entry({"advice": advice[row["key"]], **row}, shared) for row in rows)


def entry_of(key: str, when: str = "") -> Entry:
    """The row of a key for a case that the verdict distinguishes, else the general one. Raises KeyError."""
    rows = _by_key()
    return rows[key, when if (key, when) in rows else ""]


def keys() -> frozenset[str]:
    """Every key of the catalogue."""
    return frozenset(key for key, _ in _by_key())


@cache
def _by_key() -> dict[tuple[str, str], Entry]:
    return {(entry.key, entry.when): entry for entry in entries()}


def _entry(row: dict[str, Any], shared: dict[str, dict[str, list[Any]]]) -> Entry:
    """A row with the shared parts filled in."""

    def pattern(type_: type, texts: Sequence[str]) -> re.Pattern[str]:
        text = _NAME.sub(lambda m: f"(?:{'|'.join(shared['patterns'][m[1]])})", "|".join(texts))
        return re.compile(text, re.DOTALL)

    row["fixes"] = list(map(_fix, _spliced(row.get("fixes", ()), shared["fixes"])))
    for company in row.get("when_raised", ()):
        for name in ("within", "raised_in"):
            company[name] = list(_spliced(company.get(name, ()), shared["functions"]))
    return convert(row, Entry, dec_hook=pattern)


def _spliced(items: Sequence[Any], shared: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, str) and item.startswith("@"):
            yield from _spliced(shared[item[1:]], shared)
        else:
            yield item


def _fix(fix: str | dict[str, Any]) -> dict[str, Any]:
    fields = {"changes": fix} if isinstance(fix, str) else fix
    return {**fields, "changes": fields.get("changes", "").split()}
