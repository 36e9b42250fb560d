"""The expressions of a Python program, as far as their values follow from its text. Nothing is run."""

from __future__ import annotations

import ast
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import MOST_ITEMS, Commands, joined
from runner.trainers.sd_scripts.importers.python.values import (
    FUNCTIONS,
    Uncomputed,
    Unknown,
    Value,
    attribute,
    binary,
    compare,
    known,
    limited,
    text_of,
    truth,
)

ERRORS = (Uncomputed, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


@dataclass(slots=True)
class Expressions(ABC):
    """`trusting`: a condition that is unknown is read as if true; else what it changes is unknown. `values`:
    names of the program; `local`: of the functions being called, `shared`: what these name as global."""

    commands: Commands
    trusting: bool = False
    values: dict[str, Value] = field(default_factory=dict)
    local: list[dict[str, Value]] = field(default_factory=list)
    shared: list[set[str]] = field(default_factory=list)
    line: int = 1

    @property
    def scope(self) -> dict[str, Value]:
        return self.local[-1] if self.local else self.values

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(name):
                outside = self.shared and name in self.shared[-1]
                (self.values if outside else self.scope)[name] = value
            case ast.Tuple(targets) | ast.List(targets):
                items = value if isinstance(value, list) and len(value) == len(targets) else None
                for at, one in enumerate(targets):
                    self.assign(one, items[at] if items else Unknown(ast.unparse(target)))
            case ast.Subscript(ast.Attribute(ast.Name("os"), "environ"), key):
                self.export(self.value(key), value)
            case ast.Subscript(owner, key):
                held, at = self.value(owner), self.value(key)
                if (isinstance(held, dict) and known(at)) or (
                    isinstance(held, list) and isinstance(at, int) and -len(held) <= at < len(held)
                ):
                    held[at] = value
            case ast.Attribute(owner, name):
                held = self.value(owner)
                if isinstance(held, dict):
                    held[name] = value

    def export(self, name: Value, value: Value) -> None:
        if isinstance(name, str) and name.isidentifier():
            self.commands.export(self.line, name, text_of(value))

    def value(self, tree: ast.expr) -> Value:
        self.commands.step(tree.lineno)
        try:
            return self.computed(tree)
        except ERRORS:
            return Unknown(ast.unparse(tree)[:200])

    def computed(self, tree: ast.expr) -> Value:
        match tree:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                for place in (self.scope, self.values):
                    if name in place:
                        return place[name]
            case ast.JoinedStr(parts):
                return joined((text_of(self.value(one)) for one in parts), "")
            case ast.FormattedValue(value, _, spec):
                return self.formatted(self.value(value), spec)
            case ast.BinOp(left, sign, right):
                return binary(sign, self.value(left), self.value(right))
            case ast.UnaryOp(ast.Not(), operand):
                holds = truth(self.value(operand))
                if holds is not None:
                    return not holds
            case ast.UnaryOp(ast.USub(), operand):
                return -self.value(operand)
            case ast.BoolOp(sign, parts):
                return self.either(parts, any_of=isinstance(sign, ast.Or))
            case ast.Compare(left, [sign], [right]):
                return compare(sign, self.value(left), self.value(right))
            case ast.IfExp(test, body, orelse):
                holds = truth(self.value(test))
                if holds is not None or self.trusting:
                    return self.value(body if holds is not False else orelse)
            case ast.List(items) | ast.Tuple(items) | ast.Set(items):
                return self.listed(items)
            case ast.Dict(keys, values):
                return self.table(keys, values)
            case ast.Subscript(owner, ast.Slice(lower, upper, None)):
                ends = [None if end is None else self.value(end) for end in (lower, upper)]
                held = self.value(owner)
                if isinstance(held, list) or known(held):
                    return held[ends[0] : ends[1]]
            case ast.Subscript(ast.Attribute(ast.Name("os"), "environ"), key):
                return FUNCTIONS["os.getenv"]([self.value(key)])
            case ast.Subscript(owner, key):
                held, at = self.value(owner), self.value(key)
                if known(at) and (isinstance(held, dict | list) or known(held)):
                    return held[at]
            case ast.Attribute(ast.Name("sys"), "executable"):
                return "python"
            case ast.Attribute(ast.Name("os"), "environ"):
                return {}
            case ast.Attribute(owner, name):
                return attribute(self.value(owner), name)
            case (
                ast.ListComp(item, [one]) | ast.GeneratorExp(item, [one]) | ast.SetComp(item, [one])
            ):
                return limited([self.value(item) for _ in self.bound(one)])
            case ast.DictComp(key, item, [one]):
                return {self.value(key): self.value(item) for _ in self.bound(one)}
            case ast.Await(value) | ast.NamedExpr(_, value) | ast.Starred(value):
                return self.value(value)
            case ast.Call():
                return self.of_call(tree)
        raise Uncomputed

    def formatted(self, value: Value, spec: ast.expr | None) -> str:
        pattern = text_of(self.value(spec)) if spec is not None else ""
        if (
            pattern
            and isinstance(value, int | float)
            and len(pattern) < 6
            and pattern[-1:] in "dfeg%"
        ):
            return format(value, pattern) if not pattern[:2].isdigit() else str(value)
        return text_of(value)

    def either(self, parts: list[ast.expr], *, any_of: bool) -> Value:
        value: Value = None
        for part in parts:
            value = self.value(part)
            holds = truth(value)
            if holds is None:
                raise Uncomputed
            if holds == any_of:
                break
        return value

    def listed(self, items: list[ast.expr]) -> list[Value]:
        result: list[Value] = []
        for item in items:
            value = self.value(item)
            spread = isinstance(item, ast.Starred) and isinstance(value, list)
            result += value if spread else [value]
        return limited(result)

    def table(self, keys: list[ast.expr | None], values: list[ast.expr]) -> dict[Any, Value]:
        result: dict[Any, Value] = {}
        for key, item in zip(keys, values, strict=True):
            value = self.value(item)
            if key is None:
                result |= value if isinstance(value, dict) else {}
            elif known(name := self.value(key)):
                result[name] = value
        return result

    def bound(self, one: ast.comprehension) -> Iterable[None]:
        """Each item of a comprehension, with its name set."""
        items = self.value(one.iter)
        if not isinstance(items, list | dict) or len(items) > MOST_ITEMS:
            raise Uncomputed
        for item in list(items):
            self.assign(one.target, item)
            holds = [truth(self.value(test)) for test in one.ifs]
            if False not in holds:  # an unknown value stays, and is listed
                yield None

    @abstractmethod
    def of_call(self, tree: ast.Call) -> Value:
        """The result of a call."""


def expanded(text: str, program: Expressions) -> str:
    """As IPython expands `{expression}`, `$name` and `{{`."""
    result: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if text.startswith(("{{", "}}", "$$"), at):
            result.append(char)
            at += 2
        elif char == "{" and (end := text.find("}", at)) > 0 and text[at - 1 : at] != "$":
            value = _evaluated(text[at + 1 : end], program)
            result.append(text[at : end + 1] if value is None else value)
            at = end + 1
        elif char == "$":
            name = ""
            while text[at + 1 + len(name) : at + 2 + len(name)].isidentifier():
                name += text[at + 1 + len(name)]
            held = name in program.scope or name in program.values
            value = _evaluated(name, program) if held else None
            result.append(char + name if value is None else value)
            at += 1 + len(name)
        else:
            result.append(char)
            at += 1
    return joined(result, "")


def _evaluated(source: str, program: Expressions) -> str | None:
    """None if it is no expression."""
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return None
    value = program.value(tree.body)
    if isinstance(value, list):
        return " ".join(shlex.quote(text_of(one)) for one in value)
    return text_of(value)
