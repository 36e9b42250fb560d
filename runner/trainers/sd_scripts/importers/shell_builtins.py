"""Commands of the shell itself that change what the script knows: variables, folder, environment."""

from __future__ import annotations

import re
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_scope import Scope
from runner.trainers.sd_scripts.importers.shell_tests import folder_of
from runner.trainers.sd_scripts.importers.shell_words import Token

_NAME = re.compile(r"[A-Za-z_]\w*")


def changes_state(scope: Scope, words: list[Token], fields: list[Field]) -> bool:
    """Do what the command does to the scope; False when it is none of these. `fields`: the words,
    expanded."""
    texts = [one.text for one in fields]
    given = [text for text in texts[1:] if not text.startswith("-")]
    match texts:
        case ["export" | "declare" | "local" | "readonly" | "typeset" as name, *_]:
            _declare(
                scope, name, words[1:], exports=name == "export" or bool({"-x", "-gx"} & {*texts})
            )
        case ["unset", *_]:
            for gone in given:
                scope.variables.pop(gone, None)
        case ["cd" | "pushd" | "popd" as name, *_]:
            scope.moved = True
            if name == "pushd":
                scope.folders.append(scope.cwd)
            if name == "popd":
                scope.cwd = scope.folders.pop() if scope.folders else None
            else:
                known = not any(one.unknown for one in fields)
                scope.cwd = folder_of("".join(given[:1]) or "~", scope.cwd) if known else None
        case ["source" | ".", *_]:
            path = folder_of(given[0], scope.cwd) if given else None
            if given and "activate" in (path or Path(given[0])).name:
                scope.python = str((path or Path(given[0])).parent / "python")
            else:
                what = f"{' '.join(given)} is not read; add what it sets to [trainer] env"
                scope.say(words[0].line, what)
        case ["conda" | "mamba" | "micromamba", "activate", *_]:
            place = "".join(given[1:2])
            scope.python = f"{place}/bin/python" if "/" in place else None
            if scope.python is None:
                scope.say(words[0].line, f"environment {place}: set [trainer] python")
        case ["shift", *_]:
            by = int(given[0]) if given in (["2"], ["3"]) else 1
            scope.arguments = scope.arguments and scope.arguments[by:]
        case ["set", *_]:
            if "--" in texts:
                scope.arguments = tuple(fields[texts.index("--") + 1 :])
        case _:
            return False
    return True


def _declare(scope: Scope, name: str, words: list[Token], *, exports: bool) -> None:
    for word in words:
        assignment = word.assignment()
        declared = assignment[0] if assignment else word.plain
        if assignment:
            scope.set(*assignment)
        if exports and _NAME.fullmatch(declared):
            scope.exported.add(declared)
        if name == "local":
            scope.locals.add(declared)
