"""State of a shell script at one place (variables, exports, folder), and the meaning of its words there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.braces import braced
from runner.trainers.sd_scripts.importers.shell.parameters import (
    OPERATION,
    PARAMETER,
    changed,
    halves,
    literal,
    part,
    unescaped,
)
from runner.trainers.sd_scripts.importers.shell.state import (
    SHOWN,
    State,
    elements_of,
    one_of,
)
from runner.trainers.sd_scripts.importers.shell.sums import computed
from runner.trainers.sd_scripts.importers.shell.words import (
    Assignment,
    ShellSyntax,
    Token,
    pieces,
)

#: a Linux command line has at most 128 KiB a word and 2 MiB in all
MOST_CHARACTERS = 131_072
MOST_FIELDS = 20_000
#: `~/x` is the home; also after `--flag=`, where a shell would not expand it
_TILDE = re.compile(r"((?:--?[\w-]+=)?)~(?=/|\Z)")
_INDEX = re.compile(r"[0-9]{1,9}")
#: reason for a variable without a value; a shell would read it as empty
UNSET = "neither in the file nor in this shell"
_SET_BY = {"SLURM_": "Slurm", "PBS_": "PBS", "BASH_REMATCH": "a test with =~"}

#: values, and whether they stay unsplit
Values = Iterator[tuple[list[Field], bool]]


def _nothing(scope: Scope, source: str) -> Field | None:
    return None


@dataclass(slots=True)
class Scope(State):
    """`substitute`: the output of `$( )`."""

    substitute: Callable[[Scope, str], Field | None] = _nothing

    def set(self, one: Assignment) -> None:
        """`NAME=value`, or `NAME+=value`: text grows, an array gets more elements."""
        name, word = one.name, one.value
        if self.exporting:
            self.exported.add(name)
        self.assigning = name
        old = self.variables.get(name)
        if word.items is not None:
            elements = elements_of(old) if one.append else {}
            for item in word.items:
                if keyed := item.keyed():
                    elements[self._key(name, keyed[0]) or "0"] = self.text(keyed[1])
                else:
                    self._append(elements, self.expand(item))
            self.variables[name] = elements
        elif one.index is not None:
            elements = elements_of(old)
            key = self._key(name, one.index) or "0"
            before = elements.get(key, Field("")) if one.append else Field("")
            self.variables[name] = {**elements, key: before + self.text(word)}
        elif one.append and isinstance(old, dict):
            self._append(old := dict(old), [self.text(word)])
            self.variables[name] = old
        else:
            before = old if one.append and isinstance(old, Field) else Field("")
            self.variables[name] = before + self.text(word)
        self.assigning = None

    @staticmethod
    def _append(elements: dict[str, Field], values: list[Field]) -> None:
        end = max((int(key) + 1 for key in elements if _INDEX.fullmatch(key)), default=0)
        elements |= {str(end + at): value for at, value in enumerate(values)}

    def _key(self, name: str, index: str) -> str | None:
        """The index of an element as text."""
        if name in self.maps:
            return self.text(Token(index, 0)).text
        size = len(elements_of(self.variables.get(name)))
        number = self.sum(index)
        return None if number is None else str(number + size if number < 0 else number)

    def text(self, word: Token) -> Field:
        """The word as one value, as in an assignment."""
        return one_of(self.expand(word, split=False))

    def quoted(self, text: str) -> Field:
        """Text between double quotes, or of a here-document."""
        return one_of(self.expand(Token(text, 0), quoted=True))

    def pattern(self, word: Token, *, quoted: bool = False) -> Field:
        """The word as a pattern: what is quoted in it matches only itself."""
        values = self._values(word.text, quoted=quoted, pattern=True)
        return one_of([one_of(one) for one, _ in values], "")

    def expand(self, word: Token, *, split: bool = True, quoted: bool = False) -> list[Field]:
        """The fields that the word becomes: none, one or several; with `split`, unquoted values are split at
        spaces. `quoted`: inside double quotes. Raises ShellSyntax if they exceed any command line (`A=$A$A`,
        many times)."""
        try:
            texts = braced(word.text) if split and not quoted else [word.text]
        except ValueError as error:
            raise ShellSyntax(word.line, str(error)) from None
        return [one for text in texts for one in self._fields(text, word.line, split, quoted)]

    def _fields(self, text: str, line: int, split: bool, quoted: bool) -> list[Field]:
        fields: list[Field] = []
        apart = False  # does the next piece begin a field?
        for values, whole in self._values(text, quoted=quoted):
            falls_apart = split and not whole
            blanks = tuple(filter(str.isspace, self.signs())) if falls_apart else ()
            for index, value in enumerate(values):
                apart |= bool(index) or value.text.startswith(blanks)
                for at, piece in enumerate(self.split(value) if falls_apart else [value]):
                    if at or apart or not fields:
                        fields.append(piece)
                    else:
                        fields[-1] += piece
                    apart = False
                apart |= value.text.endswith(blanks)
            if len(fields) > MOST_FIELDS or (fields and len(fields[-1].text) > MOST_CHARACTERS):
                raise ShellSyntax(line, "a variable grows beyond the limit of a command")
        return fields

    def _values(
        self, text: str, *, quoted: bool, pattern: bool = False, inner: bool = False
    ) -> Values:
        """The value of each piece. `inner`: plain text is split, too (that of `${X:-a b}`)."""
        if not quoted and (match := _TILDE.match(text)):
            yield [Field(match[1] + self.home)], True
            text = text[match.end() :]
        keep = literal if pattern else str
        for kind, content in pieces(text, quoted=quoted):
            if kind == "double":
                inside = self._values(content, quoted=True, pattern=pattern)
                yield from inside if content else [([Field("")], True)]
            elif kind == "variable":
                for values, whole in self._parameter(content, quoted):
                    shown = [self._shown(content, one) for one in values]
                    if pattern and quoted:
                        shown = [replace(one, text=literal(one.text)) for one in shown]
                    yield shown, whole
            elif kind in ("command", "ticks", "sum"):
                source = re.sub(r"\\([\\`$])", r"\1", content) if kind == "ticks" else content
                if kind == "sum":
                    number = self.sum(source)
                    answer = None if number is None else Field(str(number))
                else:
                    answer = self.substitute(self, source)
                reason = f"$({source.strip()}) would have to be run"
                unknown = Field(f"${{{re.sub('[{}]', '', source)}}}", (reason,))
                yield [unknown if answer is None else answer], quoted
            elif kind == "ansi":
                yield [Field(keep(unescaped(content)))], True
            elif kind == "plain" and not quoted:
                yield [Field(content)], not inner
            elif kind != "escaped" or content != "\n":
                yield [Field(keep(content))], True

    def _shown(self, content: str, one: Field) -> Field:
        """An unknown value by the name of its variable; an element or several words by their own text."""
        own = one.text and ("[" in content or any(map(str.isspace, SHOWN.sub("", one.text))))
        if not one.unknown or own:
            return one
        return Field(f"${{{re.sub('[{}]', '', content)}}}", one.unknown)

    def _parameter(self, expression: str, quoted: bool) -> Values:
        match = PARAMETER.fullmatch(expression)
        operation = OPERATION.fullmatch(match["rest"]) if match and match["rest"] else None
        if match is None or (match["rest"] and operation is None):
            yield [Field("", (f"${{{expression}}} is not supported",))], quoted
            return
        name, index = match["name"], match["index"]
        many = index in ("@", "*") or name in ("@", "*")
        values = self._named(name, index)
        if match["indirect"] and many:
            values = [Field(key) for key in elements_of(self.variables.get(name))]
        elif match["indirect"]:
            pointer = one_of(values)
            if not pointer.unknown and re.fullmatch(r"\w+(?:\[\w+\])?", pointer.text):
                yield from self._parameter(f"{pointer.text}{match['rest']}", quoted)
            else:
                yield [Field("", (f"${{{expression}}} is not supported",))], quoted
            return
        unknown = any(one.unknown for one in values)
        if operation and operation[1].strip(":") in ("-", "=", "?", "+"):
            yield from self._default(name, values, operation, quoted)
            return
        if match["count"] and not unknown:
            values = [Field(str(len(values) if many else sum(len(one.text) for one in values)))]
        elif operation and not unknown:
            values = self._operation(expression, name, values, many, operation)
        if quoted and "*" in (name, index):
            values = [one_of(values, self.signs()[:1])]
        yield values, quoted

    def _named(self, name: str, index: str | None) -> list[Field]:
        given = self.arguments or ()
        value = self.variables.get(name)
        if name == "?" or (self.arguments is None and name in "#@*"):
            succeeded, called = (
                "the command before it succeeds",
                "the script is called without arguments",
            )
            self.assumptions.append(succeeded if name == "?" else called)
        if name in "@*":
            return list(given)
        if isinstance(value, dict):
            if index in ("@", "*"):
                return list(value.values())
            key = "0" if index is None else self._key(name, index)
            return [
                value.get(key, Field(""))
                if key is not None
                else Field("", (f"${name}[{index}] is unknown",))
            ]
        if value is not None:
            return [value] if index in (None, "@", "*", "0") else [Field("")]
        if (known := self.special(name)) is not None:
            return [Field(known)]
        if name.isdigit() and self.arguments is not None:
            return list(given[int(name) - 1 : int(name)]) or [Field("")]
        if name in self.environ:
            self.borrowed.add(name)
            return [Field(self.environ[name])]
        if name == self.assigning:
            return [Field("")]
        if by := next((by for start, by in _SET_BY.items() if name.startswith(start)), None):
            return [Field("", (f"${name} is set by {by}",))]
        if name in "!$-":
            return [Field("", (f"${name} is known only while the script runs",))]
        what = f"argument ${name} is given" if name.isdigit() else f"${name} is set"
        return [Field("", (f"{what} {UNSET}",))]

    def _default(
        self,
        name: str,
        values: list[Field],
        operation: re.Match[str],
        quoted: bool,
    ) -> Values:
        """`${X:-y}` and similar; a variable with an unknown value counts as set, but not `X=$1` without $1."""
        sign, word = operation[1], operation[2]
        missing = sign[0] == ":" and self._is_missing(name)
        unknown = any(one.unknown for one in values)
        given = (name in self.variables and not missing) or name in "@*" or not unknown
        full = unknown or any(one.text for one in values)
        is_set = given and bool(values) and (full or sign[0] != ":")
        if not given:
            self.assumptions.append(f"${name} is not given")
        if sign[-1] == "?" or (is_set and sign[-1] != "+"):
            yield values, quoted
        elif sign[-1] == "+" and not is_set:
            yield [Field("")], quoted
        else:
            text = re.sub(r'(?<!\\)"', "", word) if quoted else word
            if sign[-1] == "=":
                self.variables[name] = self.quoted(re.sub(r'(?<!\\)"', "", word))
            yield from self._values(text, quoted=quoted, inner=True)

    def _is_missing(self, name: str) -> bool:
        """Is its value nothing but an argument or a variable that is not given? It is empty then."""
        value = self.variables.get(name)
        if not isinstance(value, Field):
            return False
        match = re.fullmatch(r"\$\{(\w+)\}", value.text)
        return (
            match is not None
            and match[1] not in self.variables
            and all(reason.endswith(UNSET) for reason in value.unknown)
        )

    def _operation(
        self, expression: str, name: str, values: list[Field], many: bool, operation: re.Match[str]
    ) -> list[Field]:
        sign, rest = operation[1], operation[2]
        failed = [Field("", (f"${{{expression}}} is not supported",))]
        if sign == "@":
            return [Field(shlex.quote(one.text)) for one in values] if rest == "Q" else failed
        if sign == ":":
            first, _, count = rest.partition(":")
            start, length = self.sum(first), self.sum(count) if count.strip() else None
            if start is None or (count.strip() and length is None):
                return failed
            start -= name in ("@", "*") and start > 0
            if many:
                return values[part(len(values), start, length)]
            return [Field(one.text[part(len(one.text), start, length)]) for one in values]
        old, new = rest, ""
        if sign[0] == "/":
            old, _, new = halves(rest)
        found, put = self.pattern(Token(old, 0)), self.quoted(new)
        texts = [changed(one.text, sign, found.text, put.text) for one in values]
        if found.unknown or put.unknown or None in texts:
            return [
                Field(
                    "",
                    found.unknown or put.unknown or (f"${{{expression}}} is too long to be read",),
                )
            ]
        return [Field(text) for text in texts if text is not None]

    def sum(self, source: str) -> int | None:
        """The value of `$((...))`; None if it cannot be computed."""
        if "$(" in source or "${" in source or re.search(r"\$[\d#?@]|#\$", source):
            source = one_of(self._fields(source, 0, False, True)).text

        def value_of(name: str) -> str | None:
            value = one_of(self._named(name, None))
            return None if value.unknown else value.text

        return computed(source, value_of, lambda name, value: self.put(name, Field(str(value))))
