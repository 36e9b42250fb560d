"""A PowerShell script: which programs it would start. Nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import (
    MOST_CALLS,
    Commands,
    joined,
    slashes,
    unknown,
    without_marks,
)
from runner.trainers.sd_scripts.importers.windows.powershell_operations import (
    Unreadable,
    operation,
    texts,
)
from runner.trainers.sd_scripts.importers.windows.powershell_text import (
    Scope,
    end_of,
    parts_of,
    statement_end,
    without_comments,
)
from runner.trainers.sd_scripts.importers.windows.powershell_values import (
    argument_words,
    condition,
    evaluate,
)

_ASSIGNMENT = re.compile(
    r"(?:\[[\w.\[\]]+\]\s*)?\$(?:(?:script|global|local|private|using):)?(?P<env>env:)?"
    r"(?P<name>\{[^}]*\}|\w+)(?P<member>\.\w+|\[[^\]]*\])?\s*(?P<sign>[-+*/]?=)(?!=)\s*(?P<value>.*)",
    re.I | re.S,
)
_GROWS = re.compile(
    r"(?:\[void\]|\$null\s*=)?\s*\(?\$(\w+)\.(Add|AddRange|Insert)\((.*)\)\)?(?:\s*\|\s*Out-Null)?",
    re.I | re.S,
)
_WRITES = re.compile(r"\|\s*(?:Set-Content|Out-File)\s", re.I)
_ENCODINGS = frozenset({"utf8", "utf-8", "ascii", "unicode", "utf8nobom", "default"})
_WORD = re.compile(r"[A-Za-z][\w-]*")
#: commands that start no training
_SILENT = re.compile(
    r"(?:write|read|clear|out|new|remove|get|test|start-sleep|copy|move|import|add|set-(?!location)|select|sort|where|"
    r"measure|format|invoke-(?!expression))(?:-\w+)?|pause|chcp|exit|return|echo|mkdir|cls|break|continue|throw|trap"
    r"|using|md|rm|del|cp|mv",
    re.I,
)
_NOT_FOLLOWED = frozenset({"switch", "while", "do", "for", "trap", "class", "data", "workflow"})


def read_powershell(text: str, commands: Commands) -> Commands:
    """Raises ImportRefused."""
    reader = _Reader(commands, Scope(commands.here))
    reader.read(without_comments(without_marks(text)), 1)
    if not commands.text().strip():
        for body, line in list(reader.functions.values()):  # a script that only defines them
            reader.read(body, line)
    return commands


@dataclass(slots=True)
class _Reader:
    """`functions`: their bodies with the line of each, by name."""

    commands: Commands
    scope: Scope
    functions: dict[str, tuple[str, int]] = field(default_factory=dict)
    levels: int = 0

    def read(self, text: str, line: int) -> None:
        self.levels += 1
        at = 0 if self.levels < MOST_CALLS else len(text)
        while at < len(text):
            char = text[at]
            if char in " \t\n;\x00})":
                line += char in "\n\x00"
                at += 1
                continue
            self.commands.step(line)
            end = self.statement(text, at, line)
            line += text.count("\n", at, end) + text.count("\x00", at, end)
            at = max(end, at + 1)
        self.levels -= 1

    def statement(self, text: str, at: int, line: int) -> int:
        """Reads the statement that begins here; its end."""
        match = _WORD.match(text, at)
        word = match[0].lower() if match else ""
        if word == "if":
            return self.conditions(text, at, line)
        if word in ("function", "filter", "foreach", "try", "catch", "finally", *_NOT_FOLLOWED):
            return self.block(text, at, word, line)
        if word == "param":
            at = text.find("(", at)
            end = end_of(text, at) if at >= 0 else len(text)
            self.parameters(text[at + 1 : end - 1])
            return end
        end = statement_end(text, at)
        self.simple(text[at:end].replace("\x00", " ").strip(), line)
        return end

    def conditions(self, text: str, at: int, line: int) -> int:
        """`if () {} elseif () {} else {}`."""
        before, chosen, begun = self.scope.copied(), False, at
        doubtful = dict[str, Any]()
        while True:
            head = re.compile(r"\s*(?:(?:else\s*)?if\s*(?=\()|else\s*(?=\{))", re.I).match(text, at)
            if head is None:
                break
            at = head.end()
            holds: bool | None = True
            shown = "else"
            if text[at : at + 1] == "(":
                end = end_of(text, at)
                shown = f"if ({text[at + 1 : end - 1].strip()})".replace("\x00", "")
                holds = condition(text[at + 1 : end - 1], self.scope)
                at = re.compile(r"[\s\x00]*").match(text, end).end()  # type: ignore[union-attr]
            if text[at : at + 1] != "{":
                return max(at, statement_end(text, at))
            end = end_of(text, at)
            body = text[at + 1 : end - 1]
            body_line = line + text.count("\n", begun, at) + text.count("\x00", begun, at)
            at = end
            if chosen or holds is False:
                continue
            if holds is None:
                self.commands.in_doubt.append(shown)
                self.read(body, body_line)
                self.commands.in_doubt.pop()
                doubtful |= dict.fromkeys(self.scope.changed_since(before), unknown(shown))
            else:
                self.read(body, body_line)
                chosen = True
            if not re.compile(r"[\s\x00]*else", re.I).match(text, at):
                break
        self.scope.variables |= doubtful
        return at

    def block(self, text: str, at: int, word: str, line: int) -> int:
        """A statement with a body in braces that is no condition."""
        head = (
            re.compile(r"[^{]*?\(").match(text, at)
            if word in ("foreach", "while", "for", "switch")
            else None
        )
        inside = ""
        begun = at
        if head is not None:
            end = end_of(text, head.end() - 1)
            inside, at = text[head.end() : end - 1], end
        brace = text.find("{", at)
        if brace < 0:
            return len(text)
        end = end_of(text, brace)
        body = text[brace + 1 : end - 1]
        body_line = line + text.count("\n", begun, brace) + text.count("\x00", begun, brace)
        if word in ("function", "filter"):
            name = re.match(r"\w+\s+([\w:-]+)", text[begun:brace])
            if name:
                given = re.search(r"\((.*)\)", text[begun:brace], re.S)
                parameters = f"param({given[1]})\n" if given else ""
                self.functions[name[1].lower()] = (parameters + body, body_line - bool(given))
        elif word in ("try", "finally"):
            self.read(body, body_line)
        elif word == "foreach":
            name = re.match(r"\s*\$(\w+)\s+in\s+(.*)", inside, re.S | re.I)
            values = _items(evaluate(name[2], self.scope)) if name else []
            if name:
                self.scope.set(name[1], values[0] if values else unknown(name[2]))
                self.commands.say(
                    line, "PowerShell: the loop is not followed; read once, with its first value"
                )
            self.read(body, body_line)
        elif word in _NOT_FOLLOWED:
            self.commands.say(line, f"PowerShell: `{word}` is not followed")
            if word in ("while", "for", "do"):
                self.read(body, body_line)
        return end

    def parameters(self, text: str) -> None:
        """`param([string]$a = "x", ...)`: their defaults, unless the caller gave a value."""
        for part in parts_of(text, ","):
            match = re.match(r"(?:\s|\[[^\]]*\])*\$(\w+)\s*(?:=\s*(.*))?", part.strip(), re.S)
            if match and match[1].lower() not in self.scope.given:
                value = (
                    evaluate(match[2], self.scope) if match[2] else unknown(f"parameter {match[1]}")
                )
                self.scope.set(match[1], value)

    def simple(self, text: str, line: int) -> None:
        if match := _GROWS.fullmatch(text):
            self.grow(match)
        elif match := _ASSIGNMENT.fullmatch(text):
            self.assign(match, line)
        elif not text.startswith("[void]"):
            self.command(text, line)

    def assign(self, match: re.Match[str], line: int) -> None:
        name, source = match["name"].strip("{}"), match["value"]
        if re.match(r"(?:&|\.\s|(?:python|accelerate)\b)", source, re.I):
            self.command(source, line)  # the output of a program
            self.scope.set(name, unknown(source))
            return
        value = evaluate(source, self.scope)
        if match["env"]:
            text = joined(texts(value), " ")
            self.scope.environment[name.lower()] = text
            if name.upper() not in ("PATH", "PYTHONPATH"):
                self.commands.export(line, name, text)
        elif member := match["member"]:
            table = self.scope.variables.get(name.lower())
            if isinstance(table, dict):
                table[
                    joined(texts(evaluate(member.strip("[]"), self.scope)), "")
                    if member[0] == "["
                    else member[1:]
                ] = value
        elif match["sign"] == "=":
            self.scope.set(name, value)
        else:
            old = self.scope.variables.get(name.lower(), "")
            if isinstance(old, list):
                self.scope.set(name, [*old, *_items(value)])
            else:
                self.scope.set(name, operation(match["sign"][0], old, value, source))

    def grow(self, match: re.Match[str]) -> None:
        name, what, source = match[1].lower(), match[2].lower(), match[3]
        old = self.scope.variables.get(name)
        parts = parts_of(source, ",")
        if isinstance(old, dict) and len(parts) == 2:
            key, value = (evaluate(part, self.scope) for part in parts)
            old[joined(texts(key), "")] = value
            return
        value = evaluate(parts[-1] if what == "insert" else source, self.scope)
        grown = [
            *(_items(old) if old is not None else []),
            *(_items(value) if what == "addrange" else [value]),
        ]
        self.scope.set(name, grown)

    def write(self, text: str, path: str) -> None:
        """`"..." | Set-Content file`."""
        words = argument_words(path, self.scope)
        files = [
            word for word in words if not word.startswith("-") and word.lower() not in _ENCODINGS
        ]
        if files:
            content = joined(texts(evaluate(text, self.scope)), "\n")
            self.commands.written[slashes(files[0])] = content

    def command(self, text: str, line: int) -> None:
        if match := _WRITES.search(text):
            self.write(text[: match.start()], text[match.end() :])
            return
        if text[:1] in "&.":
            text = text[1:].lstrip() if text[:1] == "&" or text[1:2].isspace() else text
        try:
            words = argument_words(text, self.scope)
        except (Unreadable, OverflowError):
            self.commands.say(line, f"PowerShell: `{text[:40]}` is not followed")
            return
        if not words:
            return
        name = words[0].lower()
        if name in self.functions:
            self.call(name, words[1:])
        elif name in ("set-location", "push-location", "cd", "chdir", "pushd", "sl"):
            folders = [word for word in words[1:] if not word.startswith("-")]
            if folders:
                self.commands.change_folder(line, folders[0])
        elif name in ("invoke-expression", "iex") and words[1:]:
            self.command(" ".join(words[1:]), line)
        elif name in ("start-process", "saps"):
            self.commands.windows(line, _started(words[1:]))
        elif not _SILENT.fullmatch(name):
            self.commands.windows(line, words)

    def call(self, name: str, words: list[str]) -> None:
        body, line = self.functions[name]
        outside, self.scope = self.scope, self.scope.copied()
        self.scope.given = set()
        names = re.findall(
            r"\$(\w+)", (re.search(r"param\s*\((.*?)\)", body, re.S | re.I) or [""])[0]
        )
        positional = iter(names)
        rest = iter(words)
        for word in rest:
            key = (
                word[1:]
                if word.startswith("-") and word[1:].lower() in map(str.lower, names)
                else next(positional, "")
            )
            value = next(rest, "") if word.startswith("-") and key == word[1:] else word
            if key:
                self.scope.set(key, value)
                self.scope.given.add(key.lower())
        self.read(body, line)
        self.scope = outside


def _started(words: list[str]) -> list[str]:
    """`Start-Process [-FilePath] x [-ArgumentList] a, b`."""
    kept = [
        word
        for word in words
        if word.lower() not in ("-filepath", "-argumentlist", "-nonewwindow", "-wait")
    ]
    program, given = kept[:1], [word.strip(",") for word in kept[1:]]
    return [*program, *(given[0].split() if len(given) == 1 else given)]


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
