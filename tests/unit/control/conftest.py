"""Fixtures of the tests about sweeps."""

from tests.unit.control.sweeping import no_processes as no_processes
from tests.unit.control.sweeping import project as project
