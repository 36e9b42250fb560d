"""One simple command of a script: what it changes, prints or writes, or the program that it would start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.builtins import BUILTINS
from runner.trainers.sd_scripts.importers.shell.parameters import edited
from runner.trainers.sd_scripts.importers.shell.scope import Scope
from runner.trainers.sd_scripts.importers.shell.state import UNNAMED, Value
from runner.trainers.sd_scripts.importers.shell.tests import TESTS, folder_of, printed, truth
from runner.trainers.sd_scripts.importers.shell.texts import SHELLS, Invocation, Texts
from runner.trainers.sd_scripts.importers.shell.tree import Node, parse
from runner.trainers.sd_scripts.importers.shell.ways import ENDINGS
from runner.trainers.sd_scripts.importers.shell.words import Assignment, ShellSyntax, Token

_PREFIXES = ("!", "time", "builtin", "command", "exec")
_OUTPUTS = (">", ">>", ">|", "1>", "1>>", "&>", "&>>")
#: that the script prints, writes, or gives to programs
MOST_CHARACTERS = 20_000_000
PIPES = ("|", "|&")


@dataclass(slots=True)
class Commands(Texts):
    def __post_init__(self) -> None:
        self.scope.substitute = self._substituted

    def _simple(self, node: Node, given: Field | None) -> bool | None:
        words, scope = list(node.words), self.scope
        prefixes: list[str] = []
        while words and words[0].plain in _PREFIXES and words[1:2] != [Token("-v", words[0].line)]:
            prefixes.append(words.pop(0).plain)
        negated = prefixes.count("!") % 2 == 1
        assignments: list[Assignment] = []
        while words and (assignment := words[0].assignment()):
            assignments.append(assignment)
            del words[0]
        if not words:
            for one in assignments:
                scope.set(one)
            if self.outputs and not assignments and node.redirections:  # `$(< file)`
                self.outputs[-1].append(given)
            return True
        if words[0].text.startswith("(("):
            number = scope.sum(words[0].text[2:-2])
            return None if number is None else (number != 0) != negated
        last = self._command(node, words, assignments, given)
        if "exec" in prefixes:
            self._end("exit", node.line)
        return None if last is None else last != negated

    def _command(
        self, node: Node, words: list[Token], assignments: list[Assignment], given: Field | None
    ) -> bool | None:
        scope = self.scope
        if words[0].plain == "[[":
            signs = ("==", "=", "!=")
            fields = [
                scope.pattern(word) if behind.plain in signs else scope.text(word)
                for behind, word in pairwise((Token("", 0), *words))
            ]
        else:
            fields = [one for word in words for one in scope.expand(word)]
        if not fields:
            return True
        name = fields[0].text
        key = name if name in BUILTINS else " ".join(one.text for one in fields[:2])
        if name in TESTS:
            closed = name != "test" and fields[-1].text in ("]", "]]")
            return truth(fields[1 : len(fields) - closed], scope, patterns=name == "[[")
        if name in self.functions:
            with self._set_for_it(assignments):
                return self._call(name, tuple(fields[1:]))
        if name in ENDINGS:
            self._end(name, node.line)
            code = fields[1].text if len(fields) > 1 else "0"
            return code == "0" if code.isdigit() else None
        if name == "eval":
            return self._text(" ".join(map(scope.source_of, fields[1:])), node.line)
        if name in ("source", "."):
            return self._source(fields, node.line)
        if key in BUILTINS:
            with self._set_for_it(assignments):
                return BUILTINS[key](scope, words, fields)
        out = self._printed(fields, given)
        if out is not None:
            if name == "tee":
                self._write_to([one.text for one in fields[1:]], "-a" in key, out, node.line)
            self._write(node, out)
            return True
        if self.outputs and node.target(*_OUTPUTS) is None:
            self.outputs[-1].append(None)
        if not self._another_script(fields) and SHELLS.fullmatch(Path(name).name):
            self._texts_for_others(fields, given, node)
        self._start(fields, assignments, node)
        return None

    @contextmanager
    def _set_for_it(self, assignments: Sequence[Assignment]) -> Iterator[None]:
        """`A=1 command`, for a command of the shell itself."""
        names = [one.name for one in assignments]
        before: dict[str, Value] = {n: v for n, v in self.scope.variables.items() if n in names}
        for one in assignments:
            self.scope.set(one)
        yield
        for name in names:
            self.scope.variables.pop(name, None)
        self.scope.variables |= before

    def _end(self, kind: str, line: int) -> None:
        """The script, function or loop ends here, unless that depends on what is unknown."""
        if kind == "break" or not self.in_doubt:
            if self.searching and kind == "exit" and self.conditional:
                self.scope.say(line, "the script would stop, but is read on")
            else:
                self.ended = kind

    def _start(self, fields: list[Field], before: list[Assignment], node: Node) -> None:
        scope = self.scope
        own = {one.name: scope.text(one.value) for one in before}
        env = scope.environment() | {n: v.text for n, v in own.items() if not v.unknown}
        place = scope.place(node.line)
        self._count(sum(len(one.text) for one in fields), node.line)
        self.found.append(
            Invocation(
                tuple(fields), place, scope.cwd, env, scope.python, scope.moved, node.redirected
            )
        )

    def _printed(self, fields: Sequence[Field], given: Field | None) -> Field | None:
        """What the command prints; None for one that would have to be run."""
        texts = [one.text for one in fields]
        if given is None and self.scope.lines is not None:
            given = Field("".join(f"{line}\n" for line in reversed(self.scope.lines)))
        reasons = tuple(why for one in fields for why in one.unknown)
        if texts[0] in ("cat", "tee") and (texts[0] == "tee" or texts[1:] in ([], ["-"])):
            return given
        if texts[0] == "cat":
            return joined([self._content(one) for one in fields[1:]])
        if texts[0] in ("cp", "mv"):
            names = [one for one in fields[1:] if not one.text.startswith("-")]
            content = self._content(names[0]) if len(names) == 2 else None
            if content is not None and not names[1].unknown:
                self._write_to([names[1].text], False, content, 0)
            return None
        if texts[0] == "sed":
            return self._edited(fields, given)
        if texts[0] == "which" or texts[:2] == ["command", "-v"]:
            self.scope.assumptions.append(f"{texts[-1]} is installed")
            return Field(f"{texts[-1]}\n", reasons)
        if texts[0] == "mktemp":  # its name is known only to the running script
            suffix = "".join(re.findall(r"--suffix[= ]?(\S+)", " ".join(texts)))
            return Field(f"{UNNAMED}{len(self.scope.files)}{suffix}\n")
        text = printed(texts, self.scope.cwd)
        return None if text is None else Field(text, reasons)

    def _edited(self, fields: Sequence[Field], given: Field | None) -> Field | None:
        """The output of `sed`; with `-i` what it does to a file that the script has written."""
        options = [one.text for one in fields[1:] if one.text.startswith("-")]
        words = [one for one in fields[1:] if not one.text.startswith("-")]
        scripts = words[: max(1, options.count("-e"))]
        names = words[len(scripts) :]
        text = joined([self._content(one) for one in names]) if names else given
        for script in scripts if set(options) <= {"-i", "-e", "-E", "-r"} else ():
            new = None if text is None else edited(text.text, script.text)
            text = (
                None if text is None or new is None else Field(new, text.unknown + script.unknown)
            )
        if "-i" not in options:
            return text
        for path in filter(None, (folder_of(one.text, self.scope.cwd) for one in names)):
            if path in self.scope.files:
                why = (f"`{fields[0].text} {scripts[0].text}` is not followed",) if scripts else ()
                self.scope.files[path] = text or replace(self.scope.files[path], unknown=why)
        return Field("")

    def _with_input(self, node: Node, given: Field | None) -> bool | None:
        """The command, with what `read` gets in it, and its output in the file that it goes to."""
        scope, before = self.scope, self.scope.lines
        redirected = [one for one in node.redirections if one.text.lstrip("0").startswith("<")]
        text = self._input(redirected[-1]) if redirected else given
        if redirected or node.link in PIPES:
            known = text is not None and not text.unknown
            lines = text.text.removesuffix("\n").split("\n") if text and known and text.text else []
            scope.lines = lines[::-1] if known else None
        named = node.words[0].plain if node.kind == "simple" and node.words else ""
        target = None
        if node.kind not in ("simple", "function") or named in self.functions:
            target = node.target(*_OUTPUTS)
        if target is not None:
            self.outputs.append([])
        last = self.follow(node, text)
        if target is not None:
            self._write(node, joined(self.outputs.pop()))
        scope.lines = before
        return last

    def _input(self, sign: Token) -> Field | None:
        (target,) = sign.items or (Token("", sign.line),)
        if target.kind == "literal":
            return Field(target.text)
        if target.kind == "input":
            return self.scope.quoted(target.text)
        text = self.scope.text(target)
        if sign.text.endswith("<<<"):
            return text + Field("\n")
        return self._content(text)

    def _content(self, name: Field) -> Field | None:
        """Of a file that the script has written, or that is next to it."""
        path = None if name.unknown else folder_of(name.text, self.scope.cwd)
        if path is None or path in self.scope.files:
            return None if path is None else self.scope.files[path]
        text = self._own_text(path)
        return None if text is None else Field(text)

    def _write(self, node: Node, out: Field | None) -> None:
        """Where standard output goes: into a file, the next command, or a variable."""
        self._count(len(out.text) if out else 0, node.line)
        target = node.target(*_OUTPUTS)
        if target is None:
            if self.outputs:
                self.outputs[-1].append(out)
            return
        path = self.scope.text(target)
        append = any(one.text.endswith(">>") for one in node.redirections)
        if not path.unknown and out is not None:
            self._write_to([path.text], append, out, node.line)

    def _write_to(self, names: Sequence[str], append: bool, out: Field, line: int) -> None:
        for name in names:
            path = folder_of(name, self.scope.cwd) if name and not name.startswith("-") else None
            if path is not None and not path.is_relative_to("/dev"):
                old = self.scope.files.get(path, Field("")) if append else Field("")
                self._count(len(old.text) + len(out.text), line)
                self.scope.files[path] = old + out

    def _count(self, characters: int, line: int) -> None:
        """Raises ShellSyntax when the script writes or starts more than any real one."""
        self.characters += characters
        if self.characters > MOST_CHARACTERS:
            raise ShellSyntax(line, f"writes over {MOST_CHARACTERS // 1_000_000} MB of text")

    def _substituted(self, scope: Scope, source: str) -> Field | None:
        """The output of `$( )`, without the line ends behind it."""
        try:
            nodes, _ = parse(source)
        except ShellSyntax:
            return None
        count, outside, ended = len(self.found), self.scope, self.ended
        self.scope, self.ended = scope.subshell(), ""
        self.outputs.append([])
        self._deeper(nodes)
        out = joined(self.outputs.pop())
        self.scope, self.ended = outside, ended
        del self.found[count:]
        return out and Field(out.text.rstrip("\n"), out.unknown)


def joined(parts: Sequence[Field | None]) -> Field | None:
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    return Field("".join(one.text for one in known), tuple(w for one in known for w in one.unknown))
