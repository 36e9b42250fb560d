"""Will the training outlive a logout? systemd-logind may end every process of a closed session."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, warned
from runner.process.detachment import detachment

LINGER = Path("/var/lib/systemd/linger")
LOGIND = (
    Path("/usr/lib/systemd/logind.conf"),
    Path("/usr/lib/systemd/logind.conf.d"),
    Path("/etc/systemd/logind.conf"),
    Path("/etc/systemd/logind.conf.d"),
)


def look(facts: Facts) -> Finding:
    words, prefix = detachment()
    lingers = (LINGER / getpass.getuser()).exists()
    return judge(words, scope=bool(prefix), lingers=lingers, kills=kills_user_processes(LOGIND))


def judge(words: str, *, scope: bool, lingers: bool, kills: bool) -> Finding:
    """`scope`: an own systemd scope; `lingers`: user services outlive the last session; `kills`:
    logind ends all processes of a session with it."""
    if lingers and scope:
        return passed("survives it", f"The training runs in a {words}, and lingering is on.")
    if kills:
        return warned(
            "would end it",
            "KillUserProcesses=yes is set for systemd-logind: a logout ends the training.",
            "loginctl enable-linger",
        )
    return passed("survives it", f"The training runs in its {words}, apart from this terminal.")


def kills_user_processes(places: Iterable[Path]) -> bool:
    """The last KillUserProcesses= of the configuration. Debian, Ubuntu and Fedora ship `no`."""
    setting = "no"
    for place in places:
        files = sorted(place.glob("*.conf")) if place.is_dir() else [place]
        for file in files:
            for line in _lines(file):
                key, _, value = line.partition("=")
                if key.strip() == "KillUserProcesses":
                    setting = value.strip().lower()
    return setting in ("yes", "true", "on", "1")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


CHECK = Check("logout", "Logout", look)
