"""Unattended runs: the training must survive a logout, and the machine must stay awake."""

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


@check("logout", "Logout", 470)
def logout(facts: Facts) -> Finding:
    """Will the training survive a logout? systemd-logind may end every process of a closed session."""
    words, prefix = detachment()
    lingers = (LINGER / getpass.getuser()).exists()
    kills = kills_user_processes(LOGIND)
    return judge_logout(words, scope=bool(prefix), lingers=lingers, kills=kills)


def judge_logout(words: str, *, scope: bool, lingers: bool, kills: bool) -> Finding:
    """`scope`: a separate systemd scope; `lingers`: user services survive the last session; `kills`:
    logind ends all processes of a session with it."""
    if lingers and scope:
        return passed("keeps running", f"The training runs in a {words}, and lingering is on.")
    if kills:
        detail = "KillUserProcesses=yes is set for systemd-logind: a logout ends the training."
        return warned("logout ends it", detail, "loginctl enable-linger")
    return passed(
        "keeps running", f"The training runs in its {words}, detached from this terminal."
    )


def kills_user_processes(places: Iterable[Path]) -> bool:
    """The last KillUserProcesses= of the configuration. Debian, Ubuntu and Fedora ship `no`."""
    files = [f for place in places for f in (place, *sorted(place.glob("*.conf"))) if f.is_file()]
    text = "\n".join(filter(None, map(_text, files)))
    settings = re.findall(r"^[ \t]*KillUserProcesses[ \t]*=[ \t]*(\S*)", text, re.M)
    return bool(settings) and settings[-1].lower() in ("yes", "true", "on", "1")


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


POWER_STATES = Path("/sys/power/state")
_TIMEOUT_S = 2.0


@check("sleep", "Sleep", 480)
def sleep(facts: Facts) -> Finding:
    """May the machine sleep during the training? macOS sleeps when idle (`pmset -g`), unless something like
    caffeinate keeps it awake; a closed lid always sleeps. On Linux a desktop or systemd-logind may suspend;
    systemd-inhibit prevents that if allowed, which it is not over SSH without rights.
    """
    if sys.platform == "darwin":
        return judge_mac(_output("/usr/bin/pmset", "-g"), shutil.which("caffeinate") is not None)
    logind = Path("/run/systemd/system").is_dir() and shutil.which("systemd-inhibit")
    inhibitors = _output(logind, "--list", "--no-pager", "--no-legend") if logind else None
    desktop = bool(os.environ.get("XDG_CURRENT_DESKTOP"))
    return judge_linux((_text(POWER_STATES) or "").strip(), inhibitors, desktop=desktop)


def judge_mac(pmset: str | None, caffeinate: bool) -> Finding:
    """`pmset -g` as printed: a line `sleep 1 (sleep prevented by ...)`, minutes, 0 is never."""
    match = re.search(r"^\s*sleep\s+(\d+)(.*)$", pmset or "", re.M)
    minutes, rest = (int(match[1]), match[2]) if match else (None, "")
    if minutes == 0:
        detail = "This Mac does not sleep when idle; closing the lid still does."
        return passed("never sleeps", detail)
    if "prevented" in rest:
        return passed("held awake", f"Sleep is prevented now:{rest.strip(' ()')}.")
    detail = "pmset does not report when this Mac sleeps."
    if minutes:
        detail = f"This Mac sleeps after {minutes} min when idle."
    if caffeinate:
        detail += (
            " While it trains, plasma-tui keeps it awake (caffeinate); a closed lid still sleeps."
        )
        return passed("kept awake", detail)
    evidence = f"sleeps in {minutes} min" if minutes else "unknown"
    advice = "turn off sleep in the system settings"
    return warned(evidence, f"{detail} The training pauses meanwhile.", advice)


def judge_linux(states: str | None, inhibitors: str | None, *, desktop: bool) -> Finding:
    """`states`: /sys/power/state, None: no such file. `inhibitors`: output of `systemd-inhibit --list`, None:
    missing, or logind does not respond."""
    if not states:
        return passed("never sleeps", "This machine has no sleep state.")
    if inhibitors is None:
        return passed("nothing suspends", "No systemd-logind runs that could suspend this machine.")
    if re.search(r"\b(sleep|idle)\b.*block\s*$", inhibitors, re.M):
        return passed("held awake", "Sleep is inhibited now (systemd-inhibit --list).")
    if not desktop:
        return passed("no desktop here", "Without a desktop session nothing suspends when idle.")
    detail = (
        "The desktop may suspend this machine when idle. While it trains, plasma-tui asks "
        "systemd to prevent that, and reports then whether it is allowed."
    )
    advice = "turn off automatic suspend in the desktop's settings to be sure"
    return warned("may suspend", detail, advice)


def _output(*command: str) -> str | None:
    try:
        found = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT_S, text=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout if found.returncode == 0 else None
