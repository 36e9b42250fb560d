"""Measurements of the whole program on a real pseudo terminal; `scripts/bench.py` is their command."""
