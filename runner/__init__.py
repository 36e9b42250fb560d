"""Everything of plasma-tui that works without a screen: it runs, watches and evaluates a training.

The way of the data: bytes -> `ingest` -> `state` -> `store` (the run folder) -> the screen. The way of an
order back: `control` -> `store.inbox` -> `supervisor` -> `process`. Imports go down only: `pyproject.toml`
has the order of the rooms.
"""
