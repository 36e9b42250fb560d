"""Which escape sequences a terminal was sent, by kind. Pure."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    rb"\x1b\[(?P<csi>[0-?]*[ -/]*[@-~])"
    rb"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)?"
    rb"|\x1b(?P<string>[PX^_][^\x1b]*)"
    rb"|\x1b(?P<other>.)"
    rb"|(?P<c1>\xc2[\x80-\x9f])"
    rb"|(?P<c0>[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f])",
    re.DOTALL,
)
_COLOURS = re.compile(rb"[0-9;:]*m")
_CURSOR = re.compile(rb"[0-9;]*H")
#: everything else that Textual's driver sends on Linux (drivers/linux_driver.py): alternate screen,
#: cursor, focus, mouse, line wrap, paste, synchronized output, in-band resize, kitty's keys
_MODE = re.compile(rb"\?(?:25|7|1000|1003|1004|1006|1015|1016|1049|2004|2026|2048)[hl]")
_ASKED = re.compile(rb"\?(?:2026|2048)\$p|[<>]\d*u")
#: the shape of the mouse pointer, set by Textual (app.py)
_POINTER = re.compile(rb"22;[a-z-]+")


def foreign_sequences(output: bytes) -> list[bytes]:
    """Sequences that the screen itself has no reason to send, in order."""
    return [m[0] for m in _SEQUENCE.finditer(output) if not _is_own(m)]


def _is_own(found: re.Match[bytes]) -> bool:
    csi, osc = found["csi"], found["osc"]
    if osc is not None:
        return _POINTER.fullmatch(osc) is not None
    return csi is not None and any(
        kind.fullmatch(csi) for kind in (_COLOURS, _CURSOR, _MODE, _ASKED)
    )


def modes(output: bytes) -> dict[int, bool]:
    """The private modes that were touched, as they stand at the end."""
    found: dict[int, bool] = {}
    for match in re.finditer(rb"\x1b\[\?(\d+)([hl])", output):
        found[int(match[1])] = match[2] == b"h"
    return found
