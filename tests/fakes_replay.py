"""Fake actions of playing back, for tests of the screen."""

from __future__ import annotations


class FakeReplay:
    """Mixed into `tests.fakes.FakeActions`."""
