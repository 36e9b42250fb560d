#!/usr/bin/env python3
"""A Textual app with nothing in it, to measure beside ours."""

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Static


class Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("nothing else")
        yield Footer()


if __name__ == "__main__":
    Bare().run()
