"""A shell script read as a shell would read it, without running anything: which programs it would
start, with which words, where, and with which environment."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_scope import Scope
from runner.trainers.sd_scripts.importers.shell_tests import TESTS, folder_of, truth
from runner.trainers.sd_scripts.importers.shell_tree import Node, parse
from runner.trainers.sd_scripts.importers.shell_words import ShellSyntax, Token

#: functions that call each other
MOST_CALLS = 20
#: a script takes milliseconds; a function that calls another one twice, and so on, takes forever
MOST_SECONDS = 5.0
#: take a command as one text
_SHELLS = re.compile(r"(?:ba|z|s)?sh|su|tmux|screen|sbatch|qsub|srun|script|nohup")
#: marks text worth reading as a command
_TRAINING = re.compile(r"\s\S*train\S*\.py\b|accelerate(?:-|\s+)launch\s")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PREFIXES = ("!", "time", "builtin", "command", "exec")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One program that the script would start. `cwd`: where; None: in an unknown folder. `moved`: the
    script itself went there. `python`: of the environment that the script activated."""

    fields: tuple[Field, ...]
    line: int
    cwd: Path | None
    env: Mapping[str, str]
    python: str | None
    moved: bool
    redirected: bool
    notes: tuple[str, ...]


@dataclass(slots=True)
class ScriptReader:
    """`found`: what would be started, in order. `in_doubt`: number of enclosing conditions; a conditional
    `exit` does not end the reading."""

    scope: Scope
    found: list[Invocation] = field(default_factory=list)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    in_doubt: int = 0
    _loops: list[str] = field(default_factory=list)
    _calls: int = 0
    _until: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)
    _ended: str = ""  # "exit" or "return"

    def read(self, nodes: list[Node], *, in_doubt: bool = False) -> bool | None:
        """The success of the last command; None if unknown. `in_doubt`: they are conditional."""
        last: bool | None = True
        tested = False  # was the command before a test?
        self.in_doubt += in_doubt
        for node in nodes:
            if self._ended:
                break
            if node.link == "&&" and tested and last is None:
                self.scope.say(node.line, "unknown condition; read as if true")
            if (node.link == "&&" and last is False) or (node.link == "||" and last is not False):
                continue
            if time.monotonic() > self._until:
                said = f"takes over {MOST_SECONDS:.0f} s to read from here on"
                raise ShellSyntax(node.line, said)
            conditional = node.link in ("&&", "||")
            self.in_doubt += conditional
            last = self._node(node)
            self.in_doubt -= conditional
            first = node.words[0] if node.kind == "simple" and node.words else Token("", 0)
            tested = first.plain in TESTS or first.text.startswith("((")
        self.in_doubt -= in_doubt
        return last

    def _node(self, node: Node) -> bool | None:
        bodies = [body for *_, body in node.arms]
        if node.kind == "function":
            self.functions[node.words[0].plain] = [one for body in bodies for one in body]
            return True
        if node.kind == "(":
            outside, self.scope = self.scope, self.scope.subshell()
            last = self.read(bodies[0])
            self.scope, self._ended = outside, ""
            return last
        if node.kind == "{":
            return self.read(bodies[0])
        kinds = {"simple": self._simple, "if": self._if, "case": self._case}
        return kinds.get(node.kind, self._loop)(node)

    def _if(self, node: Node) -> bool | None:
        for condition, _, body in node.arms:
            holds = self.read(condition, in_doubt=True)
            if holds is None:
                line = condition[0].line
                self.scope.say(line, "unknown condition of `if`; read as if true")
            if holds is not False:
                return self.read(body, in_doubt=True)
        return True

    def _case(self, node: Node) -> bool | None:
        """The matching branch; the first one if the word is unknown."""
        subject = self.scope.text(node.words[0]) if node.words else Field("")
        arms = [([self.scope.text(word).text for word in words], b) for _, words, b in node.arms]
        if subject.unknown and arms:
            names = ["|".join(patterns) for patterns, _ in arms]
            others = f", not {' or '.join(names[1:])}" if names[1:] else ""
            taken = f"using its first branch ({names[0]}){others}"
            self.scope.say(node.line, f"`case`: {subject.unknown[0]}; {taken}")
            return self.read(arms[0][1], in_doubt=True)
        for patterns, body in arms:
            if any(fnmatchcase(subject.text, one) for one in patterns):
                return self.read(body, in_doubt=True)
        return True

    def _loop(self, node: Node) -> bool | None:
        """Read once, a `for` with its first value."""
        condition, _, body = node.arms[0]
        if node.kind in ("while", "until"):
            ends = self.read(condition, in_doubt=True) is (node.kind == "until")
            return True if ends else self.read(body, in_doubt=True)
        name = node.words[0].plain if node.words else ""
        values = [one for word in node.words[2:] for one in self.scope.expand(word)]
        note = ""
        if len(values) > 1 and not values[0].unknown:
            listed = " ".join(value.text for value in values)
            note = f"it is in a loop over {listed}; using {values[0].text}"
        if name:
            unknown = not values or values[0].unknown
            by_loop = Field("", (f"${name} is set by a loop",))
            self.scope.variables[name] = by_loop if unknown else values[0]
        self._loops.append(note)
        last = self.read(body, in_doubt=True)
        self._loops.pop()
        return last

    def _simple(self, node: Node) -> bool | None:
        words, scope = list(node.words), self.scope
        negated = False
        while words and words[0].plain in _PREFIXES:
            negated ^= words.pop(0).plain == "!"
        before: list[tuple[str, bool, Token]] = []
        while words and (assignment := words[0].assignment()):
            before.append(assignment)
            del words[0]
        if not words:
            for assignment in before:
                scope.set(*assignment)
            return True
        if words[0].text.startswith("(("):
            return None
        split = words[0].plain != "[["
        fields = [one for word in words for one in scope.expand(word, split=split)]
        name = fields[0].text if fields else ":"
        if name in TESTS:
            closed = name != "test" and fields[-1].text in ("]", "]]")
            holds = truth(fields[1 : len(fields) - closed], scope.cwd)
            return None if holds is None else holds != negated
        if name in self.functions:
            return self._call(name, tuple(fields[1:]))
        if name in ("exit", "return"):
            self._ended = "" if self.in_doubt else name
        elif name == "eval":
            return self._text(" ".join(map(scope.source_of, fields[1:])), node.line)
        elif fields and not _changes_state(scope, words, fields):
            if _SHELLS.fullmatch(name):
                self._texts_for_others(fields, node)
            self._start(fields, before, node)
            return None
        return True

    def _call(self, name: str, arguments: tuple[Field, ...] | None) -> bool | None:
        self.called.add(name)
        scope, before = self.scope, dict(self.scope.variables)
        outside = scope.arguments, scope.locals
        scope.arguments, scope.locals = arguments, set()
        last = self._deeper(self.functions[name])
        for local in scope.locals:
            scope.variables.pop(local, None)
        scope.variables |= {name: before[name] for name in scope.locals & before.keys()}
        scope.arguments, scope.locals = outside
        self._ended = self._ended if self._ended == "exit" else ""
        return last

    def _deeper(self, nodes: list[Node]) -> bool | None:
        if self._calls >= MOST_CALLS:
            return None
        self._calls += 1
        last = self.read(nodes)
        self._calls -= 1
        return last

    def read_uncalled(self) -> None:
        """Functions of a script that only defines them, each as if called."""
        for name, body in list(self.functions.items()):
            if name not in self.called and body:
                count = len(self.found)
                self._call(name, None)
                if len(self.found) > count:
                    self.scope.say(body[0].line, f"{name} is never called; read as if it were")

    def _text(self, source: str, line: int) -> bool | None:
        """What `eval` and `bash -c` would read."""
        try:
            nodes, _ = parse("\n" * (line - 1) + source)
        except ShellSyntax as error:
            self.scope.say(error.line, f"a command in a text is skipped:  {error}")
            return None
        return self._deeper(nodes)

    def _texts_for_others(self, fields: list[Field], node: Node) -> None:
        """Commands that another shell gets: `bash -c "..."`, `sbatch --wrap="..."`, `sbatch <<E`."""
        outside, self.scope = self.scope, self.scope.subshell()
        given = [(self.scope.source_of(one).removeprefix("--wrap="), node.line) for one in fields]
        for text, line in (*given[1:], *((one.text, one.line) for one in node.inputs)):
            if _TRAINING.search(text):
                self._text(text, line)
        self.scope = outside

    def _start(
        self, fields: list[Field], before: list[tuple[str, bool, Token]], node: Node
    ) -> None:
        scope, notes = self.scope, tuple(filter(None, self._loops))
        own = {name: scope.text(value) for name, _, value in before}
        env = scope.environment() | {n: v.text for n, v in own.items() if not v.unknown}
        self.found.append(
            Invocation(
                tuple(fields), node.line, scope.cwd, env, scope.python, scope.moved,
                node.redirected, notes,
            )
        )  # fmt: skip


