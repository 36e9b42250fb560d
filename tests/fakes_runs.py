"""Fake actions of the list of runs, for tests of the screen."""

from __future__ import annotations


class FakeRuns:
    """Mixed into `tests.fakes.FakeActions`."""
