"""Shell text -> a tree of commands with words as written. Pure: nothing is expanded, nothing runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runner.trainers.sd_scripts.importers.shell.words import BLANK_END, Token, tokens

#: pasted with its prompt: `$ `, `(venv) $ `, `user@host:~/x# `
_PROMPT = re.compile(
    r"^[ \t]{0,20}(?:\([\w.-]{1,40}\) ?)?(?:\[?[\w.-]{1,40}@[\w.-]{1,60}[^\n$#\"']{0,80}[$#]|\$)[ \t]+",
    re.M,
)
_ENDS = ("then", "elif", "else", "fi", "do", "done", "esac", "}", ")", ";;")
_CLOSED_BY = {"if": "fi", "case": "esac", "{": "}", "(": ")"} | dict.fromkeys(
    ("for", "select", "while", "until"), "done"
)


@dataclass(slots=True)
class Node:
    """A command. `kind`: "simple", "if", "while", "until", "for", "case", "{", "(" or "function".

    `words`: of a simple command; the loop's variable and values; the case's word; the function's name.
    `arms`: condition or patterns, then their commands. `link`: the operator before it; `piped`: is there a
    pipe behind it? `redirections`: signs, each with its target."""

    kind: str
    line: int
    words: list[Token] = field(default_factory=list)
    arms: list[tuple[list[Node], list[Token], list[Node]]] = field(default_factory=list)
    link: str = ""
    piped: bool = False
    redirections: list[Token] = field(default_factory=list)

    @property
    def redirected(self) -> bool:
        return self.piped or any(">" in one.text for one in self.redirections)

    def target(self, *signs: str) -> Token | None:
        """Of the last redirection by one of these signs."""
        found = [one for one in self.redirections if one.text in signs]
        return found[-1].items[0] if found and found[-1].items else None


def parse(text: str) -> tuple[list[Node], list[str]]:
    """The commands, and a sentence for each repair needed to read them. Raises ShellSyntax."""
    notes = []
    text = text.replace("\r\n", "\n").replace("\r", "\n") + "\n"
    if match := BLANK_END.search(text):
        line = text.count("\n", 0, match.start()) + 1
        what = "a comment" if "#" in match[0] else "spaces"
        notes = [f"line {line}: {what} after the backslash; a shell would end the command there"]
    if _PROMPT.match(text.lstrip()):
        text = _PROMPT.sub("", text)
    parser = _Parser(tokens(text))
    nodes: list[Node] = []
    while parser.at < len(parser.tokens):  # a keyword that ends nothing is skipped
        nodes += parser.block()
        parser.at += 1
    return nodes, notes


@dataclass(slots=True)
class _Parser:
    """Unclosed parts end with the text: pasted scripts may be incomplete."""

    tokens: list[Token]
    at: int = 0

    def sign(self) -> str:
        """The operator or the plain word at this place; "" for any other token and at the end."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else Token("", 0)
        return token.text if token.kind == "sign" else token.plain

    def took(self, sign: str) -> bool:
        found = self.sign() == sign and self.at < len(self.tokens)
        self.at += found
        return found

    def until(self, *signs: str) -> list[Token]:
        start = self.at
        while self.at < len(self.tokens) and self.sign() not in signs:
            self.at += 1
        return self.tokens[start : self.at]

    def block(self, *ends: str) -> list[Node]:
        """Commands until one of `ends`, which is not consumed; stray closing keywords are skipped."""
        nodes: list[Node] = []
        link, begins = "", True  # does a command begin here?
        while self.at < len(self.tokens):
            token, sign = self.tokens[self.at], self.sign()
            if sign in (ends or _ENDS):
                break
            if token.redirects and not begins:  # of a compound command
                nodes[-1].redirections.append(token)
                self.at += 1
            elif token.redirects or sign == "(" or (token.kind == "word" and sign not in _ENDS):
                nodes.append(self.command())
                nodes[-1].link, link, begins = link, "", False
            else:
                self.at += 1
                begins = True
                if nodes and sign in ("|", "|&"):
                    nodes[-1].piped = True
                if not (sign == "\n" and link):
                    link = sign
        return nodes

    def command(self) -> Node:
        token, sign = self.tokens[self.at], self.sign()
        behind = [(one.kind, one.text) for one in self.tokens[self.at + 1 : self.at + 3]]
        if sign in _CLOSED_BY:
            self.at += 1
            return self.compound(Node(sign, token.line))
        if sign == "function" or (sign and behind == [("sign", "("), ("sign", ")")]):
            self.at += sign == "function"
            node = Node("function", token.line, self.tokens[self.at : self.at + 1] or [token])
            self.at += 1
            if self.took("("):
                self.took(")")
            while self.took("\n"):
                pass
            if self.at < len(self.tokens):
                node.arms.append(([], [], [self.command()]))
            return node
        node = Node("simple", token.line)
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.redirects:
                node.redirections.append(token)
            elif token.kind == "word":
                node.words.append(token)
            else:
                break
            self.at += 1
        return node

    def compound(self, node: Node) -> Node:
        """Everything after the first keyword, including the last one."""
        end = _CLOSED_BY[node.kind]
        if node.kind in ("{", "("):
            node.arms.append(([], [], self.block(end)))
        elif node.kind == "case":
            node.words = self.until("in", end)
            self.took("in")
            self.arms_of_case(node)
        elif node.kind == "if":
            while not node.arms or self.took("elif"):
                condition = self.block("then", end)
                self.took("then")
                node.arms.append((condition, [], self.block("elif", "else", end)))
            if self.took("else"):
                node.arms.append(([], [], self.block(end)))
        else:
            if node.kind in ("for", "select"):
                node.words = self.until(";", "\n", "do")
            condition = self.block("do", end)
            self.took("do")
            node.arms.append((condition, [], self.block(end)))
        self.took(end)
        return node

    def arms_of_case(self, node: Node) -> None:
        while self.at < len(self.tokens) and self.sign() != "esac":
            if self.took("\n") or self.took(";;") or self.took(";") or self.took("("):
                continue
            patterns = [word for word in self.until(")") if word.kind == "word"]
            self.took(")")
            node.arms.append(([], patterns, self.block(";;", "esac")))
