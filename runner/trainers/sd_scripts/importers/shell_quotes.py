"""The inside of one shell word: quotes, escapes and expansions. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.trainers.sd_scripts.importers.shell_model import (
    Part,
    ShellSyntax,
    Substitution,
    Text,
    Variable,
)

#: characters without a meaning of their own, outside and between double quotes
_PLAIN = re.compile(r"""[^\\'"$`\s;&|()<>]+""")
_PLAIN_QUOTED = re.compile(r"""[^\\"$`]+""")
_NAME = re.compile(r"[A-Za-z_]\w*")
#: `$@`, `$1`, `$?` ...
_SPECIAL = "@*#?$!-0123456789"
#: what is inside is read anew at each level
MOST_NESTED = 40
_ESCAPE = re.compile(r"\\(.)", re.S)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(slots=True)
class Cursor:
    """A place in the text and the number of its line."""

    text: str
    at: int = 0
    line: int = 1

    @property
    def over(self) -> bool:
        return self.at >= len(self.text)

    @property
    def char(self) -> str:
        return self.text[self.at : self.at + 1]

    def ahead(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def step(self, count: int = 1) -> str:
        taken = self.text[self.at : self.at + count]
        self.line += taken.count("\n")
        self.at += len(taken)
        return taken


def read_parts(cursor: Cursor) -> list[Part]:
    """The next piece of a word: one character, or everything between two quotes. Raises ShellSyntax."""
    if cursor.char == "'":
        return [Text(_until(cursor, "'"), quoted=True)]
    if cursor.ahead("$'"):
        cursor.step()
        source = _until(cursor, "'", escapes=True)
        told = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), source)
        return [Text(told, quoted=True)]
    if cursor.char == '"' or cursor.ahead('$"'):
        cursor.step(1 if cursor.char == '"' else 2)
        return _double_quoted(cursor)
    if cursor.char == "\\":
        cursor.step()
        return [Text(cursor.step(), quoted=True)]
    if cursor.char in ("$", "`"):
        return [_expansion(cursor, quoted=False)]
    return [Text(_run(cursor, _PLAIN))]


def text_parts(text: str, line: int) -> tuple[Part, ...]:
    """Text as it stands between double quotes, with its expansions."""
    cursor = Cursor(text, line=line)
    parts: list[Part] = [Text("", quoted=True)]
    while not cursor.over:
        parts.append(_quoted_part(cursor))
    return tuple(parts)


def _run(cursor: Cursor, plain: re.Pattern[str]) -> str:
    """As many plain characters as there are, at least one of any kind."""
    match = plain.match(cursor.text, cursor.at)
    return cursor.step(len(match.group()) if match else 1)


def _until(cursor: Cursor, quote: str, *, escapes: bool = False) -> str:
    """What stands between this quote and the next."""
    opened = cursor.line
    cursor.step()
    start = cursor.at
    while not cursor.over and cursor.char != quote:
        cursor.step(2 if escapes and cursor.char == "\\" else 1)
    if cursor.over:
        raise ShellSyntax(opened, f"the quote {quote} is not closed; add the second {quote}")
    content = cursor.text[start : cursor.at]
    cursor.step()
    return content


def _double_quoted(cursor: Cursor) -> list[Part]:
    opened = cursor.line
    parts: list[Part] = [Text("", quoted=True)]
    while not cursor.over:
        if cursor.char == '"':
            cursor.step()
            return parts
        parts.append(_quoted_part(cursor))
    raise ShellSyntax(opened, 'the quote " is not closed; add the second "')


def _quoted_part(cursor: Cursor) -> Part:
    if cursor.char == "\\":
        cursor.step()
        char = cursor.step()
        # Between double quotes a backslash protects only these.
        return Text("" if char == "\n" else char if char in '$`"\\' else f"\\{char}", quoted=True)
    if cursor.char in ("$", "`"):
        return _expansion(cursor, quoted=True)
    return Text(_run(cursor, _PLAIN_QUOTED), quoted=True)


def _expansion(cursor: Cursor, *, quoted: bool) -> Part:
    if cursor.char == "`":
        return Substitution(_until(cursor, "`", escapes=True), quoted)
    if cursor.ahead("$(("):
        return Substitution(_nested(cursor, "$(", ")")[1:-1], quoted, arithmetic=True)
    if cursor.ahead("$("):
        return Substitution(_nested(cursor, "$(", ")"), quoted)
    if cursor.ahead("${"):
        return Variable(_nested(cursor, "${", "}"), quoted)
    cursor.step()
    if match := _NAME.match(cursor.text, cursor.at):
        return Variable(cursor.step(len(match.group())), quoted)
    if cursor.char and cursor.char in _SPECIAL:
        return Variable(cursor.step(), quoted)
    return Text("$", quoted)


def _nested(cursor: Cursor, opening: str, closing: str) -> str:
    """What stands between the brackets; quoted and inner brackets do not end it."""
    opened = cursor.line
    cursor.step(len(opening))
    start, depth = cursor.at, 1
    while not cursor.over:
        if cursor.char == "'" and closing == ")":
            _until(cursor, "'")
            continue
        if cursor.char == "\\":
            cursor.step(2)
            continue
        depth += (cursor.char == opening[-1]) - (cursor.char == closing)
        if depth > MOST_NESTED:
            raise ShellSyntax(
                opened, f"a bracket is nested too deep to be read (over {MOST_NESTED} levels)"
            )
        if depth == 0:
            content = cursor.text[start : cursor.at]
            cursor.step()
            return content
        cursor.step()
    raise ShellSyntax(opened, f"the bracket {opening} is not closed; add {closing}")
