"""The real actions of the list of runs, done by the runner."""

from __future__ import annotations


class RunsWiring:
    """What `tui.actions_runs` asks for."""
