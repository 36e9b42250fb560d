"""What the list of runs asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from typing import Protocol


class RunsActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""
