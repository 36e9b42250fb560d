"""The one base of all refusals, so that whoever shows them need not know each room's own."""

from __future__ import annotations


class Refusal(Exception):
    """Something that was asked for is not done; `str()` is one sentence for a person: what, and what to do."""
