"""How pictures are shown in this terminal. Pure.

The terminal is never queried: the answer would arrive as keys while the screen owns the input, and a terminal
that does not know the query may print it. Its environment variables have to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """`KITTY`: the terminal draws the pixels; `BLOCKS`: two pixels a cell, in half blocks; `OFF`: names and
    sizes alone."""

    KITTY = "kitty"
    BLOCKS = "blocks"
    OFF = "off"


#: values of TERM and TERM_PROGRAM of terminals that know Kitty's Unicode placeholders
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS = ("kitty", "ghostty")


@dataclass(frozen=True, slots=True)
class Shown:
    """`why`: the reason for no pictures, in a few words. `coarse`: few colours and small pictures, to save
    bytes."""

    way: Way
    why: str = ""
    coarse: bool = False


def pick_way(
    wanted: str | None,
    environ: Mapping[str, str],
    color_system: str | None,
    *,
    ascii_only: bool = False,
    no_color: bool = False,
    low_bandwidth: bool = False,
) -> Shown:
    """`wanted`: of the command line, else PLASMA_IMAGES; an unknown word is `auto`.
    `color_system`: Rich's name (truecolor, 256, standard, windows)."""
    wish = wanted or environ.get("PLASMA_IMAGES", "").strip().lower()
    if wish == Way.OFF:
        return Shown(Way.OFF, "turned off")
    if ascii_only:
        return Shown(Way.OFF, "ASCII only")
    if no_color:
        return Shown(Way.OFF, "no colours")
    if color_system not in ("truecolor", "256"):
        return Shown(Way.OFF, "too few colours in this terminal")
    if low_bandwidth:
        # pixels would be some 100 kB a picture
        return Shown(Way.KITTY if wish == Way.KITTY else Way.BLOCKS, coarse=True)
    if color_system == "truecolor" and (
        wish == Way.KITTY or (wish != Way.BLOCKS and _knows_placeholders(environ))
    ):
        return Shown(Way.KITTY)
    return Shown(Way.BLOCKS)


def _knows_placeholders(environ: Mapping[str, str]) -> bool:
    """A multiplexer in between does not pass them on."""
    if any(environ.get(name) for name in ("TMUX", "STY", "ZELLIJ")):
        return False
    term = environ.get("TERM", "")
    if term.startswith(("tmux", "screen")):
        return False
    return term in _KITTY_TERMS or environ.get("TERM_PROGRAM", "").lower() in _KITTY_PROGRAMS
