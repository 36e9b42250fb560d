"""A ComfyUI on this machine: who listens on its port, how busy it is, and a request to free its memory.

It is never stopped or interrupted.

`GET /queue`, `GET /system_stats`, `POST /free` of ComfyUI's own server. No other host is ever asked, and
http.client follows no proxy and no redirect. Everything here may take seconds: call it in a thread.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

import msgspec
import psutil

from runner.files.json_text import parse_json
from runner.hardware.programs import COMFY, COMFY_PORT, FREE_COMFY, Hold, Process, port_of
from runner.hardware.source import number_in
from runner.hardware.users import Listing, User
from runner.model.units import count, memory_size

HOST = "127.0.0.1"
TIMEOUT_S = 2.0
#: it unloads when its worker wakes up: up to 8 s in reports, and not always completely
FREE_WAIT_S = 8.0
_POLL_S = 0.5
_SETTLED_POLLS = 3
_LARGEST_ANSWER = 4 << 20
_JSON = {"Content-Type": "application/json"}
#: of the desktop app; other programs use it too, so only a ComfyUI counts
DESKTOP_PORT = 8000
#: port of the user's ComfyUI, if different
VARIABLE = "COMFYUI_PORT"
#: for a program that may not be one
_ANSWER_S = 0.5


@dataclass(frozen=True, slots=True)
class Comfy:
    """Its own report. `jobs`: running and waiting; `free_bytes`, `total_bytes`: GPU memory of its
    devices; on a Mac all memory."""

    jobs: int
    free_bytes: int | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Freed:
    """`done`: it was asked and freed some memory; `text`: one sentence; `freed_bytes`: None if unknown."""

    done: bool
    text: str
    freed_bytes: int | None = None


class NoComfy(Exception):
    """Nothing there, or another program; the message is one sentence."""


def ask(port: int = COMFY_PORT, timeout_s: float = TIMEOUT_S) -> Comfy:
    """Its queue and its memory. Raises NoComfy."""
    found: dict[str, Any] = {}
    try:
        for path in ("/system_stats", "/queue"):
            found |= parse_json(_call(port, path, timeout_s))
        devices, pending, running = (
            msgspec.convert(found.get(key), list[Any])
            for key in ("devices", "queue_pending", "queue_running")
        )
    except (ValueError, TypeError, msgspec.ValidationError):
        raise NoComfy(f"what answers on port {port} is not ComfyUI") from None
    sizes = (_sum(devices, key) for key in ("vram_free", "vram_total"))
    return Comfy(len(pending) + len(running), *sizes)


def free(
    port: int = COMFY_PORT,
    timeout_s: float = TIMEOUT_S,
    wait_s: float = FREE_WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Freed:
    """Ask it to unload its models and caches, and measure the result. Refuses while its queue is busy:
    pending jobs are not thrown away for us."""
    try:
        before = ask(port, timeout_s)
        if before.jobs:
            jobs = count(before.jobs, "job")
            text = f"ComfyUI has {jobs} in its queue, so it was not asked to free memory."
            return Freed(False, text)
        _call(port, "/free", timeout_s, {"unload_models": True, "free_memory": True})
        after, still = before, 0
        for _ in range(max(1, round(wait_s / _POLL_S))):  # until it has grown and is stable
            sleep(_POLL_S)
            last, after = after, ask(port, timeout_s)
            still = still + 1 if after.free_bytes == last.free_bytes else 0
            if (after.free_bytes or 0) > (before.free_bytes or 0) and still >= _SETTLED_POLLS:
                break
    except NoComfy as error:
        return Freed(False, f"ComfyUI freed nothing: {error}.")
    asked = "ComfyUI was asked to free its memory"
    if before.free_bytes is None or after.free_bytes is None:
        return Freed(True, f"{asked}; the freed amount is unknown.")
    freed = after.free_bytes - before.free_bytes
    left = f"{memory_size(after.free_bytes)} of {memory_size(after.total_bytes)} are free"
    if freed <= 0:
        return Freed(False, f"{asked}, but no memory was freed: {left}.", 0)
    return Freed(True, f"ComfyUI freed {memory_size(freed)}: {left} now.", freed)


def _sum(devices: list[Any], key: str) -> int | None:
    values = (number_in(device.get(key)) for device in devices if isinstance(device, dict))
    numbers = [int(value) for value in values if value is not None and value >= 0]
    return sum(numbers) if numbers else None


def _call(port: int, path: str, timeout_s: float, value: object = None) -> bytes:
    """GET, or POST of a value. Raises NoComfy."""
    server = HTTPConnection(HOST, port, timeout=timeout_s)
    deadline, body = time.monotonic() + 2 * timeout_s, b""
    text = None if value is None else json.dumps(value)
    try:
        server.request("GET" if text is None else "POST", path, text, _JSON)
        answer = server.getresponse()
        if not 200 <= answer.status < 300:
            raise NoComfy(f"port {port} answers with HTTP {answer.status}")
        while chunk := answer.read1(1 << 16):
            body += chunk
            if len(body) > _LARGEST_ANSWER or time.monotonic() > deadline:
                raise NoComfy(f"the answer of port {port} does not end")
    except TimeoutError:
        raise NoComfy(f"no answer on port {port} within {timeout_s:g} s") from None
    except ConnectionRefusedError:
        raise NoComfy(f"nothing answers on port {port}") from None
    except (OSError, HTTPException):
        raise NoComfy(f"what answers on port {port} is not ComfyUI") from None
    finally:
        server.close()
    return body


# ----------------------------------------------------------------------------- who listens


def comfy_ports(environ: Mapping[str, str] = os.environ) -> tuple[int, ...]:
    """The usual port, and the one set in the environment."""
    named = port_of(("--port", environ.get(VARIABLE, "")), COMFY_PORT)
    return tuple({COMFY_PORT: None, named or COMFY_PORT: None})


def port_users(
    listing: Listing, known: Iterable[User], ports: Iterable[int] = (), own: Collection[int] = ()
) -> list[User]:
    """Processes that listen on these ports and on ComfyUI's, without `known` and our `own` ones: a server may
    use the GPU whatever its command line. May take half a second for each that listens and does not
    answer."""
    seen = list(known)
    comfy_known = {user.port for user in seen if user.title == COMFY}
    left_out = {user.pid for user in seen if user.pid is not None}.union(own)
    found = []
    for port, pid in listening({*comfy_ports(), DESKTOP_PORT, *ports}).items():
        if port in comfy_known or pid in left_out:
            continue
        is_comfy = _is_comfy(port)
        if port == DESKTOP_PORT and not is_comfy:
            continue
        process = listing.processes.get(pid or 0) or Process(0, "")
        title, how = COMFY, FREE_COMFY
        if not is_comfy:
            title = f"{process.name or 'a program'} on port {port}"
            how = f"close {process.name or 'it'}, if it uses the GPU"
        memory, since = process.memory_bytes or None, process.since_at
        user = User(pid, title, process.name, how, Hold.MIGHT, memory, since_at=since, port=port)
        found.append(user)
    return found


def _is_comfy(port: int) -> bool:
    try:
        ask(port, _ANSWER_S)
    except NoComfy:
        return False
    return True


def listening(ports: Collection[int]) -> dict[int, int | None]:
    """Port -> process that listens there on this machine; None if the system does not report it."""
    try:
        seen = psutil.net_connections("tcp")
    except (psutil.Error, OSError, NotImplementedError):  # on a Mac only for root
        return {port: None for port in ports if _answers(port)}
    return {
        line.laddr.port: line.pid
        for line in seen
        if line.status == psutil.CONN_LISTEN and line.laddr and line.laddr.port in ports
    }


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_S)
        return probe.connect_ex((HOST, port)) == 0
