"""The real actions of the comparison of runs, done by the runner."""

from __future__ import annotations


class CompareWiring:
    """What `tui.actions_compare` asks for."""
