"""What Slurm's commands print, as one frozen type. Pure but for the names of users."""

from __future__ import annotations

import contextlib
import datetime
import re
from dataclasses import dataclass, replace

#: of squeue
FORMAT = "%i|%T|%r|%S|%e|%N|%k"
#: of sinfo
PARTITIONS = "%R|%a|%l|%P|%t|%D"
#: states of a node that takes no new jobs
_AWAY = ("down", "drain", "drng", "fail", "failg", "maint", "inval", "unk")


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job as Slurm sees it. `state`: its word; `starts_at`: of a pending one the expected start."""

    id: str
    state: str
    reason: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    node: str = ""
    comment: str = ""
    exit: str = ""
    by: str = ""
    restarts: int = 0


def parse_jobs(printed: str) -> tuple[JobFacts, ...]:
    """The lines of squeue in our format; others, such as `CLUSTER: x`, are passed over."""
    found = []
    for line in printed.splitlines():
        parts = line.split("|", 6)
        if len(parts) < 7:
            continue
        job, state, reason, starts, ends, node, comment = (part.strip() for part in parts)
        comment = "" if comment == "(null)" else comment
        found.append(
            JobFacts(job, state, reason, at_of(starts), at_of(ends), node, comment)
        )  # fmt: skip
    return tuple(found)


def parse_job(printed: str) -> JobFacts | None:
    """The first line of `scontrol show job -o`. Names and comments may contain spaces: only keys that come
    before them, or whose values have none, are used."""
    line = next((one for one in printed.splitlines() if "JobState=" in one), "")
    found = dict(re.findall(r"(?:^|\s)([A-Za-z/]+)=(\S*)", line))
    if "JobState" not in found:
        return None
    array, task = found.get("ArrayJobId"), found.get("ArrayTaskId", "")
    state, reason = found["JobState"], found.get("Reason", "")
    if state == "COMPLETING":  # an ending job hides why, except by these
        if "TimeLimit" in reason:
            state = "TIMEOUT"
        elif at_of(found.get("PreemptTime", "")) is not None:
            state = "PREEMPTED"
    comment = re.search(r"(?:^|\s)Comment=(.*?)\s+(?:StdErr|StdIn|StdOut|Power|MailUser)=", line)
    return JobFacts(
        f"{array}_{task}" if array and task.isdecimal() else found.get("JobId", ""),
        state,
        reason,
        at_of(found.get("StartTime", "")),
        at_of(found.get("EndTime", "")),
        _value(found.get("NodeList", "")),
        comment[1] if comment else "",
        found.get("ExitCode", ""),
        restarts=int(restarts) if (restarts := found.get("Restarts", "")).isdecimal() else 0,
    )


def _value(text: str) -> str:
    return "" if text in ("(null)", "None") else text


def parse_ended(printed: str, job_id: str) -> JobFacts | None:
    """`7|CANCELLED by 1000|0:15|2026-11-30T19:09:29|n1`; the last line is of the newest start."""
    found = None
    for line in printed.splitlines():
        parts = line.split("|")
        if len(parts) >= 5 and parts[0] == job_id:
            state, _, by = parts[1].partition(" by ")
            ends, node = at_of(parts[3]), _value(parts[4])
            found = JobFacts(job_id, state, "", None, ends, node, "", parts[2], _user(by))
    return found


def _user(uid: str) -> str:
    import pwd

    with contextlib.suppress(KeyError, ValueError, OverflowError):
        return pwd.getpwuid(int(uid)).pw_name
    return f"uid {uid}" if uid.strip() else ""


@dataclass(frozen=True, slots=True)
class Partition:
    """`usual`: that of jobs that name none; `limit_s`: the longest job, None: no limit, or unknown;
    `nodes_away`: its nodes that are down or drained."""

    name: str
    usual: bool = False
    state: str = "up"
    limit_s: float | None = None
    nodes: int = 0
    nodes_away: int = 0


def parse_partitions(printed: str) -> tuple[Partition, ...]:
    """Lines of sinfo in our format: one for each state of a partition's nodes."""
    found: dict[str, Partition] = {}
    for line in printed.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 6:
            continue
        name, state, limit, shown, node, number = parts
        nodes = int(number) if number.isdecimal() else 0
        away = nodes if node.rstrip("*~#!%$@^-+") in _AWAY else 0
        known = found.get(name, Partition(name, shown.endswith("*"), state, seconds_of(limit)))
        found[name] = replace(known, nodes=known.nodes + nodes, nodes_away=known.nodes_away + away)
    return tuple(found.values())


# --------------------------------------------------------------------------- times and complaints


def at_of(text: str) -> float | None:
    """Unix time of `2026-11-30T19:09:28`, local; None for N/A, Unknown and anything else."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def seconds_of(text: str) -> float | None:
    """Of `90`, `1:30:00`, `2-12:00`, in Slurm's reading; None for `infinite` and anything else."""
    days, dash, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in (*parts, *((days,) if dash else ()))):
        return None
    numbers = [int(part) for part in parts]
    if dash:  # hours first
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return int(days) * 86400.0 + hours * 3600 + minutes * 60 + seconds
    if len(numbers) == 1:
        return numbers[0] * 60.0
    hours, minutes, seconds = (0, *numbers)[-3:]
    return hours * 3600.0 + minutes * 60 + seconds


def sentence(printed: str) -> str:
    """The last complaint, without the program's name."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    words = [re.sub(_HEADS, "", line) for line in lines]
    known = [word for word in words if not word.startswith(("allocation failure", 'Try "'))]
    return (known or words or ["no message"])[-1][:300].rstrip(".")


#: what goes before a complaint
_HEADS = re.compile(
    r"^(?:\w+:? )?(?:error|fatal): (?:Batch job submission failed: )?|^sbatch: (?=unrecognized option)"
)
