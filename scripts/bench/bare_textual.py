#!/usr/bin/env python3
"""A Textual app with nearly nothing in it, to measure beside ours: header, static, footer; `l` shows
and hides a second static, `?` pushes a modal screen."""

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Footer, Header, Static


class Asked(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        yield Static("a modal screen")


class Bare(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        ("l", "drawer", "Drawer"),
        ("question_mark", "ask", "Ask"),
    ]

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("nothing else")
        drawer = Static("a drawer")
        drawer.display = False
        yield drawer
        yield Footer()

    def action_drawer(self) -> None:
        drawer = self.query(Static).last()
        drawer.display = not drawer.display

    def action_ask(self) -> None:
        self.push_screen(Asked())


if __name__ == "__main__":
    Bare().run()
