"""The common base of all refusals, so that callers need not know each room's own."""

from __future__ import annotations


class Refusal(Exception):
    """A request is refused; `str()` is one sentence for the user: what, and what to do."""
