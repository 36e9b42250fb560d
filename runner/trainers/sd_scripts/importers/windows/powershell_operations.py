"""Values of PowerShell: what operators, methods and static methods make of them, as far as importing needs."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.trainers.sd_scripts.importers.commands import (
    from_environment,
    is_known,
    joined,
    unknown,
    within_limit,
)
from runner.trainers.sd_scripts.importers.model import Number

#: text (a Number is one, too), True, False, None, list, dict or Undefined
Value = Any
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


class Unreadable(Exception):
    """An expression that this reader does not compute."""


@dataclass(frozen=True, slots=True)
class Undefined:
    """A variable that the script does not set: empty for PowerShell."""

    name: str


def operation(name: str, left: Value, right: Value, source: str) -> Value:
    """The result of an operator; what cannot be computed is unknown."""
    try:
        return operate(name, left, right)
    except (Unreadable, ValueError, ArithmeticError):
        return unknown(source)


def texts(value: Value) -> list[str]:
    """As words of a command."""
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    if isinstance(value, Undefined):
        return [from_environment(value.name)]
    if isinstance(value, dict):
        return [word for name, one in value.items() for word in (f"-{name}", *texts(one))]
    return [] if value is None else [str(value)]


def _set_text(value: Value) -> str:
    return "" if isinstance(value, Undefined) else joined(texts(value), "")


_SUMS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": math.fmod
}  # fmt: skip
STATIC: Mapping[tuple[str, str], Callable[[list[Value]], Value]] = {
    ("math", "ceiling"): lambda v: Number(math.ceil(float(v[0]))),
    ("math", "floor"): lambda v: Number(math.floor(float(v[0]))),
    ("math", "round"): lambda v: Number(round(float(v[0]))),
    ("math", "max"): lambda v: max(v, key=float),
    ("math", "min"): lambda v: min(v, key=float),
    ("string", "isnullorempty"): lambda v: not _set_text(v[0]),
    ("string", "isnullorwhitespace"): lambda v: not _set_text(v[0]).strip(),
    ("path", "combine"): lambda v: joined(texts(v), "/"),
    ("path", "join"): lambda v: joined(texts(v), "/"),
}


def truth(value: Value) -> bool:
    if isinstance(value, Undefined):
        return False
    if not is_known(value):
        raise Unreadable
    return bool(value) and value != "0"


def method(name: str, value: Value, given: list[Value]) -> Value:
    if name in ("toarray", "clone"):
        return list(value) if isinstance(value, list) else value
    if name in ("containskey", "contains") and isinstance(value, dict | list):
        return joined(texts(given[0]), "") in value
    words = [joined(texts(one), "") for one in given]
    if not isinstance(value, str) or not is_known(value) or not all(map(is_known, words)):
        raise Unreadable
    match name, words:
        case "trim", []:
            return value.strip()
        case "trimend", [what]:
            return value.rstrip(what)
        case "trimstart", [what]:
            return value.lstrip(what)
        case (("tolower" | "tolowerinvariant"), []):
            return value.lower()
        case (("toupper" | "toupperinvariant"), []):
            return value.upper()
        case "tostring", _:
            return value
        case "replace", [old, new] if old:
            return within_limit(value.replace(old, new))
        case "split", [sign] if sign:
            return list(value.split(sign))
        case "contains", [what]:
            return what in value
        case "startswith", [what]:
            return value.startswith(what)
        case "endswith", [what]:
            return value.endswith(what)
    raise Unreadable


def member(value: Value, name: str) -> Value:
    if name.lower() in ("count", "length"):
        return str(len(value))
    return item(value, name)


def item(value: Value, key: Value) -> Value:
    if isinstance(value, dict):
        found = [one for name, one in value.items() if name.lower() == str(key).lower()]
        return found[0] if found else None
    try:
        at = int(str(key))
    except ValueError:  # a method, as in `$list.Add`
        raise Unreadable from None
    return value[at]


def operate(name: str, left: Value, right: Value) -> Value:
    if name in ("and", "or"):
        values = [truth(left), truth(right)]
        return all(values) if name == "and" else any(values)
    if name == "join":
        return joined(texts(left), joined(texts(right), ""))
    if name == "f":
        items = right if isinstance(right, list) else [right]
        fill = {str(at): joined(texts(one), " ") for at, one in enumerate(items)}
        return within_limit(
            re.sub(r"\{(\d+)(?::[^}]*)?\}", lambda m: fill.get(m[1], ""), str(left))
        )
    if name == "+" and isinstance(left, list):
        return [*left, *(right if isinstance(right, list) else [right])]
    if name == "+" and isinstance(left, str) and not isinstance(left, Number):
        return within_limit(left + joined(texts(right), " "))
    sides: list[Value] = ["" if isinstance(x, Undefined | None) else x for x in (left, right)]
    one, two = sides
    if not (is_known(one) and is_known(two)):
        raise Unreadable
    if name in ("contains", "in"):
        held, item = (one, two) if name == "contains" else (two, one)
        listed = held if isinstance(held, list) else [held]
        return str(item).lower() in [str(each).lower() for each in listed]
    if name in _SUMS:
        return _sum(name, float(one), float(two))
    return _comparison(name, str(one), str(two))


def _sum(name: str, one: float, two: float) -> str:
    result = _SUMS[name](one, two)
    return Number(int(result) if result.is_integer() else result)


def _comparison(name: str, one: str, two: str) -> Value:
    if name in ("gt", "lt", "ge", "le"):
        order = float(one) - float(two)
        return {"gt": order > 0, "lt": order < 0, "ge": order >= 0, "le": order <= 0}[name]
    if name in ("like", "notlike"):
        pattern = re.escape(two.lower()).replace(r"\*", ".*").replace(r"\?", ".")
        if two.count("*") > 3:
            raise Unreadable
        return (re.fullmatch(pattern, one.lower()) is not None) == (name == "like")
    if name in ("match", "notmatch") and re.fullmatch(r"[\w ./-]+", two):
        return (two.lower() in one.lower()) == (name == "match")
    if name in ("eq", "ne"):
        same = one.lower() == two.lower() or (
            bool(NUMBER.fullmatch(one) and NUMBER.fullmatch(two)) and float(one) == float(two)
        )
        return same == (name == "eq")
    raise Unreadable
