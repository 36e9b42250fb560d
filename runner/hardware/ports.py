"""Who listens where ComfyUI does: a server may hold the GPU whatever its command line says."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Mapping

import psutil

from runner.hardware.comfy import HOST, NoComfy, ask
from runner.hardware.users import Listing, User
from runner.hardware.users_table import COMFY, COMFY_PORT, FREE_COMFY, Hold

#: of the desktop program; much else listens there, so only a ComfyUI counts
DESKTOP_PORT = 8000
#: where the user's ComfyUI listens, if that is another one
VARIABLE = "COMFYUI_PORT"
_ANSWER_S = 0.5


def comfy_ports(environ: Mapping[str, str] = os.environ) -> tuple[int, ...]:
    """The usual port, and the one that the environment names."""
    chosen = environ.get(VARIABLE, "")
    named = int(chosen) if chosen.isascii() and chosen.isdigit() else 0
    ports = (COMFY_PORT, named) if 0 < named < 65536 else (COMFY_PORT,)
    return tuple(dict.fromkeys(ports))


def port_users(
    listing: Listing, known: Iterable[User], ports: Iterable[int] = (), own: Collection[int] = ()
) -> list[User]:
    """Those who listen on these ports and on ComfyUI's, without the `known` and without our `own` processes.
    May take half a second for each that listens and does not answer."""
    seen = list(known)
    asked = dict.fromkeys((*comfy_ports(), DESKTOP_PORT, *ports))
    found = []
    for port, pid in listening(asked).items():
        known_here = any(user.port == port and user.title == COMFY for user in seen)
        if known_here or pid in own or (pid is not None and pid in {user.pid for user in seen}):
            continue
        is_comfy = _is_comfy(port)
        if port == DESKTOP_PORT and not is_comfy:
            continue
        process = listing.processes.get(pid) if pid is not None else None
        name = process.name if process is not None else ""
        title = COMFY if is_comfy else f"{name or 'a program'} on port {port}"
        how = FREE_COMFY if is_comfy else f"close {name or 'it'}, if it uses the GPU"
        memory = process.memory_bytes or None if process is not None else None
        since = process.since_at if process is not None else None
        found.append(User(pid, title, name, how, Hold.MIGHT, memory, since_at=since, port=port))
    return found


def _is_comfy(port: int) -> bool:
    try:
        ask(port, _ANSWER_S)
    except NoComfy:
        return False
    return True


def listening(ports: Collection[int]) -> dict[int, int | None]:
    """Port -> process that listens there on this machine; None where the system does not tell which."""
    try:
        seen = psutil.net_connections("tcp")
    except (psutil.Error, OSError, NotImplementedError):  # a Mac tells only root
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
