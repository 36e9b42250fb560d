"""The real actions of playing back, done by the runner."""

from __future__ import annotations


class ReplayWiring:
    """What `tui.actions_replay` asks for."""
