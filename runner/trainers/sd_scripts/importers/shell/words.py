"""Shell text -> words as written, and operators; and the pieces of a word. Pure: nothing is expanded.

`shlex` cannot be used: it does not report which part of a word was quoted (`'$x'` is not a variable), cuts a
word at `#`, and does not support `$( )` or line ends. One pattern per token does.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

#: the text inside a bracket is read again at each level
MOST_NESTED = 40
#: `\` at the end of a line, also with spaces or a comment behind it; `^` and the backtick of Windows shells
_BLANKS = re.compile(r"(?:[ \t]|\\[ \t]*\n|\\[ \t]+#[^\n]*\n|(?<=[ \t])[\^`][ \t]*\n|#[^\n]*)*")
BLANK_END = re.compile(r"\\[ \t]+(?:#[^\n]*)?\n")
_REDIRECTION = re.compile(r"(?:\d+|&)?(<<<|<<-?|<>|<&|<(?!\()|>>|>&|>\||>(?!\())")
_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&()\n]")
#: `--model=<path of the model>` of a manual; a shell would read a redirection
_PLACEHOLDER = re.compile(r"<[^<>\n'\"]*>")
_BEFORE = re.compile(r"(?:^|\s)--[\w-]+[= ]\Z")
#: behind `=~`; a backslash in it is not the shell's
_EXPRESSION = re.compile(r"(?:\"[^\"\n]*\"|'[^'\n]*'|\\.|[^\s\"'])+")
_SUM = re.compile(r"\(\([^\n]*?\)\)")
_VARIABLE = r"\$(?P<variable>[A-Za-z_]\w*|[@*\#?$!\-0-9]) | `(?P<ticks>(?:[^`\\]|\\.)*)`"
_PIECE = re.compile(
    rf"""\\\n | \\(?P<escaped>.) | '(?P<single>[^']*)' | \$'(?P<ansi>(?:[^'\\]|\\.)*)'
    | {_VARIABLE} | (?P<plain>[^\\'"$`\s;&|()<>]+)""",
    re.X | re.S,
)
_QUOTED_PIECE = re.compile(
    rf"""\\\n | \\(?P<escaped>[$`"\\]) | {_VARIABLE} | (?P<plain>[^\\"$`]+|\\)""", re.X | re.S
)
_QUOTE = re.compile(r"(?:\$(?=['\"]))?(['\"`])")
#: what opens an expansion -> its kind, what nests in it, what closes it, what counts in it
_IN_BRACKET = re.compile(
    r"""\\.|'[^']*'|[()]|<<-?[ \t]*\\?(['"]?)(\w+)\1[^\n]*\n.{0,3000}?^\t*\2$""", re.S | re.M
)
_BRACKETS = {
    "${": ("variable", "${", "}", re.compile(r'\\.|"(?:\\.|[^"\\])*"|\$\{|\}', re.S)),
    **dict.fromkeys(("$(", "<(", ">("), ("command", "(", ")", _IN_BRACKET)),
}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[([^\]\n]*)\])?(\+?)=")
_KEYED_ITEM = re.compile(r"\[([^\]\n]*)\]()=")


class ShellSyntax(Exception):
    """`str()`: what is wrong in line `line` (from 1)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Assignment:
    """`NAME=value`, `NAME+=value`, `NAME[index]=value`."""

    name: str
    index: str | None
    append: bool
    value: Token


@dataclass(frozen=True, slots=True)
class Token:
    """A word as written, a sign, or the text of a here-document ("literal": its delimiter is quoted).
    `items`: the words of `NAME=( ... )`, with own text `NAME=` or `NAME+=`; the target of a redirection."""

    text: str
    line: int
    kind: Literal["word", "sign", "input", "literal"] = "word"
    items: tuple[Token, ...] | None = None

    @property
    def redirects(self) -> bool:
        return self.kind == "sign" and self.items is not None

    @property
    def plain(self) -> str:
        """A word of unquoted text alone; "" for any other."""
        text = self.text.replace("\\\n", "")
        return text if self.kind == "word" and not set(text) & set("\\'\"$`") else ""

    def assignment(self) -> Assignment | None:
        """None for a word that sets no variable."""
        if (match := _ASSIGNMENT.match(self.text)) is None:
            return None
        value = Token(self.text[match.end() :], self.line, items=self.items)
        return Assignment(match[1], match[2], bool(match[3]), value)

    def keyed(self) -> tuple[str, Token] | None:
        """Index and value of an item `[index]=value`."""
        match = _KEYED_ITEM.match(self.text)
        return match and (match[1], Token(self.text[match.end() :], self.line))


def pieces(text: str, *, quoted: bool) -> Iterator[tuple[str, str]]:
    """Kind and content of each piece of a word, or of text between double quotes: "plain",
    "escaped", "single", "ansi", "double", "variable" (also the text in `${}`), "command", "sum"."""
    at = 0
    while at < len(text):
        kind, content, at = piece(text, at, quoted=quoted)
        yield kind, content


def piece(text: str, at: int, *, quoted: bool) -> tuple[str, str, int]:
    """Kind and content of the piece that starts here, and where it ends. Raises ShellSyntax."""
    if match := (_QUOTED_PIECE if quoted else _PIECE).match(text, at):
        kind = match.lastgroup or "plain"
        return kind, match[kind] or "", match.end()
    if text[at : at + 2] in _BRACKETS:
        return _bracket(text, at)
    opening = _QUOTE.match(text, at)
    if opening is None or (quoted and opening[0] != "`"):
        return "escaped" if quoted else "plain", text[at], at + 1
    start = end = opening.end()
    while opening[1] == '"' and end < len(text):
        if text[end] == '"':
            return "double", text[start:end], end + 1
        end = piece(text, end, quoted=True)[2]
    raise wrong(text, at, "the quote {0} is not closed; add the second {0}".format(opening[1]))


def _bracket(text: str, at: int) -> tuple[str, str, int]:
    """Quoted and inner brackets do not end it."""
    opening = text[at : at + 2]
    kind, opens, closing, inside = _BRACKETS[opening]
    depth = 1
    for match in inside.finditer(text, at + 2):
        depth += (match[0] == opens) - (match[0] == closing)
        if depth > MOST_NESTED:
            levels = f"over {MOST_NESTED} levels"
            raise wrong(text, at, f"brackets are nested too deeply ({levels})")
        if depth == 0:
            content = text[at + 2 : match.start()]
            if text.startswith("$((", at):
                kind, content = "sum", content[1:-1]
            return kind, content, match.end()
    raise wrong(text, at, f"the bracket {opening} is not closed; add {closing}")


def wrong(text: str, at: int, what: str) -> ShellSyntax:
    return ShellSyntax(text.count("\n", 0, at) + 1, what)


@dataclass(slots=True)
class _Lexer:
    text: str
    line_ends: list[int]
    at: int = 0

    @property
    def line(self) -> int:
        return bisect_right(self.line_ends, self.at - 1) + 1

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match and match[0]

    def next(self) -> str:
        """The next character that is not a space or in a comment; "" at the end."""
        self.take(_BLANKS)
        return self.text[self.at : self.at + 1]

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        waiting: list[int] = []  # here-documents: their texts follow this line
        testing = False  # between `[[` and `]]` operators are words
        while self.next():
            line = self.line
            if not testing and (sign := self.take(_REDIRECTION)):
                self.refuse_placeholder(self.at - 1)
                target = self.word() if self.next() not in ("", *"\n;|") else Token("", line)
                if "<<" in sign and "<<<" not in sign and target.text:
                    waiting.append(len(found))
                found.append(Token(sign, line, "sign", (target,)))
            elif not testing and (sign := self.take(_SUM)):
                found.append(Token(sign, line))
            elif testing and found[-1].text == "=~" and (written := self.take(_EXPRESSION)):
                own = set(written) & set("\"'")
                found.append(Token(written if own else written.replace("\\", "\\\\"), line))
            elif sign := self.take(_OPERATOR):
                if sign == "\n":
                    testing = False
                    for at in waiting:
                        found[at] = self.here_document(found[at])
                    waiting.clear()
                found.append(Token(sign, line, "word" if testing else "sign"))
            else:
                word = self.word()
                testing = word.plain == "[[" or (testing and word.plain != "]]")
                found.append(word)
        return found

    def refuse_placeholder(self, begin: int) -> None:
        """Raises ShellSyntax."""
        match = _PLACEHOLDER.match(self.text, begin)
        if match and _BEFORE.search(self.text[max(0, begin - 60) : begin]):
            what = f"{match[0]} is a placeholder; replace it with the real value"
            raise wrong(self.text, begin, what)

    def here_document(self, sign: Token) -> Token:
        """The redirection, with the text that begins here as its target."""
        written = "".join(one.text for one in sign.items or ())
        delimiter = re.sub(r"[\\'\"]", "", written)
        end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.M).search(self.text, self.at)
        text = self.text[self.at : end.start() if end else None]
        if sign.text.endswith("-"):
            text = re.sub(r"^\t+", "", text, flags=re.M)
        line = self.line
        self.at = min(end.end() + 1, len(self.text)) if end else len(self.text)
        body = Token(text, line, "input" if delimiter == written else "literal")
        return replace(sign, items=(body,))

    def word(self) -> Token:
        line, start, text = self.line, self.at, self.text
        while self.at < len(text) and not BLANK_END.match(text, self.at):
            char = text[self.at]
            if char == "(" and _ASSIGNMENT.fullmatch(text, start, self.at):
                return Token(text[start : self.at], line, items=self.items(line, start))
            if char in " \t\n;&|()" or (char in "<>" and not text.startswith("(", self.at + 1)):
                break
            self.at = piece(text, self.at, quoted=False)[2]
        self.at = max(self.at, start + 1)  # a character without a meaning here
        return Token(text[start : self.at], line)

    def items(self, line: int, start: int) -> tuple[Token, ...]:
        """`( ... )` after `NAME=`."""
        name = self.text[start : self.at]
        self.at += 1
        items: list[Token] = []
        while (char := self.next()) != ")":
            if not char:
                raise ShellSyntax(line, f"the bracket of {name}( is not closed; add )")
            if char == "\n":
                self.at += 1
            else:
                items.append(self.word())
        self.at += 1
        return tuple(items)


def tokens(text: str) -> list[Token]:
    """Raises ShellSyntax."""
    return _Lexer(text, [match.start() for match in re.finditer("\n", text)]).tokens()
