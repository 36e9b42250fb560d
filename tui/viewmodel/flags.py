"""The trainer's flags as rows, and the filter that typing makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config.hiding import shown_value
from tui.text import clean

if TYPE_CHECKING:
    from runner.config.catalog import Flag
    from runner.config.flags import FlagValue
    from tui.backend.results import FlagSheet


@dataclass(frozen=True, slots=True)
class FlagRow:
    """`given`: the value in plasma.toml, empty when it is not set there; `smoke`: in [smoke].
    `kind`: what it takes, in words. `help`: the script's own words."""

    name: str
    given: str
    default: str
    kind: str
    help: str
    smoke: str = ""
    unknown: bool = False


def flag_rows(sheet: FlagSheet, typed: str = "") -> tuple[FlagRow, ...]:
    """Those that plasma.toml sets first, each group by name; `typed` keeps the rows in whose name or
    help every typed word occurs, those with it in their name first."""
    catalog = sheet.report.catalog
    flags = catalog.flags if catalog is not None else ()
    rows = [_row(flag, sheet) for flag in flags]
    known = {name for flag in flags for name in (flag.name, *flag.aliases)}
    unknown = sorted((sheet.given.keys() | sheet.smoke.keys()) - known)
    rows += [_unknown(name, sheet) for name in unknown]
    words = typed.lower().split()
    kept = [row for row in rows if all(word in f"{row.name} {row.help}".lower() for word in words)]
    return tuple(sorted(kept, key=lambda row: _rank(row, words)))


def _rank(row: FlagRow, words: Sequence[str]) -> tuple[bool, bool, str]:
    named = bool(words) and not all(word in row.name for word in words)
    return (named, not (row.given or row.smoke), row.name)


def _row(flag: Flag, sheet: FlagSheet) -> FlagRow:
    names = (flag.name, *flag.aliases)
    return FlagRow(
        clean(flag.name, 80),
        _value(sheet.given, names),
        _default(flag),
        _kind(flag),
        clean(flag.help, 2000) or "The script says nothing about it.",
        _value(sheet.smoke, names),
    )


def _unknown(name: str, sheet: FlagSheet) -> FlagRow:
    told = "Not among the flags of this script."
    if sheet.report.catalog is None:
        told = "What it means is not known yet."
    given, smoke = _value(sheet.given, (name,)), _value(sheet.smoke, (name,))
    return FlagRow(clean(name, 80), given, "", "", told, smoke, sheet.report.catalog is not None)


def _value(values: Mapping[str, FlagValue], names: Sequence[str]) -> str:
    found = next((values[name] for name in names if name in values), None)
    return "" if found is None else shown_value(names[0], _text(found))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return clean(" ".join(map(str, value)), 200)
    return clean(str(value), 200)


def _default(flag: Flag) -> str:
    if flag.bare:
        return "off"
    return "" if flag.default is None else _text(flag.default)


def _kind(flag: Flag) -> str:
    if flag.bare:
        return "a switch"
    if flag.choices:
        return clean("one of " + ", ".join(map(str, flag.choices)), 400)
    words = {"int": "a whole number", "float": "a number", "str": "text", "Path": "a path"}
    kind = words.get(flag.kind or "", clean(flag.kind or "a value", 40).replace("_", " "))
    return f"several, each {kind}" if flag.many else kind
