"""One desktop notification as an escape sequence: which kind this terminal understands, and its bytes.

Pure. OSC 9 (iTerm2, and most others of today), OSC 777 (urxvt, foot, Ghostty, WezTerm, VTE), OSC 99 (kitty).
Never more than one kind: some terminals understand two and would notify twice. tmux lets one through only
if it is wrapped and `allow-passthrough` is on; GNU screen and mosh let none through, only the bell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.text import clean

#: of the complete sequence: every terminal accepts that many
LIMIT_BYTES = 250
OFF, OSC9, OSC777, OSC99 = "off", "osc9", "osc777", "osc99"
_BEL, _ST = "\x07", "\x1b\\"
#: by TERM_PROGRAM, in lower case
_PROGRAMS = {
    "iterm.app": OSC9,
    "warpterminal": OSC9,
    "ghostty": OSC777,
    "wezterm": OSC777,
    "rio": OSC9,
    "contour": OSC777,
    "kitty": OSC99,
    "apple_terminal": OFF,
    "vscode": OFF,
    "windows_terminal": OFF,
}
#: by the beginning of TERM
_TERMS = (
    ("xterm-kitty", OSC99),
    ("xterm-ghostty", OSC777),
    ("ghostty", OSC777),
    ("foot", OSC777),
    ("wezterm", OSC777),
    ("rxvt-unicode", OSC777),
    ("contour", OSC777),
    ("alacritty", OFF),
)


@dataclass(frozen=True, slots=True)
class Way:
    """`kind`: off, osc9, osc777, osc99. `in_tmux`: it has to be wrapped."""

    kind: str = OFF
    in_tmux: bool = False

    @property
    def words(self) -> str:
        """For the answer to a test."""
        if self.kind == OFF:
            return "no notification: not supported by this terminal, as far as is known"
        name = f"OSC {self.kind.removeprefix('osc')}"
        return f"{name} through tmux (needs allow-passthrough on)" if self.in_tmux else name


def way_of(setting: str, environ: Mapping[str, str]) -> Way:
    """`setting`: [notify] terminal. The user's choice wins, except where nothing gets through."""
    in_tmux = bool(environ.get("TMUX"))
    if setting == OFF or not _gets_through(environ, in_tmux):
        return Way()
    kind = setting if setting in (OSC9, OSC777, OSC99) else _kind(environ, in_tmux)
    return Way(kind, in_tmux and kind != OFF)


def _gets_through(environ: Mapping[str, str], in_tmux: bool) -> bool:
    term = environ.get("TERM", "")
    if in_tmux:
        return True
    return (
        not environ.get("STY")
        and not term.startswith("screen")
        and term not in ("", "dumb", "linux")
    )


def _kind(environ: Mapping[str, str], in_tmux: bool) -> str:
    """By the terminal's environment variables. Inside tmux they are those of the terminal that started its
    server; over ssh there is only TERM, unless more is passed on."""
    if environ.get("KITTY_WINDOW_ID"):
        return OSC99
    for name in (environ.get("TERM_PROGRAM", ""), environ.get("LC_TERMINAL", "")):
        found = _PROGRAMS.get(name.lower().replace("iterm2", "iterm.app"))
        if found is not None:
            return found
    if environ.get("GHOSTTY_RESOURCES_DIR"):
        return OSC777
    if environ.get("WT_SESSION") or environ.get("ConEmuPID"):
        return OFF  # OSC 9 is the progress in the task bar there
    if environ.get("VTE_VERSION"):
        return OSC777
    term = environ.get("TERM", "")
    for beginning, kind in _TERMS:
        if term.startswith(beginning):
            return kind
    # unknown: what most understand and the others ignore
    return OSC9 if in_tmux or environ.get("SSH_CONNECTION") else OFF


def sequence(way: Way, title: str, text: str, *, unless_seen: bool = False) -> str:
    """The bytes for the terminal, "" if there are none; text is cut to keep the limit. `unless_seen`: show
    nothing while the terminal has the focus, where it can do that."""
    if way.kind == OFF:
        return ""
    # a `;` in the title would end it; text that began with a number would be a command of ConEmu
    title = clean(title, 80).replace(";", ",").strip() or "plasma-tui"
    text = clean(text, 200).strip()
    if way.kind == OSC777:
        head, body, end = f"\x1b]777;notify;{title};", text, _BEL
    elif way.kind == OSC99:
        when = ":o=unfocused" if unless_seen else ""
        head, body, end = f"\x1b]99;i=plasma-tui{when};", f"{title}: {text}", _ST
    else:
        body = f"{title}: {text}"
        head, end = f"\x1b]9;{'plasma-tui: ' if body[:1].isdigit() else ''}", _BEL
    return _fitted(head, body, end, way.in_tmux)


def _fitted(head: str, body: str, end: str, in_tmux: bool) -> str:
    room = LIMIT_BYTES - len(_wrapped(head, end, in_tmux).encode())
    data = body.encode()
    if len(data) > room:
        data = data[: max(0, room - 3)]
        body = data.decode("utf-8", "ignore").rstrip() + "…"
    return _wrapped(head + body, end, in_tmux)


def _wrapped(start: str, end: str, in_tmux: bool) -> str:
    plain = start + end
    if not in_tmux:
        return plain
    doubled = plain.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"
