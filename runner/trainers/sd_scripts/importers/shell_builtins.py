"""Commands of the shell itself that change what the script knows: variables, folder, environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_scope import Scope
from runner.trainers.sd_scripts.importers.shell_tests import folder_of
from runner.trainers.sd_scripts.importers.shell_words import Token

_NAME = re.compile(r"[A-Za-z_]\w*")

#: the words of a command as written, and what they became
Words = Sequence[Token]
Fields = Sequence[Field]


def _given(fields: Fields) -> list[str]:
    return [one.text for one in fields[1:] if not one.text.startswith("-")]


def _declare(scope: Scope, words: Words, fields: Fields) -> None:
    name = fields[0].text
    exports = name == "export" or any(one.text in ("-x", "-gx") for one in fields)
    for word in words[1:]:
        assignment = word.assignment()
        declared = assignment[0] if assignment else word.plain
        if assignment:
            scope.set(*assignment)
        if exports and _NAME.fullmatch(declared):
            scope.exported.add(declared)
        if name == "local":
            scope.locals.add(declared)


def _unset(scope: Scope, words: Words, fields: Fields) -> None:
    for gone in _given(fields):
        scope.variables.pop(gone, None)


def _change_folder(scope: Scope, words: Words, fields: Fields) -> None:
    name, given = fields[0].text, _given(fields)
    scope.moved = True
    if name == "pushd":
        scope.folders.append(scope.cwd)
    if name == "popd":
        scope.cwd = scope.folders.pop() if scope.folders else None
    else:
        unknown = any(one.unknown for one in fields)
        scope.cwd = None if unknown else folder_of(given[0] if given else "~", scope.cwd)


def _source(scope: Scope, words: Words, fields: Fields) -> None:
    given = _given(fields)
    path = folder_of(given[0], scope.cwd) if given else None
    if path is not None and path.name.startswith("activate"):
        scope.python = str(path.parent / "python")
    elif given and "activate" in given[0]:
        scope.python = str(Path(given[0]).parent / "python")
    else:
        told = f"{' '.join(given)} is not read; add what it sets to [trainer] env"
        scope.say(words[0].line, told)


def _activate(scope: Scope, words: Words, fields: Fields) -> None:
    name = "".join(_given(fields)[1:2])
    scope.python = f"{name}/bin/python" if "/" in name else None
    if scope.python is None:
        scope.say(words[0].line, f"environment {name}: set [trainer] python")


def _shift(scope: Scope, words: Words, fields: Fields) -> None:
    if scope.arguments is not None:
        given = _given(fields)
        scope.arguments = scope.arguments[int(given[0]) if given in (["2"], ["3"]) else 1 :]


def _set(scope: Scope, words: Words, fields: Fields) -> None:
    texts = [one.text for one in fields]
    if "--" in texts:
        scope.arguments = tuple(fields[texts.index("--") + 1 :])


Builtin = Callable[[Scope, Words, Fields], None]
_BUILTINS: Mapping[str, Builtin] = {
    **dict.fromkeys(("export", "declare", "local", "readonly", "typeset"), _declare),
    **dict.fromkeys(("cd", "pushd", "popd"), _change_folder),
    **dict.fromkeys(("source", "."), _source),
    "unset": _unset,
    "shift": _shift,
    "set": _set,
}


def builtin_of(fields: Fields) -> Builtin | None:
    name = fields[0].text if fields else ":"
    if name in ("conda", "mamba", "micromamba") and fields[1:2] == [Field("activate")]:
        return _activate
    return _BUILTINS.get(name)
