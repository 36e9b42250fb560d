"""The real actions of the sample images, done by the runner."""

from __future__ import annotations


class SamplesWiring:
    """What `tui.actions_samples` asks for."""
