"""How the app looks: its theme, the styles that follow from it, and what the terminal can show of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

from tui.kit.glyphs import to_ascii
from tui.palette import Palette
from tui.terminal import pick_theme, settle_no_color
from tui.themes import ThemeProblem, load_themes, theme_names


class AsciiOnly(LineFilter):
    """For Textual's own widgets; ours draw ASCII themselves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


class Looks(App[None], inherit_bindings=False):
    """An app with our themes. Widgets ask it for `palette`, `can_tint` and `ascii`."""

    def __init__(self) -> None:
        settle_no_color()
        # Textual picks its NO_COLOR filter here, before a theme can say that it is a plain one
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.ascii = False
        self._palette: tuple[str, Palette] | None = None

    def load_themes(self, wanted: str | None, low_bandwidth: bool) -> list[str]:
        """Register all themes and set the one to start with; a sentence for each broken file. Raises
        ThemeProblem if `wanted` is no theme."""
        themes, failures = load_themes()
        for theme in themes:
            self.register_theme(theme)
        name = pick_theme(wanted, os.environ, self.console.color_system, low_bandwidth)
        if name not in self.available_themes:
            if wanted == name:
                raise ThemeProblem(
                    f"no theme is called {wanted!r}; there are {', '.join(theme_names())}"
                )
            name = "textual-dark"
        self.theme = name
        return failures

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, AsciiOnly()] if self.ascii else filters

    @property
    def palette(self) -> Palette:
        """Styles of the present theme."""
        if self._palette is None or self._palette[0] != self.theme:
            palette = Palette(self.get_css_variables(), self.native_ansi_color)
            self._palette = (self.theme, palette)
        return self._palette[1]

    @property
    def can_tint(self) -> bool:
        """Grounds of their own colour can be told from the terminal's."""
        return not self.native_ansi_color and self.console.color_system not in (
            "standard",
            "windows",
        )
