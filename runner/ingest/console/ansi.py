"""Escape sequences and rank prefixes taken off the trainer's text."""

from __future__ import annotations

import re

#: CSI (colours, cursor), OSC (hyperlinks, titles; ended by BEL or ST), other two-byte escapes.
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: torchrun and multi-GPU accelerate put `[rank0]: ` before lines of tracebacks, `[default0]:` too.
_RANK = re.compile(r"\[(?:rank|default)\d+\]: ?")


def plain_text(raw: bytes) -> str:
    """Bytes of a line -> text without escape sequences, control characters and rank prefix."""
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        if "\x1b" in text:
            text = _ESCAPE.sub("", text)
        text = _CONTROL.sub("", text)
    if text.startswith("["):
        text = _RANK.sub("", text, count=1)
    return text
