"""Asks a ComfyUI on this machine what it does, and to give back its memory. It is never ended or interrupted.

`GET /queue`, `GET /system_stats`, `POST /free` of ComfyUI's own server. No other host is ever asked, no proxy
and no redirect is followed. Everything here may take seconds: call it in a thread.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

from runner.hardware.users_table import COMFY_PORT
from runner.model.units import count, memory_size

HOST = "127.0.0.1"
TIMEOUT_S = 2.0
#: it unloads when its worker wakes up: measured by others as up to 8 s, and not always complete
FREE_WAIT_S = 8.0
_POLL_S = 0.5
_SETTLED_POLLS = 3
_LARGEST_ANSWER = 4 << 20


@dataclass(frozen=True, slots=True)
class Comfy:
    """What it says of itself. `free_bytes`, `total_bytes`: GPU memory of its devices; on a Mac all memory."""

    port: int
    running: int
    pending: int
    free_bytes: int | None
    total_bytes: int | None
    version: str = ""

    @property
    def busy(self) -> bool:
        return self.running + self.pending > 0


@dataclass(frozen=True, slots=True)
class Freed:
    """`done`: it was asked to and some memory came back; `text`: one sentence; `freed_bytes`: None where it
    could not be told."""

    done: bool
    text: str
    freed_bytes: int | None = None


class NoComfy(Exception):
    """Nobody there, or somebody else; the message is one sentence."""


def ask(port: int = COMFY_PORT, timeout_s: float = TIMEOUT_S) -> Comfy:
    """Its queue and its memory. Raises NoComfy."""
    stats = _get(port, "/system_stats", timeout_s)
    queue = _get(port, "/queue", timeout_s)
    devices = stats.get("devices")
    waiting, at_work = queue.get("queue_pending"), queue.get("queue_running")
    if (
        not isinstance(devices, list)
        or not isinstance(waiting, list)
        or not isinstance(at_work, list)
    ):
        raise NoComfy(f"what answers on port {port} is not ComfyUI")
    system = stats.get("system")
    version = system.get("comfyui_version") if isinstance(system, dict) else None
    return Comfy(
        port, len(at_work), len(waiting), _sum(devices, "vram_free"), _sum(devices, "vram_total"),
        version if isinstance(version, str) else "",
    )  # fmt: skip


def free(
    port: int = COMFY_PORT,
    timeout_s: float = TIMEOUT_S,
    wait_s: float = FREE_WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Freed:
    """Ask it to unload its models and caches, and see how much came back. Refuses while its queue is busy:
    what somebody waits for there is not thrown away for us."""
    try:
        before = ask(port, timeout_s)
        if before.busy:
            jobs = count(before.running + before.pending, "job")
            return Freed(
                False, f"ComfyUI has {jobs} in its queue, so it was not asked to free memory."
            )
        _post(port, "/free", {"unload_models": True, "free_memory": True}, timeout_s)
        after = _settled(before, timeout_s, wait_s, sleep)
    except NoComfy as error:
        return Freed(False, f"ComfyUI freed nothing: {error}.")
    return _told(before, after)


def _settled(
    before: Comfy, timeout_s: float, wait_s: float, sleep: Callable[[float], None]
) -> Comfy:
    """Until free memory has grown and stands still, at most `wait_s`."""
    last, still = before, 0
    for _ in range(max(1, round(wait_s / _POLL_S))):
        sleep(_POLL_S)
        seen = ask(before.port, timeout_s)
        still = still + 1 if seen.free_bytes == last.free_bytes else 0
        last = seen
        grown = (seen.free_bytes or 0) > (before.free_bytes or 0)
        if grown and still >= _SETTLED_POLLS:
            break
    return last


def _told(before: Comfy, after: Comfy) -> Freed:
    if before.free_bytes is None or after.free_bytes is None:
        return Freed(
            True, "ComfyUI was asked to free its memory; it does not say how much came back."
        )
    freed = after.free_bytes - before.free_bytes
    left = f"{memory_size(after.free_bytes)} of {memory_size(after.total_bytes)} are free"
    if freed <= 0:
        return Freed(
            False, f"ComfyUI was asked to free its memory, but nothing came back: {left}.", 0
        )
    return Freed(True, f"ComfyUI gave back {memory_size(freed)}: {left} now.", freed)


def _sum(devices: list[Any], key: str) -> int | None:
    values = [device.get(key) for device in devices if isinstance(device, dict)]
    numbers = [int(value) for value in values if isinstance(value, (int, float)) and value >= 0]
    return sum(numbers) if numbers else None


# ------------------------------------------------------------------------------------------- HTTP


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A local program that points elsewhere is not followed."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: HTTPMessage, newurl: str,
    ) -> None:  # fmt: skip
        return None


def _get(port: int, path: str, timeout_s: float) -> dict[str, Any]:
    body = _call(urllib.request.Request(_address(port, path)), timeout_s)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NoComfy(f"what answers on port {port} is not ComfyUI")
    return found


def _post(port: int, path: str, value: dict[str, bool], timeout_s: float) -> None:
    data = json.dumps(value).encode()
    request = urllib.request.Request(
        _address(port, path), data, {"Content-Type": "application/json"}, method="POST"
    )
    _call(request, timeout_s)


def _address(port: int, path: str) -> str:
    if not 0 < port < 65536:
        raise NoComfy(f"{port} is no port")
    return f"http://{HOST}:{port}{path}"


def _call(request: urllib.request.Request, timeout_s: float) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    deadline = time.monotonic() + 2 * timeout_s
    port = request.host.rpartition(":")[2]
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            body = b""
            while chunk := answer.read1(1 << 16):
                body += chunk
                if len(body) > _LARGEST_ANSWER or time.monotonic() > deadline:
                    raise NoComfy(f"the answer of port {port} does not end")
            return body
    except urllib.error.HTTPError as error:
        error.close()
        raise NoComfy(f"port {port} answers with HTTP {error.code}") from None
    except TimeoutError:
        raise NoComfy(f"no answer on port {port} within {timeout_s:g} s") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise NoComfy(f"no answer on port {port} within {timeout_s:g} s") from None
        raise NoComfy(f"nothing answers on port {port}") from None
    except (OSError, HTTPException):
        raise NoComfy(f"what answers on port {port} is not ComfyUI") from None
