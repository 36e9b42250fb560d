"""The real actions of the summary of a run, done by the runner."""

from __future__ import annotations


class SummaryWiring:
    """What `tui.actions_summary` asks for."""
