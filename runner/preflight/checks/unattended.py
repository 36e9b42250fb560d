"""Nobody is there: the training must outlive a logout, and the machine stay awake."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, passed, warned
from runner.process.spawn import detachment

LINGER = Path("/var/lib/systemd/linger")
LOGIND = (
    Path("/usr/lib/systemd/logind.conf"),
    Path("/usr/lib/systemd/logind.conf.d"),
    Path("/etc/systemd/logind.conf"),
    Path("/etc/systemd/logind.conf.d"),
)


@check("logout", "Logout", order=470)
def logout(facts: Facts) -> Finding:
    """Will the training outlive a logout? systemd-logind may end every process of a closed session."""
    words, prefix = detachment()
    lingers = (LINGER / getpass.getuser()).exists()
    return judge_logout(
        words, scope=bool(prefix), lingers=lingers, kills=kills_user_processes(LOGIND)
    )


def judge_logout(words: str, *, scope: bool, lingers: bool, kills: bool) -> Finding:
    """`scope`: an own systemd scope; `lingers`: user services outlive the last session; `kills`:
    logind ends all processes of a session with it."""
    if lingers and scope:
        return passed("keeps running", f"The training runs in a {words}, and lingering is on.")
    if kills:
        return warned(
            "logout ends it",
            "KillUserProcesses=yes is set for systemd-logind: a logout ends the training.",
            "loginctl enable-linger",
        )
    return passed("keeps running", f"The training runs in its {words}, apart from this terminal.")


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


POWER_STATES = Path("/sys/power/state")
_TIMEOUT_S = 2.0


@check("sleep", "Sleep", order=480)
def sleep(facts: Facts) -> Finding:
    """May the machine fall asleep in the middle of the training?

    macOS sleeps when nobody touches it (`pmset -g`), unless something like caffeinate holds it awake; a
    closed lid always sleeps. On Linux a desktop or systemd-logind may suspend; systemd-inhibit holds
    that off where it is allowed to, which it is not over SSH without rights.
    """
    if sys.platform == "darwin":
        return judge_mac(_output(["/usr/bin/pmset", "-g"]), shutil.which("caffeinate") is not None)
    return judge_linux(
        _states(), _inhibitors(), desktop=bool(os.environ.get("XDG_CURRENT_DESKTOP"))
    )


def judge_mac(pmset: str | None, caffeinate: bool) -> Finding:
    """`pmset -g` as printed: a line `sleep 1 (sleep prevented by ...)`, minutes, 0 is never."""
    match = re.search(r"^\s*sleep\s+(\d+)(.*)$", pmset or "", re.M)
    if match is None:
        detail = "pmset does not report when this Mac sleeps."
    else:
        minutes, rest = int(match[1]), match[2]
        if minutes == 0:
            text = "This Mac does not sleep when idle; closing the lid still does."
            return passed("never sleeps", text)
        if "prevented" in rest:
            return passed("held awake", f"Sleep is held off now:{rest.strip(' ()')}.")
        detail = f"This Mac sleeps after {minutes} min when idle."
    if caffeinate:
        text = f"{detail} While it trains, plasma-tui holds it awake (caffeinate); a closed lid still sleeps."
        return passed("kept awake", text)
    evidence = "unknown" if match is None else f"sleeps in {match[1]} min"
    return warned(
        evidence,
        f"{detail} The training sleeps with it.",
        "switch sleep off in the system settings",
    )


def judge_linux(states: str | None, inhibitors: str | None, *, desktop: bool) -> Finding:
    """`states`: /sys/power/state, None: no such file. `inhibitors`: what `systemd-inhibit --list`
    prints, None: it is not there or no logind answers."""
    if not states:
        return passed("never sleeps", "This machine has no sleep state.")
    if inhibitors is None:
        return passed("nothing suspends", "No systemd-logind runs that could suspend this machine.")
    held = [line for line in inhibitors.splitlines() if re.search(r"\b(sleep|idle)\b", line)]
    if any(line.rstrip().endswith("block") for line in held):
        return passed("held awake", "Something holds off sleep now (systemd-inhibit --list).")
    if not desktop:
        return passed("no desktop here", "Without a desktop session nothing suspends when idle.")
    detail = (
        "The desktop may suspend this machine when idle. While it trains, plasma-tui asks "
        "systemd to prevent that, and reports then whether it is allowed."
    )
    advice = "switch automatic suspend off in the desktop's settings to be sure"
    return warned("may suspend", detail, advice)


def _states() -> str | None:
    try:
        return POWER_STATES.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _inhibitors() -> str | None:
    program = shutil.which("systemd-inhibit")
    if program is None or not Path("/run/systemd/system").is_dir():
        return None
    return _output([program, "--list", "--no-pager", "--no-legend"])


def _output(command: list[str]) -> str | None:
    try:
        found = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT_S, text=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout if found.returncode == 0 else None
