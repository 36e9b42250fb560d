"""Fake actions of the comparison of runs, for tests of the screen."""

from __future__ import annotations


class FakeCompare:
    """Mixed into `tests.fakes.FakeActions`."""
