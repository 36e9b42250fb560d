"""Commands of the shell that change its state: what each does to a scope. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.scope import Scope
from runner.trainers.sd_scripts.importers.shell.tests import folder_of, printed
from runner.trainers.sd_scripts.importers.shell.words import Token

_NAME = re.compile(r"[A-Za-z_]\w*")
#: options of `read` and `mapfile` with a value
_WITH_VALUE = ("-p", "-d", "-n", "-N", "-t", "-u", "-i", "-a")
#: what a command needs: its words as written, and expanded
Builtin = Callable[[Scope, Sequence[Token], Sequence[Field]], bool | None]


def _texts(fields: Sequence[Field]) -> list[str]:
    return [one.text for one in fields]


def _given(fields: Sequence[Field]) -> list[str]:
    return [one.text for one in fields[1:] if not one.text.startswith("-")]


def _declare(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    options = "".join(one.text for one in fields if re.fullmatch(r"-\w+", one.text))
    exports = fields[0].text == "export" or "x" in options
    for word in words[1:]:
        assignment = word.assignment()
        expanded = [] if assignment else scope.expand(word)
        for one in expanded:
            name, sign, value = one.text.partition("=")
            if one.unknown and not sign:
                scope.say(word.line, f"{one.unknown[0]}; the variables of this line are unknown")
            elif sign and _NAME.fullmatch(name):  # export "$name=$value"
                scope.put(name, Field(value, one.unknown))
        named = (
            [assignment.name] if assignment else [one.text.partition("=")[0] for one in expanded]
        )
        for name in filter(_NAME.fullmatch, named):
            if fields[0].text == "local":
                scope.locals.add(name)
                scope.variables.pop(name, None) if not assignment else None
            if "A" in options:
                scope.maps.add(name)
            if ("a" in options or "A" in options) and not assignment:
                scope.variables.setdefault(name, {})
            if exports:
                scope.exported.add(name)
        if assignment:
            scope.set(assignment)
    return True


def _unset(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    for given in _given(fields):
        name, _, index = given.removesuffix("]").partition("[")
        array = scope.variables.get(name)
        if index and isinstance(array, dict):
            scope.put(name, {key: one for key, one in array.items() if key != index})
        else:
            scope.variables.pop(name, None)
        scope.exported.discard(name)
    return True


def _cd(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool | None:
    scope.moved = True
    name, given = fields[0].text, _given(fields)
    if name == "popd":
        scope.cwd = scope.folders.pop() if scope.folders else None
        return True
    scope.folders.append(scope.cwd)
    if fields[-1].text == "-" and name == "cd":
        before = scope.folders[:-1]
        scope.cwd = before[-1] if before else None
        return True
    if unknown := [why for one in fields for why in one.unknown]:
        scope.say(words[0].line, f"the folder of `{name}` is unknown: {unknown[0]}")
        scope.cwd = None
    elif given != [""]:  # that stays
        scope.cwd = folder_of("".join(given[:1]) or "~", scope.cwd)
    return None  # does the folder exist?


def _shift(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    given = _given(fields)
    by = int(given[0][:9]) if given and given[0].isdecimal() else 1
    if scope.arguments is None or by > len(scope.arguments):
        return False
    scope.arguments = scope.arguments[by:]
    return True


def _set(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    texts = _texts(fields)
    if {"-a", "+a", "allexport"} & set(texts):
        scope.exporting = not any(one.startswith("+") for one in texts)
    if "--" in texts:
        scope.arguments = tuple(fields[texts.index("--") + 1 :])
    return True


def _read(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool | None:
    options, names = _options(_texts(fields)[1:])
    array = options.get("-a")
    names = [array] if array else names or ["REPLY"]
    if scope.lines is None:
        for name in names:
            scope.variables.pop(name, None)
        return None
    if not scope.lines:
        for name in names:
            scope.put(name, Field(""))
        return False
    line = scope.lines.pop()
    if options.get("-d") == "":
        line = "\n".join((line, *reversed(scope.lines)))
        scope.lines.clear()
    scope.put("REPLY", Field(line))
    parts = scope.parts(line, 0 if array else len(names))
    if array:
        scope.put(array, {str(at): Field(one) for at, one in enumerate(parts)})
        return True
    for at, name in enumerate(names):
        scope.put(name, Field(parts[at] if at < len(parts) else ""))
    return True


def _options(texts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    at = 0
    while at < len(texts) and texts[at].startswith("-"):
        flag = f"-{texts[at][-1]}"
        takes = flag in _WITH_VALUE
        options[flag] = texts[at + 1] if takes and at + 1 < len(texts) else ""
        at += 1 + takes
    return options, [text for text in texts[at:] if _NAME.fullmatch(text)]


def _mapfile(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool | None:
    _, names = _options([text for text in _texts(fields)[1:] if text != "-t"])
    for name in names[:1] or ["MAPFILE"]:
        if scope.lines is None:
            scope.variables.pop(name, None)
            return None
        lines = reversed(scope.lines)
        scope.put(name, {str(at): Field(one) for at, one in enumerate(lines)})
    return True


def _printf_to(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    texts = _texts(fields)
    if len(texts) > 3 and _NAME.fullmatch(texts[2]):
        text = printed(["printf", *texts[3:]], scope.cwd)
        reasons = tuple(why for one in fields for why in one.unknown)
        reasons = reasons or (
            () if text is not None else (f"$({' '.join(texts)}) would have to be run",)
        )
        scope.put(texts[2], Field(text or "", reasons))
    return True


def _let(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool | None:
    answer: int | None = 0
    for text in _texts(fields)[1:]:
        answer = scope.sum(text)
    return None if answer is None else answer != 0


def _getopts(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool | None:
    if scope.arguments:
        return None
    scope.assumptions.append("the script is called without arguments")
    return False


def _activate(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    place = "".join(_given(fields)[1:2])
    scope.python = f"{place}/bin/python" if "/" in place else None
    if scope.python is None:
        scope.say(words[0].line, f"environment {place}: set [trainer] python")
    return True


def use_venv(scope: Scope, script: str) -> None:
    """`source venv/bin/activate`."""
    path = folder_of(script, scope.cwd) or Path(script)
    scope.python = str(path.parent / "python")


def _yes(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    return True


def _no(scope: Scope, words: Sequence[Token], fields: Sequence[Field]) -> bool:
    return False


#: by the first word, or the first two
BUILTINS: Mapping[str, Builtin] = {
    **dict.fromkeys(("export", "declare", "local", "readonly", "typeset"), _declare),
    **dict.fromkeys(("cd", "pushd", "popd"), _cd),
    **dict.fromkeys(("conda activate", "mamba activate", "micromamba activate"), _activate),
    **dict.fromkeys(("mapfile", "readarray"), _mapfile),
    **dict.fromkeys(
        (":", "true", "trap", "shopt", "wait", "umask", "ulimit", "hash", "alias"), _yes
    ),
    "false": _no,
    "unset": _unset,
    "shift": _shift,
    "set": _set,
    "read": _read,
    "printf -v": _printf_to,
    "let": _let,
    "getopts": _getopts,
}
