"""What is in the local Hugging Face cache, and whether the hub is reachable.

Layout of huggingface_hub's cache: models--OWNER--NAME/refs/REVISION names the folder below
snapshots/ with the files.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
PATIENCE_S = 1.5


def hub_cache(env: Mapping[str, str]) -> Path:
    home = env.get("HF_HOME") or f"{env.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    found = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(found).expanduser()


def folder_in(cache: Path, name: str) -> Path:
    """Where huggingface_hub keeps `owner/name`."""
    return cache / f"models--{name.replace('/', '--')}"


def snapshot(folder: Path) -> Path | None:
    """Of a model's folder: the one with the files of its main revision; None: missing."""
    try:
        revision = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    found = folder / "snapshots" / revision
    return found if revision and found.is_dir() else None


def offline(env: Mapping[str, str]) -> str | None:
    """The variable that keeps the trainer from using the hub."""
    yes = ("1", "TRUE", "YES", "ON")
    return next((name for name in _OFFLINE if env.get(name, "").upper() in yes), None)


def reachable(env: Mapping[str, str]) -> bool | None:
    """Can a connection to the hub be opened? None: behind a proxy, not checked."""
    if any(env.get(name) for name in _PROXIES):
        return None
    place = urlsplit(env.get("HF_ENDPOINT") or "https://huggingface.co")
    address = (place.hostname or "", place.port or (80 if place.scheme == "http" else 443))
    answers: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=PATIENCE_S):
            answers.append(True)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE_S)  # a missing name server blocks for much longer
    return bool(answers)
