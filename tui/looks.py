"""The app's themes, and the styles that follow from the present one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.filter import LineFilter

from tui.kit.glyphs import to_ascii
from tui.palette import Palette
from tui.terminal import pick_theme
from tui.themes import DEFAULT, PLAIN, ThemeProblem, load_default, load_themes, theme_names

if TYPE_CHECKING:
    from rich.segment import Segment
    from textual.color import Color

    from tui.app import PlasmaApp


class AsciiOnly(LineFilter):
    """For Textual's own widgets; ours draw ASCII themselves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        from rich.segment import Segment

        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


class Looks:
    """`failures`: one sentence for each theme file that could not be used."""

    def __init__(self, app: PlasmaApp) -> None:
        self._app = app
        self._palette: tuple[str, Palette] | None = None
        #: the theme before the one that is previewed
        self._before: str | None = None
        self.failures: list[str] = []
        self._refresh_asked = False

    def load(self, wanted: str | None, low_bandwidth: bool) -> None:
        """Set the theme to start with; the others follow with `load_others`, after the first frame. Raises
        ThemeProblem if `wanted` does not exist."""
        app = self._app
        name = pick_theme(wanted, os.environ, app.console.color_system, low_bandwidth)
        default = load_default() if name == DEFAULT else None
        if default is not None:
            app.register_theme(default)
        elif name != PLAIN:
            self.load_others()
        if name not in app.available_themes:
            if wanted == name:
                names = ", ".join(theme_names())
                raise ThemeProblem(f"there is no theme {wanted!r}; choose one of {names}")
            name = "textual-dark"
        self._refresh_asked = name != app.theme
        app.theme = name
        app.stylesheet.set_variables(app.get_css_variables())

    def load_others(self) -> None:
        themes, self.failures = load_themes()
        for theme in themes:
            if theme.name != self._app.theme:
                self._app.register_theme(theme)

    def refresh_is_needless(self) -> bool:
        """A theme makes Textual parse all styles again. For the first one it asks for that after they were
        parsed with its colours."""
        needless, self._refresh_asked = self._refresh_asked, False
        return needless

    def preview(self, name: str | None) -> None:
        """Show this theme for as long as it is not chosen; None: back to the one before."""
        if name is not None:
            self._before = self._before or self._app.theme
            self._app.theme = name
        elif self._before is not None:
            self._app.theme, self._before = self._before, None

    @property
    def palette(self) -> Palette:
        """Styles of the present theme."""
        app = self._app
        if self._palette is None or self._palette[0] != app.theme:
            made = Palette(app.get_css_variables(), app.native_ansi_color)
            self._palette = (app.theme, made)
        return self._palette[1]

    @property
    def can_tint(self) -> bool:
        """Can a background of our own be distinguished from the terminal's?"""
        app = self._app
        return not app.native_ansi_color and app.console.color_system not in ("standard", "windows")
