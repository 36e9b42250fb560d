"""Gauges: one source, one file."""
