"""The calls of a Python program: its own functions and classes, and the programs that it starts."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import MOST_CALLS, quoted, within_limit
from runner.trainers.sd_scripts.importers.python.expressions import Expressions, expanded
from runner.trainers.sd_scripts.importers.python.values import (
    FUNCTIONS,
    Dump,
    OpenFile,
    Parser,
    Uncomputed,
    Unknown,
    Value,
    known,
    method,
    text_of,
    truth,
)

#: last part of the name of a function that starts a program
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
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: key of an object's class, which no attribute has
CLASS = " class"
#: what a statement gives that does not return
NOTHING, NEXT, BROKEN = object(), object(), object()


@dataclass(slots=True)
class Calls(Expressions):
    """`functions`, `methods` of classes by name; `called`: their names; `dumped`: dicts that became a text."""

    functions: dict[str, Function] = field(default_factory=dict)
    methods: dict[str, dict[str, Function]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    dumped: list[dict[Any, Any]] = field(default_factory=list)
    doubt: int = 0

    @abstractmethod
    def read(self, body: Iterable[ast.stmt]) -> Value:
        """What `return` gives; NOTHING without one."""

    def made(self, kind: str, given: list[Value], named: Mapping[str, Value]) -> Value:
        """An object: the attributes of its class, and what `__init__` sets."""
        plain = self.values.get(kind)
        one = {**(plain if isinstance(plain, dict) else {}), CLASS: kind}
        if begin := self.methods.get(kind, {}).get("__init__"):
            self.call(begin, [one, *given], named)
        else:  # a dataclass
            names = [name for name in one if name != CLASS]
            one |= {**dict(zip(names, given, strict=False)), **named}
        return one

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
            self.commands.change_folder(self.line, text_of(given[0]))
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
        if last in _STARTS and given and isinstance(given[0], str | list | Unknown):
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
            function := self.methods.get(str(owner.get(CLASS)), {}).get(name)
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
        function: Function,
        given: list[Value],
        named: Mapping[str, Value],
    ) -> Value:
        self.called.add(function.name)
        if len(self.local) >= MOST_CALLS:
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
        self.local.append(scope)
        self.shared.append(set())
        doubt, self.doubt = self.doubt, 0
        result = self.read(function.body)
        self.doubt = doubt
        self.local.pop()
        self.shared.pop()
        return None if result in (NOTHING, NEXT, BROKEN) else result

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
        self.commands.shell_if_useful(self.line, text, before)

    def shell_text(self, text: str, *, expand: bool) -> Value:
        """A line with `!`, in which {name} and $name are values of Python; or a cell for a shell."""
        if expand:
            text = expanded(text, self)
        self.commands.shell_if_useful(self.line, text, [])
        return Unknown("output")

    def write(self, file: Value, content: Value) -> None:
        values = content.values if isinstance(content, Dump) else content
        if isinstance(file, OpenFile) and isinstance(values, dict | str):
            before = self.commands.written.get(file.path)
            if isinstance(before, str) and isinstance(values, str):
                values = within_limit(before + values)
            self.commands.written[file.path] = values


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
