"""What people read is plain English: phrases that read like a translation do not come back.

Checks every string, docstring and comment of the sources, and every document. A hit means: rewrite the
sentence as git, cargo or ruff would put it. ALLOWED is for the rare case in which the phrase is right.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: pattern (on word boundaries, in any case) -> what to write instead
FAMILIES = {
    r"told|tell|tells|telling": "reports, shows, warns; None: unknown",
    r"whole": "complete; an integer",
    r"(?:go|goes|going|gone|went) on": "continues, resumes",
    r"(?-i:is|are|was|were|that's|that is) there(?! (?:is|are|was|were|any|anything|an?)\b)": "exists",
    r"look(?:s|ed|ing)? (?:at|again)": "checks, check again",
    r"by choice": "optional",
    r"anew|once more|again and again": "again, retry",
    r"judg(?:e|es|ed|ing|ement|ment)": "evaluate, verdict",
    r"nobody|somebody|anybody": "name the actor, or passive",
    r"owes?|owed": "expected",
    r"stands?|stood|standing": "is, means; lowers its priority",
    r"of (?:no )?use": "helps, pointless",
    r"whose \w+ (?:is|are|was|were) gone": "without its X",
    r"(?:cannot|can not|can|will|won't) come": "will be written",
    r"for want of": "say what is missing",
    r"made of (?:what was|a log|files|the log|it)": "imported from",
    r"said": "reports, printed",
    r"says nothing": "has no description, is silent",
    r"reckon(?:s|ed|ing)?": "count, compute",
    r"by chance": "random",
    r"gives? (?:it|them|this cause) away|gave (?:it|them) away": "identifies",
    r"(?:take|takes|taken|taking|took) back": "cancel",
    r"lives? on|nothing lives": "keeps running, no process is alive",
    r"on the way|not finite on": "during",
    r"cured?|cures": "fix",
    r"not known": "unknown",
    r"in force": "set, active",
    r"at hand": "available",
    r"learnt": "learned",
    r"lies|lie|lay|lying": "is",
    r"came of|comes of|what became of": "the result of",
    r"half of one|nothing half": "partial",
    r"so far as": "as far as",
    r"any more": "no longer",
    r"in words": "as text",
    r"have to do with it": "be related",
}
#: lines of the binding table, as they were
PHRASES = (
    "The training lives without this screen",
    "Killed by a signal that nobody here sent",
    "tries it again with a cure",
    "to look at",
    "unwritten",
    "any moment, final",
    "get along",
    "all are read",
    "survives it",
    "cannot sleep",
    "Expected and happened",
    "It trained on the right device",
    "does not say what it should be",
    "is written down with both runs",
    "not reckoned",
    "Nothing to start: this screen was opened",
    "its checks are those that it was started with",
    "breaks it off",
    "own words",
    "(?-i:Keep it)",
    "Leave it as it is",
    "shared with others",
    "to know",
    "What is where",
    "What survives what",
    "by its weights alone",
    "takes it out",
    "as for show",
    "only leave the order",
    "stand still",
    "Turn the order round",
    "A new try is asked for",
    "taking back asked for",
    "seed by chance",
    "near its end",
    "It is put in",
    "the order lies in the inbox",
    "takes what it is given",
    "not a finite number",
    "no finite number",
    "no finite numbers",
    "hands? on",
    "of its own make",
    "a word on",
)
#: (file, a part of the line): right as it is
ALLOWED: tuple[tuple[str, str], ...] = (
    ("runner/demo/project.py", "standing, "),  # a prompt
)

BANNED = re.compile(
    r"(?<![\w.`/-])(?:" + "|".join((*FAMILIES, *PHRASES)) + r")(?![\w(=`]|\.\w)", re.IGNORECASE
)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/*.md", "themes/*.toml")


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Every string (an f-string in one piece), docstring and comment, with its line."""
    source = path.read_text(encoding="utf-8")
    inner: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [one for one in node.values if isinstance(one, ast.Constant)]
            inner.update(map(id, parts))
            yield node.lineno, "{}".join(str(one.value) for one in parts)
        elif isinstance(node, ast.Constant) and id(node) not in inner:
            yield node.lineno, node.value if isinstance(node.value, str) else ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose(text: str) -> str:
    """Without line breaks; code in backquotes and patterns are no prose."""
    if re.search(r"\\[sdwSb.\[(]|\[\^", text):
        return ""
    return re.sub(r"`[^`]*`", "``", " ".join(text.split()))


def hits(name: str, pieces: Iterator[tuple[int, str]]) -> list[str]:
    found = []
    for line, text in pieces:
        plain = prose(text)
        if " " not in plain:
            continue
        for match in BANNED.finditer(plain):
            around = plain[max(0, match.start() - 50) : match.end() + 40]
            if not any(name == file and part in around for file, part in ALLOWED):
                found.append(f"{name}:{line}: {match.group()!r} in: {around}")
    return found


def _blank(code: re.Match[str]) -> str:
    return "\n" * code.group().count("\n")


def check(found: list[str]) -> None:
    assert not found, f"{len(found)} times no plain English:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "room",
    sorted(
        f"{p.parent.name}/{p.name}/"
        for top in ("runner", "tui")
        for p in (ROOT / top).iterdir()
        if p.is_dir() and p.name != "__pycache__"
    ),
)
def test_strings_docstrings_and_comments_are_plain_english(room: str) -> None:
    check(
        [
            h
            for p in sorted((ROOT / room).rglob("*.py"))
            for h in hits(str(p.relative_to(ROOT)), sentences(p))
        ]
    )


def test_the_known_failures_are_plain_english() -> None:
    """Their advice, hints and comments; patterns quote other programs."""
    found: list[str] = []
    for path in sorted((ROOT / "runner").rglob("*.toml")):
        text = path.read_text(encoding="utf-8")
        shown = re.findall(r'^(?:advice|hints) = (?:"""(?:.|\n)*?"""|.*)|^#.*', text, re.MULTILINE)
        found += hits(
            str(path.relative_to(ROOT)), ((text[: text.find(s)].count("\n") + 1, s) for s in shown)
        )
    check(found)


@pytest.mark.parametrize("pattern", DOCUMENTS)
def test_documents_are_plain_english(pattern: str) -> None:
    found: list[str] = []
    for path in sorted(ROOT.glob(pattern)):
        text = re.sub(r"```.*?```", _blank, path.read_text(encoding="utf-8"), flags=re.DOTALL)
        paragraphs = text.split("\n\n")
        lines = (
            (sum(p.count("\n") + 2 for p in paragraphs[:i]) + 1, p)
            for i, p in enumerate(paragraphs)
        )
        found += hits(str(path.relative_to(ROOT)), lines)
    check(found)


def test_the_unreleased_changes_are_plain_english() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = text.split("\n## ")[1]
    check(hits("CHANGELOG.md", ((i, line) for i, line in enumerate(unreleased.split("\n"), 1))))
