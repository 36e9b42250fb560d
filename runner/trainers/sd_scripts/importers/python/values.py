"""Values of a Python program that follow from its text: what operators, methods and well-known functions make
of them. Nothing of the program is run."""

from __future__ import annotations

import ast
import json
import math
import operator
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import (
    MOST_ITEMS,
    from_environment,
    is_known,
    joined,
    unknown,
    within_limit,
)

#: text, numbers, True, False, None, lists, dicts, and the classes below
Value = Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """What only the running program knows. `why`: the expression, for display."""

    why: str


@dataclass(frozen=True, slots=True)
class Dump:
    """A dict as the text of a TOML, JSON or YAML."""

    values: dict[Any, Any]


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the program writes."""

    path: str


@dataclass(slots=True)
class Parser:
    """An argparse parser: the defaults of its arguments."""

    defaults: dict[str, Value] = field(default_factory=dict)


class Uncomputed(Exception):
    """This reader does not compute the expression."""


def text_of(value: Value) -> str:
    """As text, with a mark for what is unknown."""
    return unknown(value.why) if isinstance(value, Unknown) else str(value)


def known(*values: Value) -> bool:
    return all(
        not isinstance(one, Unknown | Dump | OpenFile | Parser) and is_known(one) for one in values
    )


_NUMBERS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda one, two: one in two, ast.NotIn: lambda one, two: one not in two,
}  # fmt: skip
_LARGEST = 10**18


def binary(sign: ast.operator, left: Value, right: Value) -> Value:
    """Raises Uncomputed, ValueError, ArithmeticError."""
    numbers = all(isinstance(one, int | float) for one in (left, right))
    if numbers and (compute := _NUMBERS.get(type(sign))):
        if max(abs(left), abs(right)) > _LARGEST:
            raise Uncomputed
        return compute(left, right)
    if isinstance(sign, ast.Add):
        if isinstance(left, list) and isinstance(right, list):
            return limited([*left, *right])
        if isinstance(left, str | Unknown) and isinstance(right, str | Unknown):
            return within_limit(text_of(left) + text_of(right))
    if isinstance(sign, ast.Div) and isinstance(left, str | Unknown):
        return posixpath.join(text_of(left), text_of(right))
    if isinstance(sign, ast.Mod) and isinstance(left, str):
        values = iter(right if isinstance(right, list) else [right])
        return within_limit(re.sub(r"%[-\d.]*[sdfgr]", lambda _: text_of(next(values, "")), left))
    if isinstance(sign, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
        return {**left, **right}
    raise Uncomputed


def compare(sign: ast.cmpop, left: Value, right: Value) -> bool:
    """Raises Uncomputed, TypeError."""
    keyed = isinstance(sign, ast.In | ast.NotIn) and isinstance(right, dict | list)
    if not known(left) or not (keyed or known(right)):
        raise Uncomputed
    return bool(_ORDER[type(sign)](left, right))


def truth(value: Value) -> bool | None:
    """None if it is unknown; a text with an unknown part is not empty."""
    if isinstance(value, Unknown):
        return None
    return bool(value) if known(value) or isinstance(value, list | dict) else None


def limited(items: list[Value]) -> list[Value]:
    if len(items) > MOST_ITEMS:
        raise Uncomputed
    return items


def method(owner: Value, name: str, given: list[Value], source: str) -> Value:
    """The result of a method of a text, list or dict. Raises Uncomputed, TypeError, ValueError ..."""
    if isinstance(owner, list):
        return _of_list(owner, name, given)
    if isinstance(owner, dict):
        return _of_dict(owner, name, given, source)
    if isinstance(owner, str):
        return _of_text(owner, name, given)
    raise Uncomputed


def _of_list(owner: list[Value], name: str, given: list[Value]) -> Value:
    match name, given:
        case "append", [one]:
            owner[:] = limited([*owner, one])
        case "extend", [list() as more]:
            owner[:] = limited([*owner, *more])
        case "extend", [other]:
            owner.append(other)
        case "insert", [int() as at, one]:
            owner[:] = limited([*owner[:at], one, *owner[at:]])
        case "copy", []:
            return list(owner)
        case "pop", []:
            return owner.pop()
        case "index", [one]:
            return owner.index(one)
        case _:
            raise Uncomputed
    return None


def _of_dict(owner: dict[Any, Value], name: str, given: list[Value], source: str) -> Value:
    match name, given:
        case "items", []:
            return [[key, value] for key, value in owner.items()]
        case "keys", []:
            return list(owner)
        case "values", []:
            return list(owner.values())
        case "copy", []:
            return dict(owner)
        case "get", [key, *default] if known(key):
            return owner.get(key, default[0] if default else None)
        case "pop", [key, *default] if known(key):
            return owner.pop(key, default[0] if default else Unknown(source))
        case "update", [dict() as more]:
            owner.update(more)
            return None
        case "setdefault", [key, default] if known(key):
            return owner.setdefault(key, default)
    raise Uncomputed


#: methods of text that may work with an unknown part in it
_ANY_TEXT = frozenset({"strip", "lstrip", "rstrip", "join"})
_PLAIN_TEXT = frozenset(
    {"lower", "upper", "title", "capitalize", "replace", "split", "rsplit", "splitlines", "startswith",
     "endswith", "removeprefix", "removesuffix", "isdigit", "count", "find", "partition", "rpartition", "zfill"}
)  # fmt: skip


def _of_text(owner: str, name: str, given: list[Value]) -> Value:
    if name == "join" and len(given) == 1 and isinstance(given[0], list):
        return joined(map(text_of, given[0]), owner)
    if name == "joinpath":
        return posixpath.join(owner, *map(text_of, given))
    if name in ("as_posix", "resolve", "absolute", "expanduser"):
        return owner
    if name == "format":
        fill = iter(map(text_of, given))
        return within_limit(re.sub(r"\{\d*(?::[^{}]*)?\}", lambda _: next(fill, ""), owner))
    if name == "with_suffix" and known(owner, *given):
        return posixpath.splitext(owner)[0] + str(given[0])
    if name in _ANY_TEXT and known(*given):
        return getattr(owner, name)(*given)
    if name in _PLAIN_TEXT and known(owner, *given):
        if name == "replace" and given and not given[0]:
            raise Uncomputed
        if name == "zfill" and not (given and isinstance(given[0], int) and given[0] < 50):
            raise Uncomputed
        result = getattr(owner, name)(*given)
        return (
            within_limit(result)
            if isinstance(result, str)
            else list(result)
            if isinstance(result, tuple)
            else result
        )
    raise Uncomputed


def attribute(owner: Value, name: str) -> Value:
    """`.parent` and the like of a path, `.x` of the arguments or of a class."""
    if isinstance(owner, dict) and name in owner:
        return owner[name]
    if isinstance(owner, str) and is_known(owner):
        match name:
            case "parent":
                return posixpath.dirname(owner) or "."
            case "name":
                return posixpath.basename(owner)
            case "stem":
                return posixpath.splitext(posixpath.basename(owner))[0]
            case "suffix":
                return posixpath.splitext(owner)[1]
    raise Uncomputed


def _first(given: list[Value]) -> str:
    return text_of(given[0])


def _environment(given: list[Value]) -> Value:
    return given[1] if len(given) > 1 else from_environment(_first(given))


def _number(kind: Callable[[Any], Any]) -> Callable[[list[Value]], Value]:
    def convert(given: list[Value]) -> Value:
        if (
            not known(*given)
            or not isinstance(given[0], str | int | float)
            or len(str(given[0])) > 30
        ):
            raise Uncomputed
        return kind(given[0])

    return convert


def _items(given: list[Value]) -> list[Value]:
    value = given[0] if given else []
    if isinstance(value, list | dict):
        return list(value)
    raise Uncomputed


def _range(given: list[Value]) -> list[Value]:
    if not all(isinstance(one, int) for one in given) or len(range(*given)) > MOST_ITEMS:
        raise Uncomputed
    return list(range(*given))


def _each(test: Callable[[Any], bool]) -> Callable[[list[Value]], Value]:
    def judge(given: list[Value]) -> Value:
        items = [truth(one) for one in _items(given)]
        if None in items:
            raise Uncomputed
        return test(items)

    return judge


def _plain(compute: Callable[..., Any]) -> Callable[[list[Value]], Value]:
    def call(given: list[Value]) -> Value:
        flat = [one for value in given for one in (value if isinstance(value, list) else [value])]
        if not known(*flat) or not all(isinstance(one, int | float) for one in flat):
            raise Uncomputed
        return compute(*given)

    return call


def _summed(given: list[Value]) -> Value:
    if len(given) == 2 and isinstance(given[1], list):
        return [
            one for part in _items(given) for one in (part if isinstance(part, list) else [part])
        ]
    return _plain(sum)(given)


def _dumped(given: list[Value]) -> Value:
    return Dump(given[0]) if isinstance(given[0], dict) else Unknown("dumps")


def _json(given: list[Value]) -> Value:
    return _dumped(given) if isinstance(given[0], dict) else json.dumps(given[0], default=text_of)


def _split(given: list[Value]) -> Value:
    return list(shlex.split(_first(given), comments=False))


def _paths(given: list[Value]) -> str:
    return posixpath.join(*map(text_of, given)) if given else "."


#: by the name with which a program calls them
FUNCTIONS: Mapping[str, Callable[[list[Value]], Value]] = {
    "format": _first, "str": lambda given: _first(given) if given else "",
    "repr": lambda given: repr(_first(given)),
    "int": _number(int), "float": _number(float), "bool": lambda given: _each(all)([given[:1]]),
    "len": lambda given: len(_items(given)) if not isinstance(given[0], str) else len(given[0]),
    "list": _items, "tuple": _items, "sorted": lambda given: sorted(_items(given), key=str),
    "reversed": lambda given: _items(given)[::-1], "range": _range,
    "enumerate": lambda given: [[at, one] for at, one in enumerate(_items(given))],
    "zip": lambda given: [list(one) for one in zip(*(_items([part]) for part in given), strict=False)],
    "any": _each(any), "all": _each(all), "min": _plain(min), "max": _plain(max), "round": _plain(round),
    "abs": _plain(abs), "sum": _summed, "math.ceil": _plain(math.ceil), "math.floor": _plain(math.floor),
    "Path": _paths, "pathlib.Path": _paths, "PurePath": _paths, "os.fspath": _paths,
    "os.path.join": _paths, "path.join": _paths, "osp.join": _paths,
    "os.path.abspath": _first, "os.path.realpath": _first, "os.path.normpath": _first,
    "os.path.expanduser": _first, "os.path.expandvars": _first,
    "os.path.dirname": lambda given: posixpath.dirname(_first(given)) or ".",
    "os.path.basename": lambda given: posixpath.basename(_first(given)),
    "os.path.splitext": lambda given: list(posixpath.splitext(_first(given))),
    "os.getcwd": lambda given: ".", "os.environ.copy": lambda given: {}, "os.cpu_count": lambda given: 4,
    "Path.cwd": lambda given: ".", "os.environ.get": _environment, "os.getenv": _environment,
    "shlex.quote": lambda given: shlex.quote(_first(given)), "shlex.split": _split,
    "shlex.join": lambda given: joined((shlex.quote(text_of(one)) for one in _items(given)), " "),
    "toml.dumps": _dumped, "tomli_w.dumps": _dumped, "tomlkit.dumps": _dumped, "yaml.dump": _dumped,
    "yaml.safe_dump": _dumped, "json.dumps": _json,
    "ArgumentParser": lambda given: Parser(), "argparse.ArgumentParser": lambda given: Parser(),
    "copy.copy": lambda given: given[0], "copy.deepcopy": lambda given: given[0],
}  # fmt: skip
