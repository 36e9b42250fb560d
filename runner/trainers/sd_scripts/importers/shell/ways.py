"""Do commands end the script, or start a training? Found without following them.
Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.trainers.sd_scripts.importers.shell.tree import Node

#: functions that call each other
MOST_CALLS = 20
#: marks text worth reading as a command
TRAINING = re.compile(r"(?:\s|^)\S*train\S*\.py\b|accelerate(?:-|\s+)launch\s")
ENDINGS = ("exit", "return", "break", "continue")
Functions = Mapping[str, Sequence[Node]]


def ends(nodes: Sequence[Node], functions: Functions, depth: int = 0) -> bool:
    """Does the script, function or loop certainly end in these commands?"""
    for at, node in enumerate(nodes):
        first = _first(node)
        if at and node.link in ("&&", "||"):
            continue
        if first in ENDINGS:
            return True
        inner = node.arms[0][2] if node.kind == "{" else functions.get(first, [])
        if len(inner) == 1 and inner[0].kind == "{":
            inner = inner[0].arms[0][2]
        returns = first in functions and any(_first(one) == "return" for one in inner)
        if depth < MOST_CALLS and not returns and ends(inner, functions, depth + 1):
            return True
    return False


def _first(node: Node) -> str:
    return node.words[0].plain if node.kind == "simple" and node.words else ""


def leaves(nodes: Sequence[Node]) -> bool:
    """Is there a `break`, `return` or `exit` in them?"""
    return any(
        _first(node) in ENDINGS or any(leaves(body) for *_, body in node.arms) for node in nodes
    )


def trains(nodes: Sequence[Node], functions: Functions, seen: frozenset[str] = frozenset()) -> bool:
    """Is a training among these commands, or in the functions that they call?"""
    for node in nodes:
        name = _first(node)
        if node.kind == "simple" and TRAINING.search(" ".join(one.text for one in node.words)):
            return True
        if (
            name in functions
            and name not in seen
            and trains(functions[name], functions, seen | {name})
        ):
            return True
        parts = [one for condition, _, body in node.arms for one in (condition, body)]
        if node.kind != "function" and any(trains(one, functions, seen) for one in parts):
            return True
    return False
