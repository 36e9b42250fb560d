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
from runner.trainers.sd_scripts.importers.shell_builtins import changes_state
from runner.trainers.sd_scripts.importers.shell_scope import Scope
from runner.trainers.sd_scripts.importers.shell_tests import TESTS, truth
from runner.trainers.sd_scripts.importers.shell_tree import Node, parse
from runner.trainers.sd_scripts.importers.shell_words import ShellSyntax, Word

#: functions that call each other
MOST_CALLS = 20
#: a script takes milliseconds; a function that calls another one twice, and so on, takes for ever
MOST_SECONDS = 5.0
#: what takes a command as one text; and the sign of a text that is worth reading as one
_SHELLS = frozenset(
    {
        "bash",
        "sh",
        "zsh",
        "tmux",
        "screen",
        "sbatch",
        "qsub",
        "ssh",
        "srun",
        "script",
        "su",
        "nohup",
    }
)
_TRAINING = re.compile(r"\s\S*train\S*\.py\b|accelerate(?:-|\s+)launch\s")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One program that the script would start. `cwd`: where; None: in an unknown folder. `moved`: the
    script itself went there. `python`: of the environment that the script activated."""

    fields: tuple[Field, ...]
    line: int
    cwd: Path | None
    env: Mapping[str, str]
    python: str | None = None
    redirected: bool = False
    notes: tuple[str, ...] = ()
    moved: bool = False


@dataclass(slots=True)
class ScriptReader:
    """`found`: what would be started, in order. `in_doubt`: how many conditions stand around the
    command being read; an `exit` behind one does not end the reading."""

    scope: Scope
    found: list[Invocation] = field(default_factory=list)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    _loops: list[str] = field(default_factory=list)
    _calls: int = 0
    _until: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)
    in_doubt: int = 0
    _ended: str = ""  # "exit" or "return"

    def read(self, nodes: list[Node]) -> bool | None:
        """The success of the last command; None when it is not known."""
        last: bool | None = True
        test = False  # was the command before a test?
        for node in nodes:
            if self._ended:
                break
            if node.link == "&&" and test and last is None:
                self.scope.say(node.line, "the condition cannot be told; read as if it held")
            if (node.link == "&&" and last is False) or (node.link == "||" and last is not False):
                continue
            if time.monotonic() > self._until:
                raise ShellSyntax(
                    node.line, f"takes over {MOST_SECONDS:.0f} s to read from here on"
                )
            conditional = node.link in ("&&", "||")
            self.in_doubt += conditional
            last = self._node(node)
            self.in_doubt -= conditional
            first = node.words[0] if node.kind == "simple" and node.words else None
            test = first is not None and (first.plain() in TESTS or first.parts[0].kind == "sum")
        return last

    def _guarded(self, nodes: list[Node]) -> bool | None:
        """Read what stands behind a condition."""
        self.in_doubt += 1
        last = self.read(nodes)
        self.in_doubt -= 1
        return last

    def _node(self, node: Node) -> bool | None:
        if node.kind == "simple":
            return self._simple(node)
        if node.kind == "function":
            self.functions[node.words[0].plain()] = [one for *_, body in node.arms for one in body]
            return True
        if node.kind == "if":
            return self._if(node)
        if node.kind == "case":
            return self._case(node)
        body = node.arms[0][2]
        if node.kind == "(":
            outside, self.scope = self.scope, self.scope.subshell()
            last = self.read(body)
            self.scope, self._ended = outside, ""
            return last
        return self.read(body) if node.kind == "{" else self._loop(node)

    def _if(self, node: Node) -> bool | None:
        for condition, _, body in node.arms:
            holds = self._guarded(condition) if condition else True
            if holds is None:
                line = condition[0].line
                self.scope.say(line, "the condition of `if` cannot be told; read as if it held")
            if holds is not False:
                return self._guarded(body)
        return True

    def _case(self, node: Node) -> bool | None:
        """The branch that fits; the first one when the word is not known."""
        subject = self.scope.text(node.words[0]) if node.words else Field("")
        arms = [([self.scope.text(word) for word in words], body) for _, words, body in node.arms]
        for patterns, body in arms:
            if not subject.unknown and any(fnmatchcase(subject.text, one.text) for one in patterns):
                return self._guarded(body)
        if subject.unknown and arms:
            names = ["|".join(one.text for one in patterns) for patterns, _ in arms]
            others = f", not {' or '.join(names[1:])}" if names[1:] else ""
            self.scope.say(
                node.line,
                f"`case`: {subject.unknown[0]}; its first branch ({names[0]}) is taken{others}",
            )
            return self._guarded(arms[0][1])
        return True

    def _loop(self, node: Node) -> bool | None:
        """Gone through once, a `for` with its first value."""
        condition, _, body = node.arms[0]
        if node.kind in ("while", "until"):
            if self._guarded(condition) is (node.kind == "until"):
                return True
            return self._guarded(body)
        name = node.words[0].plain() if node.words else ""
        values = [one for word in node.words[2:] for one in self.scope.expand(word)]
        note = ""
        if name and values and not values[0].unknown:
            self.scope.assign(name, values[0])
            if len(values) > 1:
                listed = " ".join(value.text for value in values)
                note = f"it stands in a loop over {listed}; {values[0].text} is taken"
        elif name:
            self.scope.assign(name, Field("", (f"${name} is set by a loop",)))
        self._loops.append(note)
        last = self._guarded(body)
        self._loops.pop()
        return last

    def _simple(self, node: Node) -> bool | None:
        words = list(node.words)
        negated = False
        while words and words[0].plain() in ("!", "time", "builtin", "command", "exec"):
            negated ^= words.pop(0).plain() == "!"
        before: list[tuple[str, bool, Word]] = []
        while words and (assignment := words[0].assignment()):
            before.append(assignment)
            del words[0]
        if not words:
            for assignment in before:
                self.scope.set(*assignment)
            return True
        split = words[0].plain() != "[["
        fields = [one for word in words for one in self.scope.expand(word, split=split)]
        if not fields or words[0].parts[0].kind == "sum":
            return None if fields else True
        name = fields[0].text
        if name in TESTS:
            holds = truth(fields, self.scope.cwd)
            return None if holds is None else holds != negated
        if name in self.functions:
            return self._call(name, tuple(fields[1:]))
        if name in ("exit", "return"):
            self._ended = "" if self.in_doubt else name
            return True
        if name == "eval":
            return self._text(" ".join(map(self.scope.source_of, fields[1:])), node.line)
        if changes_state(self.scope, words, fields):
            return True
        if name in _SHELLS:
            self._texts_for_others(fields, node)
        self._start(fields, before, node)
        return None

    def _call(self, name: str, arguments: tuple[Field, ...] | None) -> bool | None:
        if self._calls >= MOST_CALLS:
            return None
        self.called.add(name)
        scope, before = self.scope, dict(self.scope.variables)
        outside = scope.arguments, scope.locals
        scope.arguments, scope.locals = arguments, set()
        self._calls += 1
        last = self.read(self.functions[name])
        self._calls -= 1
        for local in scope.locals:
            scope.variables.pop(local, None)
        scope.variables |= {name: before[name] for name in scope.locals & before.keys()}
        scope.arguments, scope.locals = outside
        self._ended = self._ended if self._ended == "exit" else ""
        return last

    def read_uncalled(self) -> None:
        """Functions of a script that only defines them, each as if called."""
        for name, body in list(self.functions.items()):
            if name not in self.called and body:
                count = len(self.found)
                self._call(name, None)
                if len(self.found) > count:
                    self.scope.say(body[0].line, f"{name} is called nowhere; read as if it were")

    def _text(self, source: str, line: int) -> bool | None:
        """What `eval` and `bash -c` would read."""
        if self._calls >= MOST_CALLS:
            return None
        try:
            nodes, _ = parse("\n" * (line - 1) + source)
        except ShellSyntax as error:
            self.scope.say(error.line, f"a command in a text is not read: {error}")
            return None
        self._calls += 1
        last = self.read(nodes)
        self._calls -= 1
        return last

    def _texts_for_others(self, fields: list[Field], node: Node) -> None:
        """Commands that another shell gets: `bash -c "..."`, `sbatch --wrap="..."`, `sbatch <<E`."""
        outside, self.scope = self.scope, self.scope.subshell()
        for one in fields[1:]:
            text = self.scope.source_of(one).removeprefix("--wrap=")
            if _TRAINING.search(text):
                self._text(text, node.line)
        for word in node.inputs:
            if _TRAINING.search(word.parts[1].text):
                self._text(word.parts[1].text, word.line)
        self.scope = outside

    def _start(self, fields: list[Field], before: list[tuple[str, bool, Word]], node: Node) -> None:
        scope, notes = self.scope, tuple(filter(None, self._loops))
        own = {name: scope.text(value) for name, _, value in before}
        env = scope.environment() | {n: v.text for n, v in own.items() if not v.unknown}
        self.found.append(
            Invocation(
                tuple(fields), node.line, scope.cwd, env, scope.python, node.redirected, notes,
                scope.moved,
            )
        )  # fmt: skip
