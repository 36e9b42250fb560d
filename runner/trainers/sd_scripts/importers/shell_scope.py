"""State of a shell script at one place (variables, exports, folder), and the meaning of its words there."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_tests import folder_of, printed
from runner.trainers.sd_scripts.importers.shell_tree import parse
from runner.trainers.sd_scripts.importers.shell_words import ShellSyntax, Token, pieces

#: a Linux command line has at most 128 KiB a word and 2 MiB in all
MOST_CHARACTERS = 131_072
MOST_FIELDS = 20_000
#: `${X%pattern}` tries every length
MOST_TRIMMED = 4_096
_PARAMETER = re.compile(
    r"(#?)([A-Za-z_]\w*|\d{1,9}|[@*#])(?:\[([@*]|\d{1,9})\])?(?:(:?[-=?+]|%%?|##?|//?|,,|\^\^)(.*))?",
    re.S,
)
#: `~/x` is the home; also after `--flag=`, where a shell would not expand it
_TILDE = re.compile(r"((?:--?[\w-]+=)?)~(?=/|\Z)")
_SUM_NAME = re.compile(r"\$?\{?([A-Za-z_]\w*)\}?")
_SUM_SIGNS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
#: of the commands in `shell_tests.printed`, and of `cd`; without effect here
_OPTIONS = ("-f", "-P", "--", "-n")
_ANSI = {"n": "\n", "t": "\t", "r": "\r"}

#: one value, or the elements of an array; values that only a running shell knows are unknown
Value = Field | tuple[Field, ...]


@dataclass(slots=True)
class Scope:
    """`cwd`: where the script is; None after a `cd` to an unknown folder; `moved`: it went there
    itself. `arguments`: of the function it is in, or of `set --`; None: of the script, so unknown.
    `environ`: the importing user's shell; variables taken from it are listed in `borrowed`.
    `assigning`: the variable being set, empty if it had no value (`PYTHONPATH=x:$PYTHONPATH`)."""

    environ: Mapping[str, str]
    home: str
    script: str | None = None
    cwd: Path | None = None
    moved: bool = False
    python: str | None = None
    arguments: tuple[Field, ...] | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    locals: set[str] = field(default_factory=set)
    folders: list[Path | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    borrowed: set[str] = field(default_factory=set)
    assigning: str | None = None

    def say(self, line: int, text: str) -> None:
        """Record what was not followed or assumed."""
        if (note := f"line {line}: {text}") not in self.notes:
            self.notes.append(note)

    def set(self, name: str, append: bool, word: Token) -> None:
        """`NAME=value`, or `NAME+=value`: text grows, an array gets more elements."""
        self.assigning = name
        value: Value = self.text(word)
        if word.items is not None:
            value = tuple(one for item in word.items for one in self.expand(item))
        old = self.variables.get(name, Field("")) if append else Field("")
        if isinstance(old, Field) and isinstance(value, Field):
            value = old + value
        elif append:
            value = (*_elements(old), *_elements(value))
        self.variables[name] = value
        self.assigning = None

    def source_of(self, one: Field) -> str:
        """Its text, to be read again: for a partly unknown variable, the known part."""
        value = self.variables.get(one.text[2:-1]) if one.unknown else None
        return value.text if isinstance(value, Field) else one.text

    def subshell(self) -> Scope:
        """A copy for `( ... )`, with local changes."""
        return replace(self, variables=dict(self.variables), exported=set(self.exported))

    def environment(self) -> dict[str, str]:
        """Exported variables, as far as known."""
        known = {name: self.variables.get(name) for name in sorted(self.exported)}
        return {n: v.text for n, v in known.items() if isinstance(v, Field) and not v.unknown}

    def text(self, word: Token) -> Field:
        """The word as one value, as in an assignment."""
        return _one(self.expand(word, split=False))

    def expand(self, word: Token, *, split: bool = True, quoted: bool = False) -> list[Field]:
        """The fields that the word becomes: none, one or several; with `split`, unquoted values are split at
        spaces. `quoted`: inside double quotes. Raises ShellSyntax if they exceed any command line (`A=$A$A`,
        many times)."""
        fields: list[Field] = []
        for values, whole in self._values(word.text, quoted=quoted):
            apart = False
            if split and not whole:
                apart = bool(values) and values[0].text[:1].isspace()
                values = [piece for one in values for piece in _fallen_apart(one)]
            for index, value in enumerate(values):
                if index or apart or not fields:
                    fields.append(value)
                else:
                    fields[-1] += value
            if len(fields) > MOST_FIELDS or (fields and len(fields[-1].text) > MOST_CHARACTERS):
                raise ShellSyntax(word.line, "a variable grows beyond the limit of a command")
        return fields

    def _values(self, text: str, *, quoted: bool = False) -> Iterator[tuple[list[Field], bool]]:
        """The value of each piece, and whether it stays unsplit."""
        if not quoted and (match := _TILDE.match(text)):
            yield [Field(match[1] + self.home)], True
            text = text[match.end() :]
        for kind, content in pieces(text, quoted=quoted):
            if kind == "double":
                yield from self._values(content, quoted=True) if content else [([Field("")], True)]
            elif kind == "variable":
                values = self._parameter(content)
                yield [one if one.text else _shown(content, one) for one in values], quoted
            elif kind in ("command", "ticks", "sum"):
                source = re.sub(r"\\([\\`$])", r"\1", content) if kind == "ticks" else content
                answer = self._sum(source) if kind == "sum" else self._command(source)
                reason = f"$({source.strip()}) would have to be run"
                unknown = Field(f"${{{source}}}", (reason,))
                yield [unknown if answer is None else Field(answer)], quoted
            elif kind == "ansi":
                yield [Field(re.sub(r"(?s)\\(.)", lambda m: _ANSI.get(m[1], m[1]), content))], True
            elif kind != "escaped" or content != "\n":
                yield [Field(content)], True

    def _parameter(self, expression: str) -> list[Field]:
        match = _PARAMETER.fullmatch(expression)
        if match is None:
            return [Field("", (f"${{{expression}}} is not supported",))]
        count, name, index, sign, rest = match.groups()
        values = self._named(name, index)
        if any(one.unknown for one in values) and not (sign and sign[-1] in "-=+"):
            return values
        if count:
            many = index in ("@", "*") or name in "@*"
            return [Field(str(len(values) if many else sum(len(one.text) for one in values)))]
        return values if sign is None else self._operation(name, values, sign, rest)

    def _named(self, name: str, index: str | None) -> list[Field]:
        given = self.arguments or ()
        value = self.variables.get(name)
        special = {
            "#": str(len(given)),
            "0": self.script,
            "BASH_SOURCE": self.script,
            "HOME": self.home,
            "PWD": None if self.cwd is None else str(self.cwd),
        }
        if name in "@*":
            return list(given)
        if isinstance(value, tuple):
            at = int(index or 0) if index not in ("@", "*") else None
            return list(value) if at is None else list(value[at : at + 1]) or [Field("")]
        if value is not None:
            return [Field("", value.unknown) if value.unknown else value]
        if (known := special.get(name)) is not None:
            return [Field(known)]
        if name.isdigit() and self.arguments is not None:
            return list(given[int(name) - 1 : int(name)]) or [Field("")]
        if name in self.environ:
            self.borrowed.add(name)
            return [Field(self.environ[name])]
        if name == self.assigning:
            return [Field("")]
        what = f"argument ${name} is given" if name.isdigit() else f"${name} is set"
        return [Field("", (f"{what} neither in the file nor in this shell",))]

    def _operation(self, name: str, values: list[Field], sign: str, rest: str) -> list[Field]:
        """`${X:-y}` and similar; a variable with an unknown value counts as set."""
        unknown = any(one.unknown for one in values)
        given = name in self.variables or name in "@*" or not unknown
        full = unknown or any(one.text for one in values)
        is_set = given and bool(values) and (full or sign[0] != ":")
        if sign[-1] == "+" or (sign[-1] in "-=" and not is_set):
            chosen = self._quoted(rest) if is_set or sign[-1] != "+" else Field("")
            if sign[-1] == "=":
                self.variables[name] = chosen
            return [chosen]
        if sign[-1] in "-=?" or not values:
            return values
        text = values[0].text
        if sign in (",,", "^^"):
            return [Field(text.lower() if sign == ",," else text.upper())]
        old, _, new = rest.partition("/") if sign[0] == "/" else (rest, "", "")
        pattern = self._quoted(old)
        if pattern.unknown or max(len(text), len(pattern.text)) > MOST_TRIMMED:
            return [Field("", pattern.unknown or (f"${{{name}{sign}...}} is too long to be read",))]
        if sign[0] != "/":
            return [Field(_trimmed(text, sign, pattern.text))]
        times = -1 if sign == "//" else 1
        changed = text.replace(pattern.text, self._quoted(new).text, times)
        return [Field(changed if pattern.text else text)]

    def _quoted(self, text: str) -> Field:
        """The text after the operator of `${X:-...}`."""
        return _one(self.expand(Token(text.strip("\"'"), 0), quoted=True))

    def _command(self, source: str) -> str | None:
        """`$(dirname "$0")`, `$(cd X && pwd)` and similar; None for what would have to be run."""
        try:
            nodes, _ = parse(source)
        except ShellSyntax:
            return None
        cwd, answer = self.cwd, None
        for node in nodes:
            fields = [one for word in node.words for one in self.expand(word)]
            simple = node.kind == "simple" and node.link != "|"
            if not simple or not fields or any(one.unknown for one in fields):
                return None
            words = [one.text for one in fields if one.text not in _OPTIONS]
            if words[0] == "cd" and len(words) == 2:
                cwd = folder_of(words[1], cwd)
                answer = "" if cwd else None
            else:
                answer = printed(words, cwd)
            if answer is None:
                return None
        return answer

    def _sum(self, source: str) -> str | None:
        """`$((...))` of integers; None if it cannot be computed."""
        text = _SUM_NAME.sub(lambda match: _one(self._parameter(match[1])).text or "0", source)
        try:
            tree = ast.parse(text[:200].strip().replace("/", "//"), mode="eval")
            return str(_whole(tree.body)) if len(text) < 200 else None
        except (SyntaxError, ValueError, ArithmeticError, MemoryError):
            return None


def _one(fields: list[Field]) -> Field:
    reasons = tuple(reason for one in fields for reason in one.unknown)
    return Field(" ".join(one.text for one in fields), reasons)


def _elements(value: Value) -> tuple[Field, ...]:
    return value if isinstance(value, tuple) else (value,) if value.text else ()


def _shown(name: str, value: Field) -> Field:
    return Field(f"${{{name}}}" if value.unknown else "", value.unknown)


def _fallen_apart(value: Field) -> list[Field]:
    return [value] if value.unknown else [Field(text) for text in value.text.split()]


def _whole(tree: ast.expr) -> int:
    """Raises ValueError if it is not integer arithmetic."""
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return tree.value
    if isinstance(tree, ast.BinOp) and (sign := _SUM_SIGNS.get(type(tree.op))):
        result = sign(_whole(tree.left), _whole(tree.right))
        if abs(result) < 2**63:
            return result
    raise ValueError


def _trimmed(value: str, sign: str, pattern: str) -> str:
    """`${X%pattern}`, `${X##pattern}` and similar."""
    matches = re.compile(translate(pattern)).match
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if len(sign) == 2 else lengths:
        if sign[0] == "#" and matches(value[:length]):
            return value[length:]
        if sign[0] == "%" and matches(value[len(value) - length :]):
            return value[: len(value) - length]
    return value
