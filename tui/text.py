"""The only door for foreign text: log lines, paths, names, prompts, error messages.

Whatever comes out of `clean()` holds no control character, no escape sequence, no bidirectional
override and no lone surrogate, so it can neither drive the terminal nor shift what is beside it.
Markup brackets stay: every sink of ours draws plain segments and never parses markup.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, get_character_cell_size

#: more than any line on any screen; longer text is cut before it is read
LIMIT_CHARACTERS = 4096
TAB = "    "

_ESCAPES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, closed: titles, links, clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC, closed
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, modes
    r"|\x1b[ -/]*[0-~]?"  # all other escapes, and the head of an open OSC or DCS
)
_BREAKS = re.compile(r"[\n\r\v\f\x85\u2028\u2029]+")
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufe00-\ufe0f\U000e0000-\U000e0fff]"  # variation selectors, tags
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str | bytes | None, limit: int = LIMIT_CHARACTERS) -> str:
    """One line of harmless text, at most `limit` characters; invalid bytes become U+FFFD."""
    if text is None:
        return ""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "replace")
    text = str(text)[: limit * 2]
    if text.isascii() and text.isprintable():
        return text[:limit]
    text = _ESCAPES.sub("", text)
    text = _BREAKS.sub(" ", text).replace("\t", TAB)
    text = _SURROGATES.sub("\ufffd", INVISIBLE.sub("", text))
    return text[:limit]


def capital(text: str) -> str:
    """As the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def crop(text: str, width: int, tail: str = "…") -> str:
    """`text` in at most `width` cells; what was cut shows as `tail`. Wide characters are never split."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(tail)
    if room < 0:
        return tail[:width]
    return take_cells(text, room) + tail


def crop_parts(text: str, width: int) -> str:
    """`text` without its last parts (split at `, `) until it fits; a single part is cropped."""
    while cell_len(text) > width and ", " in text:
        text = text.rsplit(", ", 1)[0]
    return crop(text, width)


def crop_start(text: str, width: int, tail: str = "…") -> str:
    """Like `crop`, but keeps the end: file names say more than the folders before them."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    kept = take_cells(text[::-1], max(0, width - cell_len(tail)))
    return tail[:width] + kept[::-1]


def take_cells(text: str, width: int) -> str:
    """The longest beginning of `text` that fits `width` cells."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return text[:index]
    return text


def cut_middle(text: str, width: int, tail: str = "…") -> str:
    """`text` in at most `width` cells without its middle: file names differ at their ends."""
    if cell_len(text) <= width or width < 8:
        return crop(text, width, tail)
    end = take_cells(text[::-1], (width - 1) * 3 // 5)[::-1]
    return take_cells(text, width - 1 - cell_len(end)) + tail + end


def wrap(text: str, width: int, indent: str = "", *, words: bool = False) -> list[str]:
    """Lines of at most `width` cells, broken at a space where one is near; `words`: at any space, so that only
    a word longer than a line is broken. Further lines begin with `indent`."""
    if width <= len(indent) + 1:
        return [crop(text, width)]
    lines: list[str] = []
    rest = text
    while cell_len(rest) > width:
        head = take_cells(rest, width) or rest[:1]
        space = (take_cells(rest, width + 1) if words else head).rfind(" ")
        if space > (len(indent) if words else width // 2):
            head = head[:space]
        lines.append(head)
        rest = indent + rest[len(head) :].lstrip(" ")
    lines.append(rest)
    return lines
