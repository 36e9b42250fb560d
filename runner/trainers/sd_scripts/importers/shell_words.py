"""Shell text -> words and operators. Pure: nothing is expanded, nothing runs.

`shlex` cannot be used: it does not say which part of a word was quoted (`'$x'` is no variable), cuts a
word at `#`, and knows neither `$( )` nor line ends. One pattern per token does.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

PartKind = Literal["text", "variable", "command", "sum"]

#: what is inside a bracket is read again at each level
MOST_NESTED = 40
#: `\` at the end of a line, also with blanks behind it; `^` and the backtick of Windows shells
_BLANKS = re.compile(r"(?:[ \t]|\\[ \t]*\n|(?<=[ \t])[\^`][ \t]*\n)+")
BLANK_END = re.compile(r"\\[ \t]+\n")
_COMMENT = re.compile(r"#[^\n]*")
_REDIRECTION = re.compile(r"(?:\d+|&)?(<<<|<<-?|<>|<&|<(?!\()|>>|>&|>\||>(?!\())")
_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&()\n]")
_SUM = re.compile(r"\(\(([^\n]*?)\)\)")
_PIECE = re.compile(
    r"""\\\n | \\(?P<escaped>.) | '(?P<single>[^']*)' | \$'(?P<ansi>(?:[^'\\]|\\.)*)'
    | \$(?P<name>[A-Za-z_]\w*|[@*\#?$!\-0-9]) | (?P<plain>[^\\'"$`\s;&|()<>]+)""",
    re.X | re.S,
)
_QUOTED_PIECE = re.compile(
    r"""\\(?P<escaped>[$`"\\\n]) | \$(?P<name>[A-Za-z_]\w*|[@*\#?$!\-0-9])
    | (?P<plain>[^\\"$`]+|\\)""",
    re.X | re.S,
)
_IN_BRACKET = re.compile(r"\\.|'[^']*'|[()]", re.S)
_IN_BRACE = re.compile(r"\\.|[{}]", re.S)
_BACKTICKS = re.compile(r"`((?:[^`\\]|\\.)*)`", re.S)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_ANSI = {"n": "\n", "t": "\t", "r": "\r"}


class ShellSyntax(Exception):
    """`str()` says what is wrong in line `line` (from 1)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word: text; what stands in `${...}`; the source of `$(...)` or of `$((...))`."""

    text: str
    kind: PartKind = "text"
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Parts without a blank between them. `array`: the words of `NAME=( ... )`, whose only part is
    `NAME=` or `NAME+=`. `operator`: the word is one; ">" stands for any redirection of output, "<<"
    for a here-document, whose text is the second part."""

    parts: tuple[Part, ...]
    line: int
    array: tuple[Word, ...] | None = None
    operator: bool = False

    def plain(self) -> str:
        """The word if it is unquoted text alone, else ""."""
        single = self.parts[0] if len(self.parts) == 1 and not self.operator else None
        return single.text if single and single.kind == "text" and not single.quoted else ""

    def assignment(self) -> tuple[str, bool, Word] | None:
        """Name, whether it is `+=`, and the value of `NAME=value`; None for any other word."""
        first = self.parts[0]
        match = _ASSIGNMENT.match(first.text) if first.kind == "text" and not first.quoted else None
        if match is None:
            return None
        rest = first.text[match.end() :]
        parts = (*((Part(rest),) if rest else ()), *self.parts[1:])
        return match[1], bool(match[2]), Word(parts, self.line, self.array)


def quoted_parts(text: str) -> tuple[Part, ...]:
    """Text as it stands between double quotes, with its expansions."""
    return Lexer(text).double_quoted(closed=False)


class Lexer:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.line_ends = [match.start() for match in re.finditer("\n", text)]

    @property
    def line(self) -> int:
        return bisect_right(self.line_ends, self.at - 1) + 1

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def skip_blanks(self) -> None:
        while self.take(_BLANKS) or self.take(_COMMENT):
            pass

    def tokens(self) -> list[Word]:
        found: list[Word] = []
        heredocs: list[str] = []
        testing = False  # between `[[` and `]]` operators are words
        while True:
            self.skip_blanks()
            if self.at >= len(self.text):
                return found
            line = self.line
            if not testing and (match := self.take(_REDIRECTION)):
                self.skip_blanks()
                target = self.word() if self.text[self.at : self.at + 1] not in "\n;|" else None
                if match[1].startswith("<<") and match[1] != "<<<" and target:
                    heredocs.append("".join(part.text for part in target.parts))
                elif ">" in match[1]:
                    found.append(Word((Part(">"),), line, operator=True))
            elif not testing and (match := self.take(_SUM)):
                found.append(Word((Part(match[1], "sum"),), line))
            elif match := self.take(_OPERATOR):
                testing = testing and match[0] != "\n"
                if match[0] == "\n":
                    found += self.heredocs(heredocs)
                found.append(Word((Part(match[0]),), line, operator=not testing))
            else:
                found.append(self.word())
                plain = found[-1].plain()
                testing = plain == "[[" or (testing and plain != "]]")

    def heredocs(self, delimiters: list[str]) -> list[Word]:
        """The texts below this line, each as an operator "<<" with its text."""
        found = []
        for delimiter in delimiters:
            end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.M).search(self.text, self.at)
            body = self.text[self.at : end.start() if end else None]
            found.append(Word((Part("<<"), Part(body)), self.line, operator=True))
            self.at = min(end.end() + 1, len(self.text)) if end else len(self.text)
        delimiters.clear()
        return found

    def word(self) -> Word:
        line, start, parts = self.line, self.at, list[Part]()
        while self.at < len(self.text):
            char = self.text[self.at]
            plain = parts[0].text if len(parts) == 1 and parts[0] == Part(parts[0].text) else ""
            if char == "(" and _ASSIGNMENT.fullmatch(plain):
                return Word(tuple(parts), line, self.array(line, plain))
            if char in " \t\n;&|()" or BLANK_END.match(self.text, self.at):
                break
            if char in "<>" and not self.text.startswith("(", self.at + 1):
                break
            parts += self.piece(char)
        if self.at == start:  # a character without a meaning here
            self.at += 1
            parts = [Part(self.text[start : self.at])]
        return Word(_joined(parts), line)

    def piece(self, char: str) -> tuple[Part, ...]:
        if match := self.take(_PIECE):
            if match["plain"] is not None:
                return (Part(match["plain"]),)
            if match["ansi"] is not None:
                told = re.sub(r"\\(.)", lambda m: _ANSI.get(m[1], m[1]), match["ansi"], flags=re.S)
                return (Part(told, quoted=True),)
            if match["name"] is not None:
                return (Part(match["name"], "variable"),)
            literal = match["escaped"] if match["single"] is None else match["single"]
            return () if literal is None else (Part(literal, quoted=True),)
        if char == "'" or self.text.startswith("$'", self.at):
            raise ShellSyntax(self.line, "the quote ' is not closed; add the second '")
        if char == '"' or self.text.startswith('$"', self.at):
            self.at += 1 if char == '"' else 2
            return self.double_quoted()
        return (self.expansion(quoted=False),)

    def double_quoted(self, *, closed: bool = True) -> tuple[Part, ...]:
        opened, parts = self.line, list[Part]()
        while self.at < len(self.text):
            if closed and self.text[self.at] == '"':
                self.at += 1
                return _joined(parts) or (Part("", quoted=True),)
            if match := self.take(_QUOTED_PIECE):
                if match["name"] is not None:
                    parts.append(Part(match["name"], "variable", quoted=True))
                elif match["escaped"] != "\n":
                    parts.append(Part(match["escaped"] or match["plain"], quoted=True))
            else:
                parts.append(self.expansion(quoted=True))
        if closed:
            raise ShellSyntax(opened, 'the quote " is not closed; add the second "')
        return _joined(parts)

    def expansion(self, *, quoted: bool) -> Part:
        """`$(...)`, `${...}`, backticks, `<(...)`; any other character is itself."""
        if match := self.take(_BACKTICKS):
            return Part(re.sub(r"\\([\\`$])", r"\1", match[1]), "command", quoted)
        two = self.text[self.at : self.at + 2]
        if self.text.startswith("$((", self.at):
            source = self.nested("$(", ")", _IN_BRACKET)
            return Part(source[1:-1], "sum", quoted)
        if two in ("$(", "<(", ">("):
            return Part(self.nested(two, ")", _IN_BRACKET), "command", quoted)
        if two == "${":
            return Part(self.nested("${", "}", _IN_BRACE), "variable", quoted)
        if two[0] == "`":
            raise ShellSyntax(self.line, "the quote ` is not closed; add the second `")
        self.at += 1
        return Part(two[0], quoted=quoted)

    def nested(self, opening: str, closing: str, inside: re.Pattern[str]) -> str:
        """What stands between the brackets; quoted and inner brackets do not end it."""
        opened, depth = self.line, 1
        self.at += len(opening)
        for match in inside.finditer(self.text, self.at):
            depth += (match[0] == opening[-1]) - (match[0] == closing)
            if depth > MOST_NESTED:
                raise ShellSyntax(
                    opened, f"a bracket is nested too deep to be read (over {MOST_NESTED} levels)"
                )
            if depth == 0:
                content = self.text[self.at : match.start()]
                self.at = match.end()
                return content
        raise ShellSyntax(opened, f"the bracket {opening} is not closed; add {closing}")

    def array(self, line: int, name: str) -> tuple[Word, ...]:
        """`( ... )` behind `NAME=`."""
        self.at += 1
        items: list[Word] = []
        while True:
            self.skip_blanks()
            char = self.text[self.at : self.at + 1]
            if not char:
                raise ShellSyntax(line, f"the bracket of {name}( is not closed; add )")
            if char == ")":
                self.at += 1
                return tuple(items)
            if char == "\n":
                self.at += 1
            else:
                items.append(self.word())


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring texts of the same kind as one."""
    result: list[Part] = []
    for part in parts:
        last = result[-1] if result else None
        if last and part.kind == last.kind == "text" and part.quoted == last.quoted:
            result[-1] = Part(last.text + part.text, quoted=part.quoted)
        else:
            result.append(part)
    return tuple(result)
