"""What the comparison of runs asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from typing import Protocol


class CompareActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""
