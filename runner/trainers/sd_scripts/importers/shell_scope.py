"""What a shell script knows at one place (variables, exports, folder), and what its words mean there."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path

from runner.config.paths import absolute
from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_words import Part, ShellSyntax, Word, quoted_parts

#: a Linux command line has at most 128 KiB a word and 2 MiB in all
MOST_CHARACTERS = 131_072
MOST_FIELDS = 20_000
#: `${X%pattern}` tries every length
MOST_TRIMMED = 4_096
_PARAMETER = re.compile(
    r"(#?)([A-Za-z_]\w*|\d{1,9}|[@*#])(?:\[([@*]|\d{1,9})\])?(?:(:?[-=?+]|%%?|##?|//?|,,|\^\^)(.*))?",
    re.S,
)
_TILDE_AFTER_EQUALS = re.compile(r"--?[\w-]+=~(?=/|$)")
_SUM_NAME = re.compile(r"\$?\{?([A-Za-z_]\w*)\}?")
_SUM_SIGNS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

#: one value, or the elements of an array; a value that only a running shell knows is unknown
Value = Field | tuple[Field, ...]
Substitute = Callable[[str, "Scope"], str | None]


@dataclass(slots=True)
class Scope:
    """`cwd`: where the script is; None after a `cd` to an unknown folder; `moved`: it went there
    itself. `arguments`: of the function it is in, or of `set --`; None: of the script, so unknown.
    `environ`: the shell of the person who imports; what is taken from it is named in `borrowed`.
    `substitute` reads `$(...)`. `assigning`: the variable being set, empty if it had no value
    (`PYTHONPATH=x:$PYTHONPATH`)."""

    environ: Mapping[str, str]
    home: str
    substitute: Substitute
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
        """Note what was not followed or taken as given."""
        note = f"line {line}: {text}"
        if note not in self.notes:
            self.notes.append(note)

    def set(self, name: str, append: bool, value: Word) -> None:
        """Read `NAME=value`; see `Word.assignment`."""
        self.assigning = name
        if value.array is not None:
            items = tuple(one for item in value.array for one in self.expand(item))
            self.assign(name, items, append=append)
        else:
            self.assign(name, self.text(value), append=append)
        self.assigning = None

    def assign(self, name: str, value: Value, *, append: bool = False) -> None:
        """`NAME=value`, or `NAME+=value`: text grows, an array gets more elements."""
        old = self.variables.get(name, Field("")) if append else Field("")
        if isinstance(old, Field) and isinstance(value, Field):
            value = _glued(old, value)
        elif append:
            before = (old,) if isinstance(old, Field) and old.text else old
            value = (
                *(() if isinstance(before, Field) else before),
                *((value,) if isinstance(value, Field) else value),
            )
        self.variables[name] = value

    def source_of(self, one: Field) -> str:
        """Its text, to be read again: of a variable that is partly unknown, what is known of it."""
        value = self.variables.get(one.text[2:-1]) if one.unknown else None
        return value.text if isinstance(value, Field) else one.text

    def subshell(self) -> Scope:
        """A copy for `( ... )`, whose changes end with it."""
        return replace(self, variables=dict(self.variables), exported=set(self.exported))

    def environment(self) -> dict[str, str]:
        """What is exported, as far as it is known."""
        known = {name: self.variables.get(name) for name in sorted(self.exported)}
        return {n: v.text for n, v in known.items() if isinstance(v, Field) and not v.unknown}

    def expand(self, word: Word, *, split: bool = True) -> list[Field]:
        """The fields that the word becomes: none, one or several; with `split`, unquoted values fall
        apart at blanks. Raises ShellSyntax when they are more than any command line could hold
        (`A=$A$A`, many times)."""
        fields: list[Field] = []
        current: Field | None = None
        for part in _with_tilde(word.parts, self.home):
            whole = part.quoted or not split
            values = [Field(part.text)] if part.kind == "text" else self._values(part)
            pieces = values if whole or part.kind == "text" else _fallen_apart(values)
            if not whole and pieces and values[0].text[:1].isspace() and current is not None:
                fields.append(current)
                current = None
            for index, piece in enumerate(pieces):
                if index and current is not None:
                    fields.append(current)
                    current = None
                current = _glued(current, piece)
            if len(fields) > MOST_FIELDS or (current and len(current.text) > MOST_CHARACTERS):
                raise ShellSyntax(word.line, "a variable grows beyond what a command can hold")
        return [*fields, current] if current is not None else fields

    def text(self, word: Word) -> Field:
        """The word as one value, as in an assignment."""
        fields = self.expand(word, split=False)
        reasons = tuple(reason for one in fields for reason in one.unknown)
        return Field(" ".join(one.text for one in fields), reasons)

    def _values(self, part: Part) -> list[Field]:
        """Of `$NAME`, `$(...)` or `$((...))`: one, unless it is an array."""
        if part.kind == "variable":
            return [
                one if one.text else Field(f"${{{part.text}}}" if one.unknown else "", one.unknown)
                for one in self._parameter(part.text)
            ]
        told = self._sum(part.text) if part.kind == "sum" else self.substitute(part.text, self)
        if told is not None:
            return [Field(told)]
        return [Field(f"${{{part.text}}}", (f"$({part.text.strip()}) would have to be run",))]

    def _parameter(self, expression: str) -> list[Field]:
        match = _PARAMETER.fullmatch(expression)
        if match is None:
            return [Field("", (f"${{{expression}}} is not understood",))]
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
        if name in "@*":
            return list(given)
        if name == "#":
            return [Field(str(len(given)))]
        value = self.variables.get(name)
        if isinstance(value, tuple):
            if index in ("@", "*"):
                return list(value)
            at = int(index or 0)
            return list(value[at : at + 1]) or [Field("")]
        if value is not None:
            return [Field("", value.unknown) if value.unknown else value]
        if name in ("0", "BASH_SOURCE") and self.script is not None:
            return [Field(self.script)]
        if name.isdigit() and self.arguments is not None:
            return list(given[int(name) - 1 : int(name)]) or [Field("")]
        if name == "HOME" or (name == "PWD" and self.cwd is not None):
            return [Field(self.home if name == "HOME" else str(self.cwd))]
        if name in self.environ:
            self.borrowed.add(name)
            return [Field(self.environ[name])]
        if name == self.assigning:
            return [Field("")]
        what = f"argument ${name} is given" if name.isdigit() else f"${name} is set"
        return [Field("", (f"{what} neither in the file nor in this shell",))]

    def _operation(self, name: str, values: list[Field], sign: str, rest: str) -> list[Field]:
        """`${X:-y}` and the like; what is set to something unknown is set."""
        given = name in self.variables or (name in "@*" and bool(values))
        known = not any(one.unknown for one in values)
        full = any(one.text or one.unknown for one in values)
        is_set = (known or given) and bool(values) and (full or not sign.startswith(":"))
        if sign[-1] in "-=" and not is_set:
            told = self._rest(rest)
            if sign[-1] == "=":
                self.assign(name, told)
            return [told]
        if sign[-1] == "+":
            return [self._rest(rest) if is_set else Field("")]
        if sign[-1] in "-=?" or not values:
            return values
        if sign in (",,", "^^"):
            text = values[0].text
            return [Field(text.lower() if sign == ",," else text.upper())]
        pattern, _, new = rest.partition("/")
        told = self._rest(pattern if sign[0] == "/" else rest)
        if told.unknown or max(len(values[0].text), len(told.text)) > MOST_TRIMMED:
            return [Field("", told.unknown or (f"${{{name}{sign}...}} is too long to be read",))]
        if sign[0] == "/":
            count = 0 if sign == "//" else 1
            text = values[0].text
            return [
                Field(
                    text.replace(told.text, self._rest(new).text, count or -1)
                    if told.text
                    else text
                )
            ]
        return [Field(_trimmed(values[0].text, sign, told.text))]

    def _rest(self, text: str) -> Field:
        """What stands behind the operator of `${X:-...}`."""
        return self.text(Word(quoted_parts(text.strip("\"'")), 0))

    def _sum(self, source: str) -> str | None:
        """`$((...))` of whole numbers; None when it cannot be worked out."""
        names = _SUM_NAME.sub(
            lambda m: self.text(Word((Part(m[1], "variable"),), 0)).text or "0", source
        )
        try:
            tree = (
                ast.parse(names.strip().replace("/", "//"), mode="eval")
                if len(names) < 200
                else None
            )
            return None if tree is None else str(_whole(tree.body))
        except (SyntaxError, ValueError, ArithmeticError, MemoryError):
            return None


def _whole(tree: ast.expr) -> int:
    """Raises ValueError when it is no sum of whole numbers."""
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return tree.value
    if isinstance(tree, ast.BinOp) and (sign := _SUM_SIGNS.get(type(tree.op))):
        result = sign(_whole(tree.left), _whole(tree.right))
        if abs(result) < 2**63:
            return result
    raise ValueError


def _with_tilde(parts: tuple[Part, ...], home: str) -> tuple[Part, ...]:
    """`~/x` is the home; also behind `--flag=`, where a shell would leave it and mean nothing."""
    first = parts[0] if parts else Part("", "sum")
    if first.kind == "text" and not first.quoted:
        if first.text == "~" or first.text.startswith("~/"):
            return (Part(home, quoted=True), Part(first.text[1:]), *parts[1:])
        if match := _TILDE_AFTER_EQUALS.match(first.text):
            end = match.end()
            return (Part(first.text[: end - 1] + home + first.text[end:]), *parts[1:])
    return parts


def _glued(current: Field | None, piece: Field) -> Field:
    if current is None:
        return piece
    return Field(current.text + piece.text, current.unknown + piece.unknown)


def _fallen_apart(values: list[Field]) -> list[Field]:
    return [
        piece
        for value in values
        for piece in ([value] if value.unknown else map(Field, value.text.split()))
    ]


def _trimmed(value: str, sign: str, pattern: str) -> str:
    """`${X%pattern}`, `${X##pattern}` and their like."""
    matches = re.compile(translate(pattern)).match
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if len(sign) == 2 else lengths:
        if sign[0] == "#" and matches(value[:length]):
            return value[length:]
        if sign[0] == "%" and matches(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def folder_of(text: str, base: Path | None) -> Path | None:
    """The folder named in a `cd`; None when it is relative to an unknown folder."""
    if text.startswith(("/", "~")):
        return Path(absolute(text, Path("/")))
    return None if base is None else Path(absolute(text, base))
