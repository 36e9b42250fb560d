"""Pauses that a progress bar does not count. Pure: no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def paused(bar: Any) -> Iterator[None]:
    """The block takes no time on this tqdm bar. (sd-scripts v0.10 calls `unpause` after every step, which
    also takes out the steps since the last print: its rate is then `5131712.92it/s`.)"""
    if bar.disable:
        yield
        return
    began = bar._time()
    try:
        yield
    finally:
        took_s = bar._time() - began
        bar.start_t += took_s
        bar.last_print_t += took_s
