"""A shell script read as a shell would read it, without running anything: which programs it would
start, with which words, where, and with which environment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.commands import PIPES, Commands, joined
from runner.trainers.sd_scripts.importers.shell.tests import TESTS
from runner.trainers.sd_scripts.importers.shell.texts import MOST_SECONDS
from runner.trainers.sd_scripts.importers.shell.tree import Node
from runner.trainers.sd_scripts.importers.shell.ways import ends, leaves, trains
from runner.trainers.sd_scripts.importers.shell.words import ShellSyntax, Token

#: of one loop
MOST_ROUNDS = 500
#: values of a loop in a remark
MOST_LISTED = 10


@dataclass(slots=True)
class ScriptReader(Commands):
    """Follows conditions, loops and pipes."""

    def read(self, nodes: Sequence[Node], *, in_doubt: bool = False) -> bool | None:
        """The success of the last command; None if unknown. `in_doubt`: they are conditional."""
        last: bool | None = True
        tested = skipped = False  # was the command before a test?
        assumed = len(self.scope.assumptions)
        piped: Field | None = None
        self.in_doubt += in_doubt
        for node in nodes:
            if self.ended:
                break
            if time.monotonic() > self.until:
                said = f"takes over {MOST_SECONDS:.0f} s to read from here on"
                raise ShellSyntax(node.line, said)
            if node.link not in ("&&", "||", *PIPES):
                assumed = len(self.scope.assumptions)
            if node.link in ("&&", "||"):
                skipped, last = self._skips(node, last, tested, self.scope.assumptions[assumed:])
            elif node.link not in PIPES:
                skipped = False
            if skipped:
                continue
            doubt = node.link in ("&&", "||") and (
                last is None or len(self.scope.assumptions) > assumed
            )
            self.in_doubt += doubt
            self.conditional += node.link in ("&&", "||")
            if node.piped or node.link in PIPES:
                last, piped = self._stage(node, piped if node.link in PIPES else None)
            else:
                last = self._with_input(node, None)
            self.in_doubt -= doubt
            self.conditional -= node.link in ("&&", "||")
            first = node.words[0] if node.kind == "simple" and node.words else Token("", 0)
            tested = first.plain in TESTS or first.text.startswith("((")
        self.in_doubt -= in_doubt
        return last

    def _skips(
        self, node: Node, last: bool | None, tested: bool, assumed: Sequence[str]
    ) -> tuple[bool, bool | None]:
        """Is the command behind `&&` or `||` left out, and the success so far."""
        runs = last is False if node.link == "||" else last is not False
        if self.searching and not runs and self._trains([node]):
            return False, None
        if runs and (assumed or (last is None and tested)) and self._ends([node]):
            if assumed:
                self._goes_on(node.line, assumed)
            return True, node.link == "||"
        if runs and last is None and tested:
            self.scope.say(node.line, "unknown condition; read as if true")
        return not runs, last

    def _goes_on(self, line: int, assumed: Sequence[str]) -> None:
        self.scope.say(line, f"{assumed[-1]}; the script would stop, but is read on")

    def _stage(self, node: Node, given: Field | None) -> tuple[bool | None, Field | None]:
        """One command of a pipe, in its own subshell: its success and what it prints."""
        outside, self.scope = self.scope, self.scope.subshell()
        if node.piped:
            self.outputs.append([])
        last = self._with_input(node, given)
        out = joined(self.outputs.pop()) if node.piped else None
        self.scope, self.ended = outside, ""
        return last, out

    def follow(self, node: Node, given: Field | None) -> bool | None:
        bodies = [body for *_, body in node.arms]
        if node.kind == "function":
            self.functions[node.words[0].plain] = [one for body in bodies for one in body]
            return True
        if node.kind == "(":
            with self._subshell():
                return self.read(bodies[0])
        if node.kind == "{":
            return self.read(bodies[0])
        if node.kind == "simple":
            return self._simple(node, given)
        self.conditional += 1
        kinds = {"if": self._if, "case": self._case, "for": self._for, "select": self._for}
        last = kinds.get(node.kind, self._while)(node)
        self.conditional -= 1
        return last

    def _if(self, node: Node) -> bool | None:
        doubt = False
        for at, (condition, _, body) in enumerate(node.arms):
            before = len(self.scope.assumptions)
            holds = self.read(condition, in_doubt=True)
            assumed = self.scope.assumptions[before:] if condition else []
            line = condition[0].line if condition else node.line
            doubt |= holds is None or bool(assumed)
            if holds is None and self._trains(condition):  # it succeeds
                holds = condition[0].words[0].plain != "!" if condition[0].words else True
            others = [arm for *_, arm in node.arms[at + 1 :]]
            if holds is None:
                holds = not self._ends(body)
                said = str(holds).lower()
                self.scope.say(line, f"unknown condition of `if`; read as if {said}")
            elif assumed and self._ends(body if holds else _only(others)):
                self._goes_on(line, assumed)
                holds = not holds
            elif not holds and any("exist" in one for one in assumed):
                self.scope.say(line, f"{assumed[-1]}; read as the script would on this machine")
            if self.searching and self._trains(body) != holds and self._trains(body):
                self.scope.say(line, "this condition does not hold; read as if it did")
                holds = True
            elif self.searching and holds and not self._trains(body):
                holds = not any(map(self._trains, others))
            if holds:
                return self.read(body, in_doubt=doubt)
        return True

    def _case(self, node: Node) -> bool | None:
        """The matching branch; the first one if the word is unknown."""
        before = len(self.scope.assumptions)
        subject = self.scope.text(node.words[0]) if node.words else Field("")
        assumed = self.scope.assumptions[before:]
        arms = [([self.scope.pattern(word).text for word in words], b) for _, words, b in node.arms]
        names = ["|".join(patterns) for patterns, _ in arms]
        ways = [at for at, (_, body) in enumerate(arms) if not self._ends(body)] or range(len(arms))
        if self.searching:
            ways = [at for at in ways if self._trains(arms[at][1])] or ways
        matching = (
            at for at, (patterns, _) in enumerate(arms)
            if any(fnmatchcase(subject.text, one) for one in patterns)
        )  # fmt: skip
        at = None if subject.unknown else next(matching, None)
        lost = self.searching and at not in ways
        if ways and (subject.unknown or ((assumed or lost) and (at is None or at not in ways))):
            at = ways[0]
            others = [name for other, name in enumerate(names) if other != at]
            behind = f", not {' or '.join(others)}" if others else ""
            number = "its first branch" if at == 0 else f"branch {at + 1}"
            why = (
                subject.unknown[0]
                if subject.unknown
                else (assumed or [f"it is {subject.text}"])[-1]
            )
            self.scope.say(node.line, f"`case`: {why}; using {number} ({names[at]}){behind}")
            return self.read(arms[at][1], in_doubt=True)
        return True if at is None else self.read(arms[at][1], in_doubt=bool(assumed))

    def _for(self, node: Node) -> bool | None:
        name = node.words[0].plain if node.words else ""
        if node.words and node.words[0].text.startswith("(("):
            return self._counted(node)
        words = node.words[2:] if len(node.words) > 1 else [Token('"$@"', node.line)]
        values = [one for word in words for one in self._values_of_loop(name, word)]
        unknown = self.searching or (
            self.scope.arguments is None and "$@" in "".join(w.text for w in words)
        )
        if not values and unknown:
            values = (
                [Field("", (f"${name} is set by a loop",))] if self._trains(node.arms[0][2]) else []
            )
        note = ""
        if len(values) > 1 and not values[0].unknown:
            listed = " ".join(value.text for value in values[:MOST_LISTED])
            more = f" and {len(values) - MOST_LISTED} more" if len(values) > MOST_LISTED else ""
            note = f"it is in a loop over {listed}{more}; using {values[0].text}"

        def rounds() -> Iterator[None]:
            for value in values:
                self.scope.put(name, value)
                yield

        return self._rounds(node.arms[0][2], rounds(), note)

    def _values_of_loop(self, name: str, word: Token) -> list[Field]:
        """Names of files are not looked up."""
        if "*" in word.text and not set(word.text) & set("\"'@["):
            text = self.scope.text(word).text
            return [Field("", (f"${name} is one of the files {text}, which are not looked up",))]
        return self.scope.expand(word)

    def _counted(self, node: Node) -> bool | None:
        """`for ((i = 0; i < 3; i++))`."""
        parts = node.words[0].text[2:-2].split(";")
        first, condition, step = (*parts, "", "", "")[:3]
        self.scope.sum(first or "0")

        def rounds() -> Iterator[None]:
            while self.scope.sum(condition or "1"):
                yield
                if self.scope.sum(step or "0") is None:
                    return

        return self._rounds(node.arms[0][2], rounds())

    def _while(self, node: Node) -> bool | None:
        condition, _, body = node.arms[0]
        endless = bool(condition) and [one.plain for one in condition[0].words] in (["true"], [":"])
        doubtful = False

        def rounds() -> Iterator[None]:
            nonlocal doubtful
            while not doubtful:
                before = len(self.scope.assumptions)
                holds = self.read(condition, in_doubt=True)
                doubtful = holds is None or len(self.scope.assumptions) > before
                if holds is (node.kind == "until") and not (self.searching and self._trains(body)):
                    return
                doubtful |= self.searching or (endless and not leaves(body))
                yield

        return self._rounds(body, rounds())

    def _rounds(self, body: list[Node], rounds: Iterator[None], note: str = "") -> bool | None:
        """Later rounds are read for what they add to variables; what they start is `again`."""
        start = len(self.found)
        first, number = start, 0
        for number, _ in enumerate(rounds, 1):
            self.read(body)
            over = self.ended
            self.ended = "" if over in ("break", "continue") else over
            first = len(self.found) if number == 1 else first
            if over and over != "continue":
                break
            if number >= MOST_ROUNDS:
                self.scope.say(
                    body[0].line if body else 0, f"only {MOST_ROUNDS} rounds of the loop are read"
                )
                break
        self.found[first:] = [replace(one, again=True) for one in self.found[first:]]
        if note or number > 1:
            noted = self.found[start:first]
            note = note or f"it is in a loop of {number} rounds; using the first"
            self.found[start:first] = [replace(one, notes=(*one.notes, note)) for one in noted]
        return True

    def _ends(self, nodes: Sequence[Node]) -> bool:
        return ends(nodes, self.functions)

    def _trains(self, nodes: Sequence[Node]) -> bool:
        return trains(nodes, self.functions)


def _only(arms: Sequence[list[Node]]) -> list[Node]:
    """The commands of `else` when nothing else follows."""
    return arms[0] if len(arms) == 1 else []
