"""Fake actions of the summary of a run, for tests of the screen."""

from __future__ import annotations


class FakeSummary:
    """Mixed into `tests.fakes.FakeActions`."""
