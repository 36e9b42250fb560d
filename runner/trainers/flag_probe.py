"""Reads the flags of a training script. Runs in the trainer's own interpreter; standard library only.

    python flag_probe.py MODE SCRIPT [LIBRARY_FOLDER ...]

MODE `hollow`: the script is imported with every package outside the standard library and its own folders
replaced by an empty stub. sd-scripts defines its flags with plain argparse, so nothing is lost, and slow
imports, a GPU or a working torch are not needed. MODE `whole`: everything is imported. Then `setup_parser()`
is called. MODE `caught`: the script is started with --help, and stopped when it runs its own parser. The
parser's options are printed after a mark, as one line of JSON. Exit 1 with a reason on stderr if the function
is missing or fails.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import runpy
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "\x1ePLASMA "
#: sd-scripts' scripts build their parser in a function of this name
FUNCTION = "setup_parser"


class Shell:
    """Replaces anything of a stubbed package: it can be called, subclassed, compared,
    iterated over, and has every attribute."""

    #: a parser was passed to stubbed code, so flags may be missing
    parser_given_away = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Shell()

    def __call__(self, *values: Any, **named: Any) -> Any:
        parsers = (argparse.ArgumentParser, argparse._ArgumentGroup)
        if any(isinstance(value, parsers) for value in (*values, *named.values())):
            Shell.parser_given_away = True
        decorates = len(values) == 1 and not named
        if decorates and isinstance(values[0], (types.FunctionType, type)):
            return values[0]
        return Shell()

    def __mro_entries__(self, bases: Any) -> tuple[()]:
        return ()


#: results of special methods; every other attribute is a Shell
_ANSWERS: dict[str, Callable[[], Any]] = {
    "getitem add radd sub rsub mul rmul truediv rtruediv floordiv mod pow neg": Shell,
    "or ror and rand invert matmul enter": Shell,
    "instancecheck subclasscheck contains lt le gt ge": lambda: False,
    "len int index": lambda: 0,
    "float": lambda: 0.0,
    "bool": lambda: True,
    "iter": lambda: iter(()),
    "setitem exit": lambda: None,
}


def _method(answer: Callable[[], Any]) -> Callable[..., Any]:
    return lambda self, *values: answer()


for _names, _answer in _ANSWERS.items():
    for _name in _names.split():
        setattr(Shell, f"__{_name}__", _method(_answer))


class ShellModule(types.ModuleType):
    """A stubbed package."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return "0.0.0"
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Shell()


class ShellFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an empty package for every name that is neither standard library nor in `folders`."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders
        self.standard = frozenset(sys.stdlib_module_names)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        top = fullname.partition(".")[0]
        if top in self.standard:
            return None
        if importlib.machinery.PathFinder.find_spec(top, self.folders) is not None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        return ShellModule(spec.name)

    def exec_module(self, module: Any) -> None:
        pass


def describe(parser: argparse.ArgumentParser) -> list[dict[str, Any]]:
    """Every option that starts with `--`, in the parser's order, except --help."""
    return [
        _described(parser, action)
        for action in parser._actions
        if action.dest != "help" and any(name.startswith("--") for name in action.option_strings)
    ]


def _described(parser: argparse.ArgumentParser, action: argparse.Action) -> dict[str, Any]:
    names = [name[2:] for name in action.option_strings if name.startswith("--")]
    kind = getattr(action.type, "__name__", None) if action.type is not None else "str"
    choices = action.choices
    if isinstance(choices, Shell) or choices is None:
        listed = None
    else:
        listed = [choice for choice in map(_plain, choices) if choice is not None]
    nargs = action.nargs if isinstance(action.nargs, (int, str)) else None
    return {
        "name": names[0],
        "aliases": names[1:],
        "dest": action.dest,
        "kind": kind if isinstance(kind, str) else None,
        "choices": listed,
        "nargs": nargs,
        "bare": action.nargs == 0,
        "repeats": type(action).__name__ in ("_AppendAction", "_ExtendAction"),
        "default": None if action.default is argparse.SUPPRESS else _plain(action.default),
        "help": _help(parser, action),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, Shell) else str(value)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """With `%(default)s` and the like filled in, as `--help` shows it."""
    text = action.help
    if not text or text == argparse.SUPPRESS:
        return ""
    try:
        return parser._get_formatter()._expand_help(action)
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(text)


def load(script: str) -> Any:
    """The script as a module; code under `if __name__ == "__main__"` does not run."""
    name = Path(script).stem
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ImportError("cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Caught(BaseException):
    """The parser that a script runs; no error handling of the script may intercept it."""


def catch(script: str) -> Any:
    """The script's own parser at the moment it runs; the script stops there."""

    def asked(parser: argparse.ArgumentParser, *values: Any, **named: Any) -> Any:
        raise Caught(parser)

    for name in ("parse_args", "parse_known_args"):
        setattr(argparse.ArgumentParser, name, asked)
    try:
        runpy.run_path(script, run_name="__main__")
    except Caught as caught:
        return caught.args[0]
    raise LookupError("it runs no parser")


def ask(mode: str, script: str, folders: list[str]) -> dict[str, Any]:
    """The flags of one script. Raises whatever its import raises."""
    here = str(Path(script).absolute().parent)
    # As with `python SCRIPT`, not the folder of this file.
    sys.path[:1] = [here, *(folder for folder in folders if folder != here)]
    sys.argv[:] = [script, "--help"] if mode == "caught" else [script]
    if mode == "caught":
        return {"mode": mode, "script": script, "flags": describe(catch(script))}
    if mode == "hollow":
        sys.meta_path.insert(0, ShellFinder(sys.path[: 1 + len(folders)]))
    function = getattr(load(script), FUNCTION, None)
    if not isinstance(function, types.FunctionType):
        raise LookupError("no " + FUNCTION + "() in " + script)
    parser = function()
    if not isinstance(parser, argparse.ArgumentParser) or Shell.parser_given_away:
        raise LookupError("flags of " + script + " come from a stubbed package")
    return {"mode": mode, "script": script, "flags": describe(parser)}


if __name__ == "__main__":
    try:
        answer = ask(sys.argv[1], sys.argv[2], sys.argv[3:])
    except BaseException as problem:  # the script may raise anything, even SystemExit
        sys.stderr.write("\n" + type(problem).__name__ + ": " + str(problem) + "\n")
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.write("\n" + MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()
    # Threads started by a package must not delay the answer.
    os._exit(0)