def _changes_state(scope: Scope, words: list[Token], fields: list[Field]) -> bool:
    """Do what the command does to the scope; False when it is none of these. `fields`: the words,
    expanded."""
    texts = [one.text for one in fields]
    given = [text for text in texts[1:] if not text.startswith("-")]
    match texts:
        case ["export" | "declare" | "local" | "readonly" | "typeset", *_]:
            _declare(scope, words[1:], texts)
        case ["unset", *_]:
            for gone in given:
                scope.variables.pop(gone, None)
        case ["cd" | "pushd" | "popd" as name, *_]:
            scope.moved = True
            if name == "pushd":
                scope.folders.append(scope.cwd)
            if name == "popd":
                scope.cwd = scope.folders.pop() if scope.folders else None
            else:
                known = not any(one.unknown for one in fields)
                scope.cwd = folder_of("".join(given[:1]) or "~", scope.cwd) if known else None
        case ["source" | ".", *_]:
            path = folder_of(given[0], scope.cwd) if given else None
            if given and "activate" in (path or Path(given[0])).name:
                scope.python = str((path or Path(given[0])).parent / "python")
            else:
                what = f"{' '.join(given)} is not read; add its variables to [trainer] env"
                scope.say(words[0].line, what)
        case ["conda" | "mamba" | "micromamba", "activate", *_]:
            place = "".join(given[1:2])
            scope.python = f"{place}/bin/python" if "/" in place else None
            if scope.python is None:
                scope.say(words[0].line, f"environment {place}: set [trainer] python")
        case ["shift", *_]:
            by = int(given[0]) if given in (["2"], ["3"]) else 1
            scope.arguments = scope.arguments and scope.arguments[by:]
        case ["set", *_]:
            if "--" in texts:
                scope.arguments = tuple(fields[texts.index("--") + 1 :])
        case _:
            return False
    return True


def _declare(scope: Scope, words: list[Token], texts: list[str]) -> None:
    exports = texts[0] == "export" or "-x" in texts or "-gx" in texts
    for word in words:
        assignment = word.assignment()
        declared = assignment[0] if assignment else word.plain
        if assignment:
            scope.set(*assignment)
        if exports and _NAME.fullmatch(declared):
            scope.exported.add(declared)
        if texts[0] == "local":
            scope.locals.add(declared)
