"""A document as Markdown that reads well as plain text and passes markdownlint.

All texts are untrusted: none can open a heading, list, fence, link, tag, table cell or front matter key, and
control characters are removed.
"""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata

from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Document,
    Paragraph,
    Points,
    Table,
)

WIDTH = 100
TEXT_LIMIT, CELL_LIMIT, TITLE_LIMIT = 1500, 300, 160
CODE_LINE_LIMIT, CODE_LINES = 20_000, 2_000
#: cells up to this width are padded; one long cell must not widen the column
PADDED = 80
MARKS = {"pass": "✓ yes", "warn": "! warning", "fail": "✗ NO", "skip": "– not checked"}

_SPECIAL = re.compile(
    r"[\\`*\[\]<>|]|~~|(?<![^\W_])_|_(?![^\W_])|&(?=[#a-zA-Z])|(?<=:)//|(?<=www)\."
)
_START = re.compile(r"^(?:([#+=>:-])|(\d{1,9})([.)])(?=\s|$))")
_KEY = re.compile(r"[a-z_]+")


def to_markdown(document: Document) -> str:
    """The full text, ending with one newline."""
    front = [f"{key}: {_scalar(value)}" for key, value in document.front if _KEY.fullmatch(key)]
    parts = ["\n".join(["---", *front, "---"])] if document.front else []
    parts += [f"# {_title(document.title)}", _bullets(document.lead)]
    for section in document.sections:
        parts += [f"## {_title(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _scalar(value: object) -> str:
    """YAML that every reader parses the same way: numbers, null, and texts in double quotes as in JSON."""
    bare = value is None or isinstance(value, int | float)
    return json.dumps(
        value if bare else one_line(str(value), TEXT_LIMIT), ensure_ascii=False, allow_nan=False
    )


def plain(text: str, limit: int = CELL_LIMIT) -> str:
    """Untrusted text on one line, with formatting escaped; `start`: at the start of a line."""
    return _SPECIAL.sub(lambda found: "\\" + "\\".join(found[0]), one_line(text, limit))


def one_line(text: str, limit: int) -> str:
    """Without control characters, line breaks and unprintables; cut to `limit` characters."""
    text = text[: 4 * limit]
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _start(line: str) -> str:
    """A line that starts like a heading, list, quote or rule remains text."""
    return _START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", line)


def _title(text: str) -> str:
    found = _start(plain(text, TITLE_LIMIT))
    return re.sub(r"([#.,;:!?。，；：！？]+)$", "", found).strip() or "run"


# ----------------------------------------------------------------- blocks


def _block(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return "\n".join(_wrapped(text, ""))
        case Bullets(items=items):
            return _bullets(items)
        case Points(items=items):
            return _bullets(
                tuple(f"{MARKS.get(p.status, p.status)}: {p.title}: {p.evidence}" for p in items)
            )
        case Table():
            return _table(block)
        case Code(text=text, kind=kind):
            return _code(text, kind)


def _bullets(items: tuple[str, ...]) -> str:
    lines: list[str] = []
    for item in items:
        first, *rest = _wrapped(item, "  ") or ["(empty)"]
        lines += [f"- {first}", *(f"  {line}" for line in rest)]
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines of the escaped text; each is safe at the start of a line."""
    flat, width = plain(text, TEXT_LIMIT), WIDTH - len(indent)
    lines = textwrap.wrap(flat, width, break_long_words=False, break_on_hyphens=False)
    return [_start(line) for line in lines]


def _table(table: Table) -> str:
    if not table.rows:
        return "None."
    rows = [[plain(cell) or " " for cell in row] for row in (table.heads, *table.rows)]
    columns = [[w for row in rows if (w := cells(row[i])) <= PADDED] for i in range(len(rows[0]))]
    widths = [max([3, *fitting]) for fitting in columns]
    right = [i in table.numeric for i in range(len(widths))]
    rule = [
        "-" * (w - at_right) + ":" * at_right for w, at_right in zip(widths, right, strict=True)
    ]
    lines = [_row(row, widths, right) for row in rows]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _row(row: list[str], widths: list[int], right: list[bool]) -> str:
    found = []
    for cell, width, at_right in zip(row, widths, right, strict=True):
        gap = " " * (width - cells(cell))
        found.append(gap + cell if at_right else cell + gap)
    return f"| {' | '.join(found)} |"


def cells(text: str) -> int:
    """Width of this text in terminal cells."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _code(text: str, kind: str) -> str:
    """Lines unchanged except unprintables; the fence is longer than any in the text."""
    lines = [
        "".join(c if c.isprintable() else "�" for c in line[:CODE_LINE_LIMIT]).rstrip()
        for line in text.expandtabs(4).split("\n")[:CODE_LINES]
    ]
    body = "\n".join(lines).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind if re.fullmatch('[a-z]+', kind) else 'text'}\n{body}\n{fence}"
