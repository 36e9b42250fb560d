"""An `ssh` for PATH: it runs the command here, with another PLASMA_HOME for each host, or misbehaves as told.

`python fake_ssh.py ARGUMENTS`: reads `$FAKE_SSH/<host>.json` and appends its arguments to `$FAKE_SSH/calls`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

#: options of ssh that take a value
_VALUED = frozenset("bcDEeFIiJLlmOopQRSWw")


def split(arguments: list[str]) -> tuple[list[str], str, str]:
    """As ssh reads them: options, host, command line for the shell."""
    at = 0
    while arguments[at].startswith("-"):
        at += 2 if len(arguments[at]) == 2 and arguments[at][1] in _VALUED else 1
    host, *rest = arguments[at:]
    return arguments[:at], host, " ".join(rest[1:] if rest[:1] == ["--"] else rest)


def main(arguments: list[str]) -> int:
    folder = Path(os.environ["FAKE_SSH"])
    options, host, line = split(arguments)
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps([options, host, line]) + "\n")
    how = json.loads((folder / f"{host}.json").read_text())
    if how.get("ignores"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while how.get("hangs") and (folder / f"{host}.json").exists():
        time.sleep(0.02)
    while flood := how.get("floods"):
        os.write(1, flood.encode() * 4096)
    sys.stdout.write(how.get("prints", ""))
    sys.stdout.flush()
    sys.stderr.write(how.get("says", ""))
    if "exits" in how:
        return int(how["exits"])
    env = {**os.environ, "PLASMA_HOME": how["home"], "XDG_CONFIG_HOME": f"{how['home']}/config"}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", line], env={**env, "PATH": path, "HOME": how["home"]}, cwd=how["home"]
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
