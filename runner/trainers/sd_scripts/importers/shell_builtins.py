"""Commands of the shell itself that change what the script knows: variables, folder, environment."""

from __future__ import annotations

import re
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_scope import Scope, folder_of
from runner.trainers.sd_scripts.importers.shell_words import Word

_NAME = re.compile(r"[A-Za-z_]\w*")


def changes_state(scope: Scope, words: list[Word], fields: list[Field]) -> bool:
    """Do what the command does to the scope; False when it is none of these. `fields`: the words,
    expanded."""
    name, line = fields[0].text, words[0].line
    given = [one.text for one in fields[1:] if not one.text.startswith("-")]
    if name in ("export", "declare", "local", "readonly", "typeset"):
        _declare(scope, name, words[1:], fields)
    elif name == "unset":
        for gone in given:
            scope.variables.pop(gone, None)
    elif name in ("cd", "pushd", "popd"):
        _change_folder(scope, name, given, unknown=any(one.unknown for one in fields))
    elif name in ("source", "."):
        _source(scope, given, line)
    elif name in ("conda", "mamba", "micromamba") and given[:1] == ["activate"]:
        scope.python = f"{given[1]}/bin/python" if "/" in "".join(given[1:2]) else None
        if scope.python is None:
            scope.say(line, f"environment {' '.join(given[1:])}: set [trainer] python")
    elif name == "shift" and scope.arguments is not None:
        scope.arguments = scope.arguments[int(given[0]) if given in (["2"], ["3"]) else 1 :]
    elif name == "set":
        texts = [one.text for one in fields]
        if "--" in texts:
            scope.arguments = tuple(fields[texts.index("--") + 1 :])
    else:
        return False
    return True


def _declare(scope: Scope, name: str, words: list[Word], fields: list[Field]) -> None:
    exports = name == "export" or any(one.text in ("-x", "-gx") for one in fields)
    for word in words:
        assignment = word.assignment()
        declared = assignment[0] if assignment else word.plain()
        if assignment:
            scope.set(*assignment)
        if exports and _NAME.fullmatch(declared):
            scope.exported.add(declared)
        if name == "local":
            scope.locals.add(declared)


def _change_folder(scope: Scope, name: str, given: list[str], *, unknown: bool) -> None:
    scope.moved = True
    if name == "pushd":
        scope.folders.append(scope.cwd)
    if name == "popd":
        scope.cwd = scope.folders.pop() if scope.folders else None
    else:
        scope.cwd = None if unknown else folder_of(given[0] if given else "~", scope.cwd)


def _source(scope: Scope, given: list[str], line: int) -> None:
    path = folder_of(given[0], scope.cwd) if given else None
    if path is not None and path.name.startswith("activate"):
        scope.python = str(path.parent / "python")
    elif given and "activate" in given[0]:
        scope.python = str(Path(given[0]).parent / "python")
    else:
        scope.say(line, f"{' '.join(given)} is not read; add what it sets to [trainer] env")
