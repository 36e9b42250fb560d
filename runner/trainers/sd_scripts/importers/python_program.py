"""A Python program or the cells of a notebook: which programs it would start, and which configurations it would
write, as far as its values follow from its text. Only its syntax tree is read, nothing is run."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import (
    MOST_CALLS,
    MOST_ITEMS,
    Commands,
    joined,
    quoted,
    within_limit,
)
from runner.trainers.sd_scripts.importers.python_values import (
    FUNCTIONS,
    Dump,
    OpenFile,
    Parser,
    Uncomputed,
    Unknown,
    Value,
    attribute,
    binary,
    compare,
    known,
    limited,
    method,
    text_of,
    truth,
)

#: last part of the name -> the program's words are a list or a text
_STARTS = frozenset(
    {"system", "run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput", "popen",
     "execvp", "execv", "create_subprocess_shell", "run_command", "run_cmd", "execute"}
)  # fmt: skip
#: an argument of a program or service: its default
_DEFAULTS = frozenset({"Input", "Option", "Argument", "Field"})
_LATER = frozenset({"remote", "spawn", "local", "delay", "submit"})
_DUMPS = frozenset({"toml.dump", "tomli_w.dump", "json.dump", "yaml.dump", "yaml.safe_dump"})
#: name of the function that a line `!command` of a notebook becomes
SHELL_LINE = "__shell_line__"
SHELL_CELL = "__shell_cell__"
_Function = ast.FunctionDef | ast.AsyncFunctionDef
#: key of an object's class, which no attribute has
_CLASS = " class"
_ERRORS = (Uncomputed, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


@dataclass(slots=True)
class Program:
    """`trusting`: a condition that is unknown is read as if true; else what it changes is unknown."""

    commands: Commands
    trusting: bool = False
    values: dict[str, Value] = field(default_factory=dict)
    functions: dict[str, _Function] = field(default_factory=dict)
    methods: dict[str, dict[str, _Function]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    dumped: list[dict[Any, Any]] = field(default_factory=list)
    _locals: list[dict[str, Value]] = field(default_factory=list)
    _globals: list[set[str]] = field(default_factory=list)
    _line: int = 1
    _doubt: int = 0
    _uncalled: int = 0

    def __post_init__(self) -> None:
        self.values |= {"__name__": "__main__", "__file__": f"{self.commands.here}/program.py"}

    # ------------------------------------------------------------------ statements

    def read(self, body: Iterable[ast.stmt]) -> Value:
        """What `return` gives; _NOTHING without one."""
        for one in body:
            self.commands.step(one.lineno)
            if len(self._locals) == self._uncalled:
                self._line = one.lineno
            try:
                result = self.statement(one)
            except _ERRORS:
                result = _NOTHING
            if result is not _NOTHING and not self._doubt:
                return result
        return _NOTHING

    def read_uncalled(self) -> None:
        """Functions that the program only defines, each as if called."""
        self._uncalled = 1
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
            case ast.Global(names) if self._globals:
                self._globals[-1].update(names)
            case ast.Return(value):
                return None if value is None else self.value(value)
            case ast.Continue() | ast.Break():
                return _NEXT if isinstance(one, ast.Continue) else _BROKEN
        return _NOTHING

    def of_class(
        self, name: str, bases: list[ast.expr], body: Iterable[ast.stmt]
    ) -> dict[str, Value]:
        """Its plain attributes, with its name under _CLASS."""
        above = [one for base in bases if isinstance(one := self.value(base), dict)]
        self._locals.append({key: value for one in above for key, value in one.items()})
        self._globals.append(set())
        outside, self.functions = self.functions, {}
        self.read(body)
        inherited = [self.methods.get(str(one.get(_CLASS)), {}) for one in above]
        self.methods[name] = {k: v for one in (*inherited, self.functions) for k, v in one.items()}
        self.functions = outside
        self._globals.pop()
        return {**self._locals.pop(), _CLASS: name}

    def made(self, kind: str, given: list[Value], named: Mapping[str, Value]) -> Value:
        """An object: the attributes of its class, and what `__init__` sets."""
        plain = self.values.get(kind)
        one = {**(plain if isinstance(plain, dict) else {}), _CLASS: kind}
        if begin := self.methods.get(kind, {}).get("__init__"):
            self.call(begin, [one, *given], named)
        else:  # a dataclass
            names = [name for name in one if name != _CLASS]
            one |= {**dict(zip(names, given, strict=False)), **named}
        return one

    def condition(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> Value:
        holds = truth(self.value(test))
        if holds is not None:
            return self.read(body if holds else orelse)
        shown = f"if {ast.unparse(test)}"
        self.commands.in_doubt.append(shown)
        self._doubt += 1
        scopes = () if self.trusting else (self.values, *self._locals[-1:])
        before = [_copied(scope) for scope in scopes]
        self.read(body)
        if not self.trusting:
            for one in orelse:
                for node in ast.walk(one):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        self.scope[node.id] = Unknown(shown)
            for scope, old in zip(scopes, before, strict=True):
                _blur(scope, old, Unknown(shown))
        self._doubt -= 1
        self.commands.in_doubt.pop()
        return _NOTHING

    def loop(self, one: ast.For | ast.AsyncFor) -> Value:
        items = self.value(one.iter)
        items = list(items) if isinstance(items, dict) else items
        for item in items if isinstance(items, list) else [Unknown(ast.unparse(one.target))]:
            self.commands.step(one.lineno)
            self.assign(one.target, item)
            result = self.read(one.body)
            if result is _BROKEN:
                break
            if result not in (_NOTHING, _NEXT):
                return result
        return _NOTHING

    # ------------------------------------------------------------------ names

    @property
    def scope(self) -> dict[str, Value]:
        return self._locals[-1] if self._locals else self.values

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(name):
                outside = self._globals and name in self._globals[-1]
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

    def grow(self, target: ast.expr, sign: ast.operator, source: ast.expr) -> None:
        value = self.value(source)
        old = self.value(target)
        if isinstance(old, list) and isinstance(value, Unknown):
            old.append(value)
            return
        try:
            self.assign(target, binary(sign, old, value))
        except _ERRORS:
            self.assign(target, Unknown(ast.unparse(target)))

    def export(self, name: Value, value: Value) -> None:
        if isinstance(name, str) and name.isidentifier():
            self.commands.export(self._line, name, text_of(value))

    # ------------------------------------------------------------------ expressions

    def value(self, tree: ast.expr) -> Value:
        self.commands.step(tree.lineno)
        try:
            return self.computed(tree)
        except _ERRORS:
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

    # ------------------------------------------------------------------ calls

    def of_call(self, tree: ast.Call) -> Value:
        name = ast.unparse(tree.func) if isinstance(tree.func, ast.Name | ast.Attribute) else ""
        given = self.listed(tree.args)
        named = {one.arg: self.value(one.value) for one in tree.keywords if one.arg}
        if name in (SHELL_LINE, SHELL_CELL):
            return self.shell_text(str(given[0]), expand=name == SHELL_LINE)
        if isinstance(tree.func, ast.Name) and name in self.functions:
            return self.call(self.functions[name], given, named)
        owner, _, last = name.rpartition(".")
        if last in _LATER and owner in self.functions:  # on another machine, as with Modal or Ray
            return self.call(self.functions[owner], given, named)
        if last in _DEFAULTS:
            return named.get("default", given[0] if given else Unknown(name))
        if isinstance(tree.func, ast.Name) and name in self.methods:
            return self.made(name, given, named)
        if name in _DUMPS and len(given) > 1:
            return self.write(given[1], given[0])
        if (
            name == "open"
            and given
            and str([*given[1:], named.get("mode")][0])[:1] in ("w", "x", "a")
        ):
            return OpenFile(text_of(given[0]))
        if name in ("globals", "locals"):
            return dict(self.values)
        if name in ("os.chdir", "%cd") and given:
            self.commands.change_folder(self._line, text_of(given[0]))
            return None
        if name in ("os.environ.setdefault", "os.putenv") and len(given) == 2:
            self.export(*given)
            return None
        if name == "os.environ.update" and given and isinstance(given[0], dict):
            for key, value in given[0].items():
                self.export(key, value)
            return None
        if name == "dict":
            base = given[0] if given and isinstance(given[0], dict) else {}
            return {**base, **named}
        if name == "isinstance" and len(tree.args) == 2:
            return _is_instance(given[0], ast.unparse(tree.args[1]))
        if name in ("map", "filter") and len(given) == 2 and isinstance(given[1], list):
            if name == "filter":
                return [one for one in given[1] if truth(one) is not False]
            if ast.unparse(tree.args[0]) == "str":
                return [text_of(one) for one in given[1]]
        if (
            name.rpartition(".")[2] in _STARTS
            and given
            and isinstance(given[0], str | list | Unknown)
        ):
            self.start(given, named)
            return Unknown(ast.unparse(tree)[:60])
        if function := FUNCTIONS.get(name):
            result = function(given)
            if isinstance(result, Dump):
                self.dumped.append(result.values)
            return result
        if isinstance(tree.func, ast.Attribute):
            return self.of_method(tree, self.value(tree.func.value), tree.func.attr, given, named)
        raise Uncomputed

    def of_method(
        self,
        tree: ast.Call,
        owner: Value,
        name: str,
        given: list[Value],
        named: Mapping[str, Value],
    ) -> Value:
        if isinstance(owner, OpenFile) and name in ("write", "writelines") and given:
            return self.write(owner, given[0])
        if name == "write_text" and given and isinstance(owner, str):
            return self.write(OpenFile(owner), given[0])
        if name == "open" and isinstance(owner, str):
            return OpenFile(owner)
        if isinstance(owner, dict) and (
            function := self.methods.get(str(owner.get(_CLASS)), {}).get(name)
        ):
            return self.call(function, [owner, *given], named)
        if isinstance(owner, Parser):
            return _of_parser(owner, name, given, named)
        if name == "update" and named and isinstance(owner, dict):
            owner.update(named)
            return None
        return method(owner, name, given, ast.unparse(tree)[:60])

    def call(
        self,
        function: _Function,
        given: list[Value],
        named: Mapping[str, Value],
    ) -> Value:
        self.called.add(function.name)
        if len(self._locals) >= MOST_CALLS:
            raise Uncomputed
        spec = function.args
        names = [one.arg for one in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
        first = len(spec.posonlyargs) + len(spec.args) - len(spec.defaults)
        scope: dict[str, Value] = {name: Unknown(f"argument {name}") for name in names}
        for name, default in zip(names[first:], spec.defaults, strict=False):
            scope[name] = self.value(default)
        for one, default_of in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            if default_of is not None:
                scope[one.arg] = self.value(default_of)
        scope |= dict(zip(names, given, strict=False))
        scope |= {name: value for name, value in named.items() if name in names}
        self._locals.append(scope)
        self._globals.append(set())
        doubt, self._doubt = self._doubt, 0
        result = self.read(function.body)
        self._doubt = doubt
        self._locals.pop()
        self._globals.pop()
        return None if result in (_NOTHING, _NEXT, _BROKEN) else result

    def start(self, given: list[Value], named: Mapping[str, Value]) -> None:
        """A program: a list of words, or a text that a shell reads."""
        words = given[0]
        if isinstance(words, list):
            text = " ".join(quoted(text_of(one)) for one in words if one != "")
        else:
            text = text_of(words)
            if len(given) > 1 and isinstance(given[1], list):  # os.execvp(program, words)
                text = " ".join(quoted(text_of(one)) for one in given[1])
        before = []
        if "cwd" in named and named["cwd"] is not None:
            before.append(f"cd {quoted(text_of(named['cwd']))}")
        if isinstance(env := named.get("env"), dict):
            before += [
                f"export {key}={quoted(text_of(one))}"
                for key, one in env.items()
                if str(key).isidentifier()
            ]
        self.commands.shell_if_useful(self._line, text, before)

    def shell_text(self, text: str, *, expand: bool) -> Value:
        """A line with `!`, in which {name} and $name are values of Python; or a cell for a shell."""
        if expand:
            text = _expanded(text, self)
        self.commands.shell_if_useful(self._line, text, [])
        return Unknown("output")

    def write(self, file: Value, content: Value) -> None:
        values = content.values if isinstance(content, Dump) else content
        if isinstance(file, OpenFile) and isinstance(values, dict | str):
            before = self.commands.written.get(file.path)
            if isinstance(before, str) and isinstance(values, str):
                values = within_limit(before + values)
            self.commands.written[file.path] = values


#: what a statement gives that does not return
_NOTHING, _NEXT, _BROKEN = object(), object(), object()


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
            grown = (
                isinstance(value, str) and isinstance(old, str) and old and value.startswith(old)
            )
            scope[name] = f"{old}{text_of(doubt)}" if grown else doubt


def _is_instance(value: Value, kinds: str) -> bool:
    if not known(value) and not isinstance(value, list | dict):
        raise Uncomputed
    names = {
        "str": str,
        "int": int,
        "float": float,
        "bool": bool,
        "list": list,
        "dict": dict,
        "tuple": list,
    }
    wanted = [names[one] for one in kinds.strip("()").replace(" ", "").split(",") if one]
    return isinstance(value, tuple(wanted))


def _of_parser(parser: Parser, name: str, given: list[Value], named: Mapping[str, Value]) -> Value:
    if name == "add_argument":
        options = [str(one) for one in given]
        full = next((one for one in options if one.startswith("--")), options[0] if options else "")
        dest = str(named.get("dest") or full.lstrip("-").replace("-", "_"))
        unset = False if named.get("action") == "store_true" else Unknown(f"argument {dest}")
        parser.defaults[dest] = named.get("default", unset)
        return None
    if name == "set_defaults":
        parser.defaults.update(named)
        return None
    if name == "parse_args":
        return dict(parser.defaults)
    if name == "parse_known_args":
        return [dict(parser.defaults), []]
    return parser  # add_argument_group and the like


def _expanded(text: str, program: Program) -> str:
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


def _evaluated(source: str, program: Program) -> str | None:
    """None if it is no expression."""
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return None
    value = program.value(tree.body)
    if isinstance(value, list):
        return " ".join(shlex.quote(text_of(one)) for one in value)
    return text_of(value)
