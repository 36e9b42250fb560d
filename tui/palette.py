"""What a role looks like: roles of painted rows to styles of the present theme."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color

from tui.kit.paint import RAMP_STEPS
from tui.themes import MAX_STOPS

#: roles of text; each has its own colour
_NAMED = {
    "text": "foreground",
    "title": "primary",
    "accent": "accent",
    "good": "success",
    "warn": "warning",
    "bad": "error",
}
_BOLD = {"strong", "title", "bad", "key"}
#: roles that a theme without them gets as mixtures: share of the foreground in the background
_MIXED = {
    "strong": 1.0,
    "dim": 0.65,
    "faint": 0.3,
    "band": 0.09,
    "band-edge": 0.4,
}
_RAMP_FALLBACK = ("primary", "accent")

# With the terminal's own 16 colours red stays for what is wrong, as everywhere.
_ANSI_RAMP = ("magenta", "magenta", "bright_magenta", "bright_magenta", "yellow", "bright_yellow")
_ANSI = {
    "text": Style(),
    "strong": Style(bold=True),
    "dim": Style(dim=True),
    "faint": Style(dim=True),
    "title": Style(bold=True, color="magenta"),
    "key": Style(bold=True, color="yellow"),
    "accent": Style(color="yellow"),
    "good": Style(color="green"),
    "warn": Style(color="yellow"),
    "bad": Style(bold=True, color="red"),
    "bad-dim": Style(color="red"),
    "band": Style(dim=True),
    "on-band": Style(dim=True),
    "ground-on-band": Style(dim=True),
    "band-edge": Style(dim=True),
}


class Palette:
    """Styles by role and ground (`background`, `surface`, `panel`), made once each."""

    def __init__(self, variables: Mapping[str, str], ansi: bool) -> None:
        self._variables = variables
        self.ansi = ansi
        self._styles: dict[tuple[str, str], Style] = {}
        self._ramp = [] if ansi else self._make_ramp()

    def style(self, role: str, ground: str = "background") -> Style:
        key = (role, ground)
        made = self._styles.get(key)
        if made is None:
            made = self._ansi_style(role) if self.ansi else self._make(role, ground)
            self._styles[key] = made
        return made

    # ------------------------------------------------------------- true colours

    def color(self, name: str) -> Color:
        """A colour of the theme by role; what the theme lacks is mixed from its two main colours."""
        if name in _NAMED:
            return Color.parse(self._variables[_NAMED[name]])
        if name in ("background", "surface", "panel", "foreground"):
            return Color.parse(self._variables[name])
        given = self._variables.get(f"role-{name}")
        if given is not None:
            return Color.parse(given)
        if name == "bad-dim":
            return self.color("background").blend(self.color("bad"), 0.5)
        share = _MIXED.get(name, 1.0)
        return self.color("background").blend(self.color("text"), share)

    def _make_ramp(self) -> list[Color]:
        names = [f"ramp-{i}" for i in range(MAX_STOPS)]
        stops = [Color.parse(self._variables[n]) for n in names if n in self._variables]
        if len(stops) < 2:
            stops = [Color.parse(self._variables[name]) for name in _RAMP_FALLBACK]
        return [_between(stops, step / (RAMP_STEPS - 1)) for step in range(RAMP_STEPS)]

    def _make(self, role: str, ground: str) -> Style:
        base = self.color(ground)
        if role.endswith("-band") and not role.endswith("on-band"):
            role = role.removesuffix("-band")
            base = self.color("band")
        if role.startswith("ramp-"):
            return _solid(self._ramp[int(role[5:])], base)
        if role == "on-band":
            return _solid(self.color("band"), self.color("band"))
        if role == "ground-on-band":
            return _solid(base, self.color("band"))
        if role == "key":
            return _solid(self.color("accent"), base) + Style(bold=True)
        style = _solid(self.color(role), base)
        return style + Style(bold=True) if role in _BOLD else style

    # ------------------------------------------------------------- the terminal's colours

    def _ansi_style(self, role: str) -> Style:
        if role.startswith("ramp-"):
            step = int(role.removesuffix("-band")[5:])
            place = step * len(_ANSI_RAMP) // RAMP_STEPS
            style = Style(color=_ANSI_RAMP[place])
        else:
            style = _ANSI.get(role) or _ANSI.get(role.removesuffix("-band"), Style())
        return style


def _solid(color: Color, ground: Color) -> Style:
    return Style(color=color.rich_color, bgcolor=ground.rich_color)


def _between(stops: list[Color], place: float) -> Color:
    at = place * (len(stops) - 1)
    index = min(len(stops) - 2, int(at))
    return stops[index].blend(stops[index + 1], at - index)
