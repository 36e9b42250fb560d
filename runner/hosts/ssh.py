"""The one command that reaches another machine: argv of ssh, and where its shared connection lives.

Only the user's own ssh configuration decides how a host is reached. Every word for the remote shell is quoted.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.private import FOLDER_MODE
from runner.hosts.settings import Host, checked

CONNECT_S, PERSIST_S = 5, 60
#: a socket's path has about 100 bytes; ssh adds 40 of %C and 17 of its own
FOLDER_LIMIT = 40
#: no forwarding and no remote command of the user's configuration: this connection belongs to us
_OURS = (
    "-a", "-x", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "LogLevel=ERROR",
    "-o", f"ConnectTimeout={CONNECT_S}", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2",
)  # fmt: skip


def ssh_command(
    host: Host,
    words: Sequence[str],
    *,
    terminal: bool = False,
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """argv that runs plasma-tui with these words there. `terminal`: with a terminal, where ssh may ask for a
    password; it never asks without one. `env`: set there. Raises Refusal for a name that is none."""
    how = ["-t"] if terminal else ["-T", "-o", "BatchMode=yes"]
    return [
        "ssh",
        *how,
        *_OURS,
        *_shared(),
        checked(host).name,
        "--",
        remote_line(host, words, env),
    ]


def attach_command(host: Host, words: Sequence[str]) -> list[str]:
    """argv that opens the screen there. ssh itself passes on only $TERM: a terminal's true colours would be
    lost."""
    colours = os.environ.get("COLORTERM", "")
    env = {"COLORTERM": colours} if re.fullmatch(r"[a-z0-9]{1,20}", colours) else {}
    return ssh_command(host, ("attach", *words), terminal=True, env=env)


def remote_line(host: Host, words: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What the shell there reads. `~/` cannot be quoted: ssh begins in the home folder. Not all
    shells set variables in the same way, but `env` does."""
    program, *rest = host.command
    if program.startswith("~/"):
        program = f"./{program[2:]}"
    variables = {**({"PLASMA_HOME": host.home} if host.home else {}), **(env or {})}
    first = ["env", *(f"{name}={value}" for name, value in variables.items())] if variables else []
    return shlex.join([*first, program, *rest, *words])


def _shared() -> list[str]:
    """One connection per host, kept for a minute; without a safe place for it, each command connects."""
    folder = control_folder()
    if folder is None:
        return ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    return [
        "-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", f"ControlPersist={PERSIST_S}",
    ]  # fmt: skip


def control_folder() -> Path | None:
    """The owner's alone, and short: whoever can put a socket there gets what is typed to the host."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and _is_ours(Path(runtime)):
        found = _made(Path(runtime) / "plasma-tui")
        if found is not None:
            return found
    return _made(Path(f"/tmp/plasma-tui-{os.geteuid()}"))


def _made(folder: Path) -> Path | None:
    if len(os.fsencode(folder)) > FOLDER_LIMIT or not re.fullmatch(r"[\w/.-]+", str(folder), re.A):
        return None
    with contextlib.suppress(OSError):
        folder.mkdir(FOLDER_MODE)
    return folder if _is_ours(folder) else None


def _is_ours(folder: Path) -> bool:
    """A folder, no link, of this user, closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    )
