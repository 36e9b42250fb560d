"""Output without UTF-8: ASCII look-alikes of our marks; bytes of file names unchanged."""

from __future__ import annotations

import codecs
import unicodedata

PLAIN = "plasma-plain"
_LIKE = {
    "✓": "+",
    "✗": "x",
    "…": "...",
    "→": "->",
    "·": "-",
    "–": "-",
    "—": "-",
    "°": " ",
    "×": "x",
    "±": "+-",
}


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = b"".join(map(_bytes, error.object[error.start : error.end]))
    return found, error.end


def _bytes(character: str) -> bytes:
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name
        return bytes([ord(character) - 0xDC00])
    like = _LIKE.get(character) or unicodedata.normalize("NFKD", character)
    return like.encode("ascii", "ignore") or b"?"


codecs.register_error(PLAIN, _plain)
