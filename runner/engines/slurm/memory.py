"""Did the kernel end a process of this job because it used more memory than requested? Slurm itself reports
OUT_OF_MEMORY only after the job, when the verdict is already written."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kills(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """How often, in the control groups of this process's job; 0 without any."""
    try:
        lines = proc.read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return max((_kills_of(line, root) for line in lines), default=0)


def _kills_of(line: str, root: Path) -> int:
    """`0::/system.slice/slurmstepd.scope/job_7/step_batch`, or of version 1
    `9:memory:/slurm/uid_0/job_7/step_batch`."""
    _, controllers, place = (*line.split(":", 2), "", "")[:3]
    if controllers not in ("", "memory"):
        return 0
    folder = root / controllers / place.lstrip("/")
    files = ("memory.events",) if not controllers else ("memory.oom_control",)
    found = 0
    for one in (folder, *folder.parents):
        if "job_" not in str(one.relative_to(root) if one.is_relative_to(root) else ""):
            break
        for name in files:
            with contextlib.suppress(OSError):
                match = _KILLS.search((one / name).read_text())
                found = max(found, int(match[1]) if match else 0)
    return found
