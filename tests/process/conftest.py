"""Fixtures of the tests with real processes."""

from tests.fake_nvml.machine import machine, nvml_library

__all__ = ["machine", "nvml_library"]
