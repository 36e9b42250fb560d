"""Console lines as rows: the trainer's own words, wrapped or cut, levels told by colour as well."""

from __future__ import annotations

import re

from tui.render.paint import Row, Span, fit
from tui.text import clean, wrap

#: time and level of a rich log record, as sd-scripts prints them (facts: console output, log lines)
_RECORD = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\s{19}) (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+"
)
#: rich pads a record to the console's width (500 columns here) and ends it with its source
_SOURCE = re.compile(r"\s{2,}(\S+\.py:\d+)$")
#: a tqdm bar: what stands before it, its blocks, the numbers after it
_BAR = re.compile(r"^(.*\d%\|)([^|]*)(\|.*)$")
_ROLES = {"WARNING": "warn", "ERROR": "bad", "CRITICAL": "bad"}
_TROUBLE = re.compile(r"^(Traceback \(most recent|\w*(Error|Exception)\b.*: )")


def console_rows(line: str, width: int, wrapped: bool) -> list[Row]:
    """One line of the log as rows; wrapped ones hang by two cells."""
    text = clean(line).rstrip()
    if not wrapped:
        return [fit((Span(" "), *_spans(_SOURCE.sub("", text))), width)]
    text = _SOURCE.sub(r"  \1", text)
    rows = wrap(text, max(1, width - 2), "  ")
    first: Row = (Span(" "), *_spans(rows[0]))
    return [fit(first, width), *((Span(" "), Span(part, "dim")) for part in rows[1:])]


def _spans(text: str) -> Row:
    found = _RECORD.match(text)
    if found:
        role = _ROLES.get(found["level"], "text")
        head = Span(text[: found.start("level")], "dim")
        level = Span(found["level"].ljust(9), role if role != "text" else "dim")
        return (head, level, Span(text[found.end() :], role))
    if _TROUBLE.match(text):
        return (Span(text, "bad"),)
    bar = _BAR.match(text)
    if bar:
        return (Span(bar[1], "text"), Span(bar[2], "band-edge"), Span(bar[3], "text"))
    if text.startswith("--- plasma-tui"):
        return (Span(text, "title"),)
    return (Span(text, "text"),)
