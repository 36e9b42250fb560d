"""A shell script read from top to bottom as a shell would, without running anything: which programs
it would start, with which words, where, and with which environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.trainers.sd_scripts.importers.shell_model import Command, Text, Word
from runner.trainers.sd_scripts.importers.shell_scope import Field, Scope, folder_of
from runner.trainers.sd_scripts.importers.shell_tests import TESTS, truth

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_DECLARING = ("export", "declare", "local", "readonly", "typeset")
_DROPPED_WORDS = ("{", "}", "time", "function", "builtin")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One program that the script would start. `cwd`: where; None: in a folder that cannot be told.
    `moved`: the script itself went there. `python`: of the environment that the script activated."""

    fields: tuple[Field, ...]
    line: int
    cwd: Path | None
    env: Mapping[str, str]
    python: str | None = None
    redirected: bool = False
    notes: tuple[str, ...] = ()
    moved: bool = False


@dataclass(slots=True)
class _Block:
    """`if`, `for`, `while` or `case`. `open`: what stands in it now would be run."""

    kind: str
    open: bool = True
    testing: bool = True
    taken: bool = False
    result: bool | None = None
    note: str | None = None


@dataclass(slots=True)
class ScriptReader:
    """Feed it the commands in order; `found` holds what would be started."""

    scope: Scope
    found: list[Invocation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    python: str | None = None
    _blocks: list[_Block] = field(default_factory=list)
    _folders: list[Path | None] = field(default_factory=list)
    _last: bool | None = None
    _before: str = ""
    _stopped: bool = False

    def read(self, commands: list[Command]) -> None:
        for command in commands:
            if not self._stopped:
                self._command(command)
                self._before = command.end

    def _command(self, command: Command) -> None:
        words = list(command.words)
        while words and self._keyword(words):
            pass
        if not words or not all(block.open or block.testing for block in self._blocks):
            return
        skipped = (self._before == "&&" and self._last is False) or (
            self._before == "||" and self._last is not False
        )
        testing = bool(self._blocks) and self._blocks[-1].testing
        if not skipped:
            self._last = self._simple(words, command)
            if testing:
                self._blocks[-1].result = self._last

    def _keyword(self, words: list[Word]) -> bool:
        """Take a leading keyword off; False when the first word is none."""
        word = words[0].plain() or ""
        line = words[0].line
        if word in ("if", "while", "until", "for", "case"):
            self._open_block(word, words, line)
            return True
        block = self._blocks[-1] if self._blocks else None
        if word in _DROPPED_WORDS:
            del words[0]
        elif block is None or word not in ("then", "elif", "else", "fi", "do", "done", "esac"):
            return False
        else:
            del words[0]
            self._turn(block, word, line)
        return True

    def _open_block(self, kind: str, words: list[Word], line: int) -> None:
        block = _Block(kind, open=False)
        if not all(outer.open for outer in self._blocks):
            block.testing = False
            block.taken = True  # nothing in it is ever run
        if kind == "for":
            self._loop_variable(block, words)
        elif kind == "case":
            block.testing, words[1:] = False, []
            self._say(line, "`case` is not followed; what stands in it is left out")
        del words[0]
        self._blocks.append(block)

    def _loop_variable(self, block: _Block, words: list[Word]) -> None:
        """The loop is gone through once, with its first value."""
        plain = [word.plain() for word in words]
        name = plain[1] if len(plain) > 1 else None
        values = [one for word in words[3:] for one in self.scope.expand(word)]
        if name and plain[2:3] == ["in"] and values and not values[0].unknown:
            self.scope.assign(name, values[0].text)
            if len(values) > 1:
                listed = " ".join(value.text for value in values)
                block.note = f"it stands in a loop over {listed}; {values[0].text} is taken"
        elif name:
            self.scope.puzzle(name, f"${name} is set by a loop")
        words[1:] = []

    def _turn(self, block: _Block, word: str, line: int) -> None:
        """`then`, `else`, `fi` and so on."""
        if word in ("fi", "done", "esac"):
            self._blocks.pop()
        elif word == "elif":
            block.testing, block.open = not block.taken, False
        elif word == "else":
            block.testing, block.open = False, not block.taken
        elif block.testing:
            block.testing = False
            block.open = block.kind != "if" or block.result is not False
            if block.kind == "if" and block.result is None:
                self._say(line, "the condition of `if` cannot be told; read as if it held")
            block.taken = block.taken or block.open

    def _say(self, line: int, text: str) -> None:
        self.notes.append(f"line {line}: {text}")

    def _simple(self, words: list[Word], command: Command) -> bool | None:
        """One command without keywords; its success, None when that cannot be told."""
        negated = words[0].plain() == "!"
        words = words[negated:]
        assignments: list[Word] = []
        while words and _is_assignment(words[0]):
            assignments.append(words.pop(0))
        if not words:
            for word in assignments:
                self._assign(word)
            return True
        fields = [one for word in words for one in self.scope.expand(word)]
        if not fields:
            return True
        name = fields[0].text
        if name in TESTS:
            told = truth(fields, self.scope.cwd)
            return None if told is None else told != negated
        if self._changes_state(name, words, fields):
            return True
        self._start(fields, assignments, command)
        return None

    def _changes_state(self, name: str, words: list[Word], fields: list[Field]) -> bool:
        """Is it a command of the shell itself?"""
        told = [one.text for one in fields[1:] if not one.text.startswith("-")]
        if name in _DECLARING:
            self._declare(name, words[1:], fields)
        elif name == "unset":
            for gone in told:
                self.scope.variables.pop(gone, None)
        elif name in ("cd", "pushd", "popd"):
            self._change_folder(name, told, fields)
        elif name in ("source", "."):
            self._source(told, words[0].line)
        elif name in ("conda", "mamba", "micromamba") and told[:1] == ["activate"]:
            self.python = f"{told[1]}/bin/python" if "/" in "".join(told[1:2]) else None
            if self.python is None:
                self._say(words[0].line, f"environment {' '.join(told[1:])}: set [trainer] python")
        elif name in ("exit", "return"):
            self._stopped = not self._blocks and self._before not in ("&&", "||")
        else:
            return False
        return True

    def _declare(self, name: str, words: list[Word], fields: list[Field]) -> None:
        exports = name == "export" or any(one.text in ("-x", "-gx") for one in fields)
        for word in words:
            declared = word.plain() or ""
            if _is_assignment(word):
                declared = self._assign(word)
            if exports and re.fullmatch(r"[A-Za-z_]\w*", declared):
                self.scope.exported.add(declared)

    def _change_folder(self, name: str, told: list[str], fields: list[Field]) -> None:
        self.scope.moved = True
        if name == "pushd":
            self._folders.append(self.scope.cwd)
        if name == "popd":
            self.scope.cwd = self._folders.pop() if self._folders else None
        elif any(one.unknown for one in fields):
            self.scope.cwd = None
        else:
            self.scope.cwd = folder_of(told[0] if told else "~", self.scope.cwd)

    def _source(self, told: list[str], line: int) -> None:
        path = folder_of(told[0], self.scope.cwd) if told else None
        if path is not None and path.name.startswith("activate"):
            self.python = str(path.parent / "python")
        elif told and "activate" in told[0]:
            self.python = str(Path(told[0]).parent / "python")
        else:
            self._say(line, f"{' '.join(told)} is not read; add what it sets to [trainer] env")

    def _assign(self, word: Word) -> str:
        """Set the variable of `NAME=value`; its name."""
        name, append, value = _taken_apart(word)
        self.scope.assigning = name
        if word.array is not None:
            items = [one for item in word.array for one in self.scope.expand(item)]
            self.scope.assign(name, tuple(items), append=append)
        else:
            told = self.scope.text(value) if value is not None else Field("")
            if told.unknown:
                self.scope.puzzle(name, told.unknown[0])
            else:
                self.scope.assign(name, told.text, append=append)
        self.scope.assigning = None
        return name

    def _start(self, fields: list[Field], assignments: list[Word], command: Command) -> None:
        env = self.scope.environment()
        for word in assignments:
            name, _, value = _taken_apart(word)
            told = self.scope.text(value) if value is not None else Field("")
            if not told.unknown:
                env[name] = told.text
        notes = tuple(block.note for block in self._blocks if block.note)
        redirected = command.redirected or command.end in ("|", "|&")
        cwd, python = self.scope.cwd, self.python
        self.found.append(
            Invocation(
                tuple(fields), command.line, cwd, env, python, redirected, notes, self.scope.moved
            )
        )


def _is_assignment(word: Word) -> bool:
    first = word.parts[0]
    return not getattr(first, "quoted", True) and bool(
        _ASSIGNMENT.match(getattr(first, "text", ""))
    )


def _taken_apart(word: Word) -> tuple[str, bool, Word | None]:
    """Name, whether it is `+=`, and the value; None for an empty one or an array."""
    first = word.parts[0]
    match = _ASSIGNMENT.match(getattr(first, "text", ""))
    assert match is not None
    rest = getattr(first, "text", "")[match.end() :]
    parts = word.parts[1:]
    if rest:
        parts = (Text(rest), *parts)
    return match[1], bool(match[2]), Word(parts, word.line) if parts else None
