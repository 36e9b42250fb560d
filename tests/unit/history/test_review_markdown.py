"""The Markdown of a summary: what a reader, a renderer and a linter make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.history.review.document import Bullets, Code, Document, Paragraph, Section, Table
from runner.history.review.markdown import plain, to_markdown
from runner.history.summary import markdown_of
from tests import reviews
from tests.hostile import HOSTILE

HEADINGS = [
    "Checklist", "Planned vs. actual", "Loss", "Checkpoints", "Best checkpoint", "Samples", "Attempts",
    "Hardware", "Warnings and alarms", "Timeline", "Settings", "Command", "To repeat it", "Preflight",
    "Unknown",
]  # fmt: skip
MORE_HOSTILE = (
    "# a heading", "- a list", "1. a list", "> a quote", "---", "===", "+++", "```\n# out", "~~~",
    "`` ` ``", "[link](http://x.example)", "![image](x)", "<script>", "<!-- -->", "&lt; &#35;",
    "http://x.example/a", "www.example.org", "a | b | c", "|---|", "_em_ __strong__ *em* **strong**",
    "    indented", "\t# tab", "ends with hash #", "key: value\n---\n", '"quoted" \\ "', "a\u2028b\u0085c",
    "مرحبا بالعالم", "\u202e\u2066rtl", "$ not a prompt", "\\", "\\|", "name.", "x" * 10_000,
    "`" * 50, "word " * 3_000, "-" * 200, "a\n\n\n\nb", ": def", "[^1]: note", "| a |\n| - |",
)  # fmt: skip
ALL = (*HOSTILE, *MORE_HOSTILE)


def outside(text: str) -> list[str]:
    """The lines that are in no fence."""
    found, fence = [], ""
    for line in text.split("\n"):
        opened = re.match(r"`{3,}|~{3,}", line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif opened:
            fence = opened[0]
        else:
            found.append(line)
    assert not fence
    return found


@pytest.mark.parametrize("foreign", ALL, ids=range(len(ALL)))
def test_foreign_text_opens_nothing(foreign: str) -> None:
    text = markdown_of(reviews.hostile(foreign), plot=False)
    heads = [line.removeprefix("## ") for line in outside(text) if line.startswith("#")]
    assert heads[1:] == HEADINGS
    assert all(c.isprintable() or c == "\n" for c in text)
    front = text.split("\n---\n", 1)[0].split("\n")[1:]
    assert all(
        re.fullmatch(r"[a-z_]+: (null|true|false|-?[\d.e+-]+|\".*\")", line) for line in front
    )
    assert all(json.loads(line.split(": ", 1)[1]) is not ... for line in front)
    for line in outside(text):
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) in range(3, 14)


@pytest.mark.parametrize("make", [reviews.good, reviews.diverged])
def test_summaries_pass_the_linter(make: object, tmp_path: Path) -> None:
    _lint([markdown_of(make(), plot=True)], tmp_path)  # type: ignore[operator]


@pytest.mark.slow
def test_summaries_of_hostile_runs_pass_the_linter(tmp_path: Path) -> None:
    _lint([markdown_of(reviews.hostile(text), plot=False) for text in ALL], tmp_path)


def _lint(texts: list[str], folder: Path) -> None:
    """Without MD013: tables and long names are wider than 80 characters; MD014: a configuration is kept as it
    is."""
    from pymarkdown.api import PyMarkdownApi

    for number, text in enumerate(texts):
        (folder / f"{number:03d}.md").write_text(text, encoding="utf-8")
    api = PyMarkdownApi().enable_extension_by_identifier("front-matter")
    for rule in ("md013", "md014"):
        api = api.disable_rule_by_identifier(rule)
    found = api.scan_path(str(folder))
    assert not found.pragma_errors and not found.critical_errors
    wrong = [(f.scan_file[-6:], f.line_number, f.rule_id, f.rule_description, f.extra_error_information)
             for f in found.scan_failures]  # fmt: skip
    assert wrong == []


def test_rendered_text_is_the_text_that_came() -> None:
    """Escapes are taken out again by whoever renders; file names keep their own look."""
    assert (
        plain("spyke_plasma_v1-step00000200.safetensors")
        == "spyke_plasma_v1-step00000200.safetensors"
    )
    for text in ("a*b", "<x>", "a|b", "[x]", "_x_", "a\\b", "~~x~~", "&amp;"):
        assert re.sub(r"\\(.)", r"\1", plain(text)) == text


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    text = to_markdown(Document("t", (), (Section("a", "A", (Code("x\n````\n# y", "toml"),)),)))
    assert "`````toml\nx\n````\n# y\n`````" in text


def test_tables_stand_in_columns_also_with_wide_characters() -> None:
    table = Table(("name", "n"), (("模型", "1"), ("plain", "12")), (1,))
    text = to_markdown(Document("t", (), (Section("a", "A", (table,)),)))
    assert "| name  |   n |\n| ----- | --: |\n| 模型  |   1 |\n| plain |  12 |" in text


def test_long_texts_are_wrapped_and_cut() -> None:
    blocks = (Paragraph("word " * 60), Bullets(("item " * 60,)), Paragraph("x" * 10_000))
    text = to_markdown(Document("t", (), (Section("a", "A", blocks),)))
    assert max(len(line) for line in text.split("\n") if " " in line) <= 100
    assert len(text) < 3_000
