"""What kind of system this is, where the name of the platform does not say it."""

from __future__ import annotations

import os


def in_wsl() -> bool:
    """Is this Linux inside Windows, which holds the GPU and decides when the machine sleeps?"""
    return hasattr(os, "uname") and "microsoft" in os.uname().release.lower()
