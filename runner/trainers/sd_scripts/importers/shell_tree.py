"""Shell text -> a tree of commands. Pure: nothing is expanded, nothing runs."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from runner.trainers.sd_scripts.importers.shell_words import BLANK_END, Lexer, ShellSyntax, Word

#: `--model=<path of the model>` of a manual; a shell would read a redirection
_PLACEHOLDER = re.compile(r"(?<![\w'\"-])--[\w-]+[= ](<[^<>\n'\"]*>)")
_ENDS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}", ")", ";;"})


@dataclass(slots=True)
class Node:
    """A command. `kind`: "simple", "if", "while", "until", "for", "case", "{", "(" or "function".

    `words`: of a simple command; the loop's variable and values; the case's word; the function's
    name. `arms`: condition or patterns, then what they guard. `link`: the operator before it.
    `redirected`: its output goes elsewhere, also into a pipe. `inputs`: its here-documents."""

    kind: str
    line: int
    words: list[Word] = field(default_factory=list)
    arms: list[tuple[list[Node], list[Word], list[Node]]] = field(default_factory=list)
    link: str = ""
    redirected: bool = False
    inputs: list[Word] = field(default_factory=list)


def parse(text: str) -> tuple[list[Node], list[str]]:
    """The commands, and a sentence for each repair that reading them took. Raises ShellSyntax."""
    notes = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if match := BLANK_END.search(text):
        line = text.count("\n", 0, match.start()) + 1
        notes.append(
            f"line {line}: blanks behind the backslash; a shell would end the command there"
        )
    if match := _PLACEHOLDER.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise ShellSyntax(line, f"{match[1]} is a placeholder; put the real value in its place")
    if re.match(r"\s*\$ ", text):  # pasted with its prompt
        text = re.sub(r"^[ \t]*\$[ \t]+", "", text, flags=re.M)
    parser = _Parser(Lexer(text).tokens())
    nodes: list[Node] = []
    while parser.at < len(parser.tokens):  # a keyword that ends nothing is skipped
        nodes += parser.block(())
        parser.at += 1
    return nodes, notes


@dataclass(slots=True)
class _Parser:
    """What is not closed ends with the text: people paste pieces of scripts."""

    tokens: list[Word]
    at: int = 0

    def sign(self) -> str:
        """The operator or the plain word at this place; "" for any other word and at the end."""
        if self.at >= len(self.tokens):
            return ""
        word = self.tokens[self.at]
        return word.parts[0].text if word.operator else word.plain()

    def is_operator(self) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].operator

    def took(self, sign: str) -> bool:
        found = self.sign() == sign
        self.at += found
        return found

    def block(self, ends: Collection[str]) -> list[Node]:
        """Commands until one of `ends`, which is left; keywords that end nothing here are skipped."""
        nodes: list[Node] = []
        link = ""
        while self.at < len(self.tokens):
            sign = self.sign()
            if sign in ends or (not ends and sign in _ENDS):
                return nodes
            if self.is_operator() and sign != "(":
                if nodes and sign == "<<":
                    nodes[-1].inputs.append(self.tokens[self.at])
                self.at += 1
                if nodes and sign in ("|", "|&", ">"):
                    nodes[-1].redirected = True
                if sign not in (">", "<<") and not (sign == "\n" and link):
                    link = sign
            elif sign in _ENDS:
                self.at += 1
            else:
                nodes.append(self.command())
                nodes[-1].link, link = link, ""
        return nodes

    def command(self) -> Node:
        word, sign = self.tokens[self.at], self.sign()
        node = Node(sign, word.line)
        following = [one.parts[0].text for one in self.tokens[self.at + 1 : self.at + 3]]
        if sign in ("if", "while", "until", "for", "select", "case", "{", "("):
            self.at += 1
            self.compound(node)
        elif sign == "function" or (following == ["(", ")"] and sign):
            self.at += sign == "function"
            node = Node("function", word.line, self.tokens[self.at : self.at + 1] or [word])
            self.at += 1
            while self.sign() in ("(", ")", "\n") and self.is_operator():
                self.at += 1
            if self.at < len(self.tokens):
                node.arms.append(([], [], [self.command()]))
        else:
            node.kind = "simple"
            while self.at < len(self.tokens) and (not self.is_operator() or sign == ">"):
                if self.is_operator():
                    node.redirected = True
                else:
                    node.words.append(self.tokens[self.at])
                self.at += 1
                sign = self.sign()
        return node

    def compound(self, node: Node) -> None:
        """Everything behind the first keyword, with the last one."""
        if node.kind in ("{", "("):
            end = "}" if node.kind == "{" else ")"
            node.arms.append(([], [], self.block((end,))))
        elif node.kind == "case":
            end = "esac"
            node.words = self.words_until("in", "esac")
            self.took("in")
            self.arms_of_case(node)
        elif node.kind == "if":
            end = "fi"
            while True:
                condition = self.block(("then", end))
                self.took("then")
                node.arms.append((condition, [], self.block(("elif", "else", end))))
                if self.took("else"):
                    node.arms.append(([], [], self.block((end,))))
                if not self.took("elif"):
                    break
        else:
            end = "done"
            loop = node.kind not in ("while", "until")
            if loop:
                node.words = self.words_until(";", "\n", "do")
            condition = self.block(("do", end))
            self.took("do")
            node.arms.append((condition, [], self.block((end,))))
        self.took(end)

    def words_until(self, *signs: str) -> list[Word]:
        start = self.at
        while self.at < len(self.tokens) and self.sign() not in signs:
            self.at += 1
        return self.tokens[start : self.at]

    def arms_of_case(self, node: Node) -> None:
        while self.at < len(self.tokens) and self.sign() != "esac":
            if self.sign() in ("\n", ";;", ";", "(") and self.is_operator():
                self.at += 1
                continue
            patterns = [word for word in self.words_until(")") if not word.operator]
            self.took(")")
            node.arms.append(([], patterns, self.block((";;", "esac"))))
