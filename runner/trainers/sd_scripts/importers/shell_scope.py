"""What a shell script knows at one place: variables, exports, folder. And what its words mean there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

from runner.config.paths import absolute
from runner.trainers.sd_scripts.importers.shell_model import Part, ShellSyntax, Text, Variable, Word
from runner.trainers.sd_scripts.importers.shell_quotes import text_parts

_NAME = re.compile(r"[A-Za-z_]\w*")
_INDEXED = re.compile(r"([A-Za-z_]\w*)\[([@*]|\d+)\]")
_OPERATION = re.compile(r"([A-Za-z_]\w*|[0-9@*])(:?[-=?+]|%%|%|##|#)(.*)", re.S)
_TILDE_AFTER_EQUALS = re.compile(r"--?[\w-]+=~(?=/|$)")


@dataclass(frozen=True, slots=True)
class Field:
    """One word after expansion. `unknown`: why its text cannot be told, one reason each."""

    text: str
    unknown: tuple[str, ...] = ()


Value = str | tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Expanded:
    """`values`: one, unless it was an array. None: not known, because of `reason`."""

    values: tuple[Field, ...] | None
    reason: str = ""


def _text(text: str) -> Expanded:
    return Expanded((Field(text),))


#: a Linux command line has at most 128 KiB a word and 2 MiB in all
MOST_CHARACTERS = 131_072
MOST_FIELDS = 20_000

Substitute = Callable[[str, "Scope"], str | None]


@dataclass(slots=True)
class Scope:
    """`cwd`: where the script is; None after a `cd` to nobody knows where; `moved`: it said so itself.
    `environ`: the shell of the person who imports; what is taken from it is named in `borrowed`.
    `substitute` reads `$(...)`. `assigning`: the variable being set, empty when it had no value
    (`PYTHONPATH=x:$PYTHONPATH`)."""

    environ: Mapping[str, str]
    home: str
    script: str | None = None
    cwd: Path | None = None
    moved: bool = False
    variables: dict[str, Value] = field(default_factory=dict)
    mysteries: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    borrowed: set[str] = field(default_factory=set)
    assigning: str | None = None
    substitute: Substitute = lambda source, scope: None

    def assign(self, name: str, value: Value, *, append: bool = False) -> None:
        if append:
            value = _appended(self.variables.get(name, ""), value)
        self.variables[name] = value
        self.mysteries.pop(name, None)

    def puzzle(self, name: str, reason: str) -> None:
        """The variable is set, to something that only a running shell would know."""
        self.variables.pop(name, None)
        self.mysteries[name] = reason

    def environment(self) -> dict[str, str]:
        """What is exported, as far as it is known."""
        known = {name: self.variables.get(name) for name in sorted(self.exported)}
        return {name: value for name, value in known.items() if isinstance(value, str)}

    def expand(self, word: Word) -> list[Field]:
        """The fields that the word becomes: none, one or several. Raises ShellSyntax when they are
        more than any command line could hold (`A=$A$A`, many times)."""
        fields: list[Field] = []
        current: Field | None = None
        for part in _with_tilde(word.parts, self.home):
            if isinstance(part, Text):
                current = _glued(current, Field(part.text))
                continue
            found = self._value(part)
            pieces = _pieces(part, found)
            if not part.quoted and found.values is not None and _starts_blank(found) and current:
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
        fields = self.expand(word)
        reasons = tuple(reason for one in fields for reason in one.unknown)
        return Field(" ".join(one.text for one in fields), reasons)

    def _value(self, part: Part) -> Expanded:
        if isinstance(part, Variable):
            return self._variable(part.expression)
        assert not isinstance(part, Text)
        told = None if part.arithmetic else self.substitute(part.source, self)
        if told is None:
            return Expanded(None, f"$({part.source.strip()}) would have to be run")
        return _text(told)

    def _variable(self, expression: str) -> Expanded:
        if expression in ("@", "*"):
            return Expanded(())
        if match := _INDEXED.fullmatch(expression):
            return self._element(match[1], match[2])
        if _NAME.fullmatch(expression) or expression.isdigit():
            return self._named(expression)
        if match := _OPERATION.fullmatch(expression):
            return self._operation(match[1], match[2], match[3])
        return Expanded(None, f"${{{expression}}} is not understood")

    def _element(self, name: str, index: str) -> Expanded:
        if name in self.mysteries or name not in self.variables:
            return self._named(name)
        value = self.variables[name]
        items = (Field(value),) if isinstance(value, str) else value
        if index in ("@", "*"):
            return Expanded(items)
        return Expanded(items[int(index) : int(index) + 1] or (Field(""),))

    def _named(self, name: str) -> Expanded:
        if name in self.mysteries:
            return Expanded(None, self.mysteries[name])
        if name in self.variables:
            value = self.variables[name]
            return _text(value) if isinstance(value, str) else Expanded(value[:1] or (Field(""),))
        if name == "0" and self.script is not None:
            return _text(self.script)
        if name == "HOME":
            return _text(self.home)
        if name == "PWD" and self.cwd is not None:
            return _text(str(self.cwd))
        if name in self.environ:
            self.borrowed.add(name)
            return _text(self.environ[name])
        if name == self.assigning:
            return _text("")
        what = f"argument ${name} is given" if name.isdigit() else f"${name} is set"
        return Expanded(None, f"{what} neither in the file nor in this shell")

    def _operation(self, name: str, operator: str, rest: str) -> Expanded:
        found = self._named(name) if name not in "@*" else Expanded(())
        known = found.values
        full = any(one.text for one in known or ())
        is_set = bool(known) and (full or not operator.startswith(":"))
        if operator[-1] in "-=":
            if is_set or name in self.mysteries:
                return found
            return self._rest(rest)
        if operator[-1] == "+":
            return self._rest(rest) if is_set else _text("")
        if operator[-1] == "?":
            return found
        pattern = self._rest(rest).values
        if not known or not pattern or known[0].unknown:
            return found
        return _text(_trimmed(known[0].text, operator, pattern[0].text))

    def _rest(self, text: str) -> Expanded:
        told = self.text(Word(text_parts(text.strip("\"'"), 0), 0))
        return Expanded(None, told.unknown[0]) if told.unknown else Expanded((told,))


def _appended(old: Value, new: Value) -> Value:
    """`NAME+=new`: text grows, an array gets more elements."""
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    before = ((Field(old),) if old else ()) if isinstance(old, str) else old
    return before + ((Field(new),) if isinstance(new, str) else new)


def _with_tilde(parts: tuple[Part, ...], home: str) -> tuple[Part, ...]:
    """`~/x` is the home; also behind `--flag=`, where a shell would leave it and mean nothing."""
    first = parts[0]
    if isinstance(first, Text) and not first.quoted:
        if first.text == "~" or first.text.startswith("~/"):
            return (Text(home, quoted=True), Text(first.text[1:]), *parts[1:])
        if match := _TILDE_AFTER_EQUALS.match(first.text):
            end = match.end()
            return (Text(first.text[: end - 1] + home + first.text[end:]), *parts[1:])
    return parts


def _glued(current: Field | None, piece: Field) -> Field:
    if current is None:
        return piece
    return Field(current.text + piece.text, current.unknown + piece.unknown)


def _starts_blank(found: Expanded) -> bool:
    return bool(found.values) and (found.values or (Field(""),))[0].text[:1].isspace()


def _pieces(part: Part, found: Expanded) -> list[Field]:
    """Quoted values stay whole, unquoted ones fall apart at blanks."""
    if found.values is None:
        source = part.expression if isinstance(part, Variable) else getattr(part, "source", "")
        return [Field(f"${{{source}}}", (found.reason,))]
    if getattr(part, "quoted", False):
        return list(found.values)
    return [piece for value in found.values for piece in _fallen_apart(value)]


def _fallen_apart(value: Field) -> list[Field]:
    return [value] if value.unknown else [Field(piece) for piece in value.text.split()]


def _trimmed(value: str, operator: str, pattern: str) -> str:
    """`${X%pattern}` and its like."""
    matches = re.compile(translate(pattern)).match
    lengths = range(len(value) + 1)
    longest = len(operator) == 2
    for length in reversed(lengths) if longest else lengths:
        if operator[0] == "#" and matches(value[:length]):
            return value[length:]
        if operator[0] == "%" and matches(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def folder_of(text: str, base: Path | None) -> Path | None:
    """The folder named in a `cd`; None when it is relative to nobody knows what."""
    if text.startswith(("/", "~")):
        return Path(absolute(text, Path("/")))
    return None if base is None else Path(absolute(text, base))
