"""Fake actions of the sample images, for tests of the screen."""

from __future__ import annotations


class FakeSamples:
    """Mixed into `tests.fakes.FakeActions`."""
