"""A Python program or the cells of a notebook: which programs it would start, and which configurations it would
write, as far as its values follow from its text. Only its syntax tree is read, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.trainers.sd_scripts.importers.python.calls import (
    BROKEN,
    CLASS,
    NEXT,
    NOTHING,
    Calls,
)
from runner.trainers.sd_scripts.importers.python.expressions import ERRORS
from runner.trainers.sd_scripts.importers.python.values import (
    Unknown,
    Value,
    binary,
    text_of,
    truth,
)


@dataclass(slots=True)
class Program(Calls):
    """`uncalled`: depth of the functions being read although nothing calls them."""

    uncalled: int = 0

    def __post_init__(self) -> None:
        self.values |= {"__name__": "__main__", "__file__": f"{self.commands.here}/program.py"}

    def read(self, body: Iterable[ast.stmt]) -> Value:
        """What `return` gives; NOTHING without one."""
        for one in body:
            self.commands.step(one.lineno)
            if len(self.local) == self.uncalled:
                self.line = one.lineno
            try:
                result = self.statement(one)
            except ERRORS:
                result = NOTHING
            if result is not NOTHING and not self.doubt:
                return result
        return NOTHING

    def read_uncalled(self) -> None:
        """Functions that the program only defines, each as if called."""
        self.uncalled = 1
        for function in list(self.functions.values()):
            if function.name not in self.called:
                self.call(function, [], {})
        for kind, methods in list(self.methods.items()):
            for name, function in methods.items():
                if name not in self.called and name != "__init__":
                    self.call(function, [self.made(kind, [], {})], {})

    def statement(self, one: ast.stmt) -> Value:
        match one:
            case ast.Expr(value):
                self.value(value)
            case ast.Assign(targets, value):
                result = self.value(value)
                for target in targets:
                    self.assign(target, result)
            case ast.AnnAssign(target, _, ast.expr() as value):
                self.assign(target, self.value(value))
            case ast.AnnAssign(ast.Name(name), _, None):
                self.scope.setdefault(name, Unknown(name))
            case ast.AugAssign(target, sign, value):
                self.grow(target, sign, value)
            case ast.If(test, body, orelse):
                return self.condition(test, body, orelse)
            case ast.For() | ast.AsyncFor():
                return self.loop(one)
            case ast.While(test, body):
                return self.condition(test, body, [])
            case ast.With(items, body) | ast.AsyncWith(items, body):
                for item in items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, self.value(item.context_expr))
                    else:
                        self.value(item.context_expr)
                return self.read(body)
            case ast.Try():
                result = self.read([*one.body, *one.orelse])
                self.read(one.finalbody)
                return result
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                self.functions[name] = one
            case ast.ClassDef(name, bases=bases, body=body):
                self.assign(ast.Name(name), self.of_class(name, bases, body))
            case ast.Global(names) if self.shared:
                self.shared[-1].update(names)
            case ast.Return(value):
                return None if value is None else self.value(value)
            case ast.Continue() | ast.Break():
                return NEXT if isinstance(one, ast.Continue) else BROKEN
        return NOTHING

    def of_class(
        self, name: str, bases: list[ast.expr], body: Iterable[ast.stmt]
    ) -> dict[str, Value]:
        """Its plain attributes, with its name under CLASS."""
        above = [one for base in bases if isinstance(one := self.value(base), dict)]
        self.local.append({key: value for one in above for key, value in one.items()})
        self.shared.append(set())
        outside, self.functions = self.functions, {}
        self.read(body)
        inherited = [self.methods.get(str(one.get(CLASS)), {}) for one in above]
        self.methods[name] = {k: v for one in (*inherited, self.functions) for k, v in one.items()}
        self.functions = outside
        self.shared.pop()
        return {**self.local.pop(), CLASS: name}

    def grow(self, target: ast.expr, sign: ast.operator, source: ast.expr) -> None:
        value = self.value(source)
        old = self.value(target)
        if isinstance(old, list) and isinstance(value, Unknown):
            old.append(value)
            return
        try:
            self.assign(target, binary(sign, old, value))
        except ERRORS:
            self.assign(target, Unknown(ast.unparse(target)))

    def condition(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> Value:
        holds = truth(self.value(test))
        if holds is not None:
            return self.read(body if holds else orelse)
        shown = f"if {ast.unparse(test)}"
        self.commands.in_doubt.append(shown)
        self.doubt += 1
        scopes = () if self.trusting else (self.values, *self.local[-1:])
        before = [_copied(scope) for scope in scopes]
        self.read(body)
        if not self.trusting:
            nodes = [node for one in orelse for node in ast.walk(one)]
            grown = {id(node.target) for node in nodes if isinstance(node, ast.AugAssign)}
            for node in nodes:
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    if id(node) not in grown:
                        self.scope[node.id] = Unknown(shown)
                    elif isinstance(held := self.scope.get(node.id), str):
                        self.scope[node.id] = f"{held} "  # it grows here, too
            for scope, old in zip(scopes, before, strict=True):
                _blur(scope, old, Unknown(shown))
        self.doubt -= 1
        self.commands.in_doubt.pop()
        return NOTHING

    def loop(self, one: ast.For | ast.AsyncFor) -> Value:
        items = self.value(one.iter)
        items = list(items) if isinstance(items, dict) else items
        for item in items if isinstance(items, list) else [Unknown(ast.unparse(one.target))]:
            self.commands.step(one.lineno)
            self.assign(one.target, item)
            result = self.read(one.body)
            if result is BROKEN:
                break
            if result not in (NOTHING, NEXT):
                return result
        return NOTHING


def _copied(scope: Mapping[str, Value]) -> dict[str, Value]:
    """With the lists and dicts as they are now."""
    return {
        name: list(value)
        if isinstance(value, list)
        else dict(value)
        if isinstance(value, dict)
        else value
        for name, value in scope.items()
    }


def _blur(scope: dict[str, Value], before: Mapping[str, Value], doubt: Unknown) -> None:
    """What has changed since is unknown: new elements of lists, new values of keys, the end of a text."""
    for name, value in scope.items():
        old = before.get(name)
        if isinstance(value, list) and isinstance(old, list) and value[: len(old)] == old:
            value[len(old) :] = [doubt] if len(value) > len(old) else []
        elif isinstance(value, dict) and isinstance(old, dict):
            for key, one in value.items():
                if key not in old or old[key] is not one:
                    value[key] = doubt
        elif name not in before or value is not old:
            scope[name] = doubt
            if isinstance(value, str) and isinstance(old, str) and value.startswith(old):
                added = value[len(old) :]  # spaces around it separate words
                lead, end = " " * added.startswith(" "), " " * added.endswith(" ")
                scope[name] = f"{old}{lead}{text_of(doubt)}{end}"
