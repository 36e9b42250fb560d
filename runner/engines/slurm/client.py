"""Asks Slurm, and gives it orders. Every answer is one frozen type; every failure one sentence."""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.process.spawn import trainer_environment

#: a controller that is down is noticed at once; one that is busy may take this long
ASK_S = 10.0
SUBMIT_S = 60.0
#: change what the commands print, or belong to the job that this process may run in
_NOT_OURS = re.compile(
    r"(SQUEUE|SACCT|SCONTROL|SINFO|SCANCEL)_.*|SLURM_(?!CONF$|CLUSTERS$|JWT$|SACK_).*|SLURMD_.*"
)
#: set for a job by Slurm; the next job gets its own
_OF_A_JOB = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
             "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK")  # fmt: skip
_FORMAT = "%i|%T|%r|%S|%e|%N|%k"
_UNKNOWN_JOB = re.compile(r"invalid job id", re.IGNORECASE)


class SlurmError(Exception):
    """One sentence. `absent`: its programs are not installed; `silent`: no answer, so what was asked may or
    may not have been done."""

    def __init__(self, text: str, *, absent: bool = False, silent: bool = False) -> None:
        super().__init__(text)
        self.absent, self.silent = absent, silent


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


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """For Slurm's commands, and for the trainer of a job: that of the starter's shell, without what another
    job set and what changes formats."""
    whole = trainer_environment({}, base)
    in_job = "SLURM_JOB_ID" in whole
    return {
        name: value
        for name, value in whole.items()
        if not _NOT_OURS.fullmatch(name) and not (in_job and name in _OF_A_JOB)
    }


def _run(command: Sequence[str], timeout_s: float, stdin: str = "") -> str:
    """Its stdout. Raises SlurmError."""
    if shutil.which(command[0]) is None:
        raise SlurmError(f"Slurm is not installed on this machine: no {command[0]}", absent=True)
    try:
        done = subprocess.run(
            command,
            input=stdin,
            env={**environment(), "SLURM_TIME_FORMAT": "standard"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            cwd="/",
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        why = f"{command[0]} did not answer within {timeout_s:.0f} s"
        raise SlurmError(f"Slurm does not respond: {why}", silent=True) from None
    except OSError as error:
        raise SlurmError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = _sentence(done.stderr or done.stdout)
        silent = _is_silence(said)
        head = "Slurm does not respond" if silent else f"{command[0]} refused"
        raise SlurmError(f"{head}: {said}", silent=silent)
    return done.stdout


def _sentence(printed: str) -> str:
    """The last complaint, without the program's name."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    words = [re.sub(_HEADS, "", line) for line in lines]
    known = [word for word in words if not word.startswith("allocation failure")]
    return (known or words or ["no message"])[-1][:300].rstrip(".")


#: what goes before a complaint
_HEADS = re.compile(r"^(?:\w+:? )?(?:error|fatal): (?:Batch job submission failed: )?")
_SILENCE = re.compile(
    r"unable to contact|socket timed out|connection (?:refused|timed out)|zero bytes|communication"
    r"|could not establish|fetch.?config|not responding",
    re.IGNORECASE,
)


def _is_silence(said: str) -> bool:
    """Did the controller not answer, as opposed to refuse?"""
    return _SILENCE.search(said) is not None


def at_of(text: str) -> float | None:
    """Unix time of `2026-11-30T19:09:28`, local; None for N/A, Unknown and anything else."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


# --------------------------------------------------------------------------- asking


def jobs(user: str, cluster: str = "") -> tuple[JobFacts, ...]:
    """Every job of the user that the controller still knows, ended ones for some minutes. Raises
    SlurmError."""
    where = ["-M", cluster] if cluster else []
    command = ["squeue", *where, "-h", "-r", "-t", "all", "-u", user, "-o", _FORMAT]
    return parse_jobs(_run(command, ASK_S))


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


def job(job_id: str, cluster: str = "") -> JobFacts | None:
    """One job; None: the controller no longer knows it. Raises SlurmError."""
    where = ["-M", cluster] if cluster else []
    try:
        return parse_job(_run(["scontrol", *where, "show", "job", "-o", job_id], ASK_S))
    except SlurmError as error:
        if _UNKNOWN_JOB.search(str(error)):
            return None
        raise


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
    )


def _value(text: str) -> str:
    return "" if text in ("(null)", "None") else text


def ended(job_id: str, cluster: str = "") -> JobFacts | None:
    """From accounting, which outlives the controller's memory; None: no accounting, or not in it."""
    where = ["-M", cluster] if cluster else []
    columns = "JobID,State,ExitCode,End,NodeList"
    with contextlib.suppress(SlurmError):
        found = _run(["sacct", *where, "-X", "-n", "-P", "-j", job_id, "-o", columns], ASK_S)
        return parse_ended(found, job_id)
    return None


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


def partitions() -> frozenset[str]:
    """Their names. Raises SlurmError."""
    return frozenset(_run(["sinfo", "-h", "-o", "%R"], ASK_S).split())


def nodes(partition: str = "") -> frozenset[str]:
    """The nodes of a partition (of all of them). Raises SlurmError."""
    where = ["-p", partition] if partition else []
    return frozenset(_run(["sinfo", "-h", "-N", *where, "-o", "%N"], ASK_S).split())


def time_limit(partition: str = "") -> float | None:
    """The longest job of a partition (of the default one), in seconds; None: no limit, or unknown. Raises
    SlurmError."""
    limits = []
    for line in _run(["sinfo", "-h", "-o", "%R|%l|%P"], ASK_S).splitlines():
        name, limit, shown = (*line.strip().split("|"), "", "")[:3]
        if name in partition.split(",") if partition else shown.endswith("*"):
            limits.append(seconds_of(limit))
    known = [one for one in limits if one is not None]
    return max(known) if known and len(known) == len(limits) else None


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


# --------------------------------------------------------------------------- orders


@dataclass(frozen=True, slots=True)
class Submitted:
    id: str
    cluster: str = ""


def submit(options: Iterable[str], script: str) -> Submitted:
    """`options`: of sbatch. Raises SlurmError; `silent`: it may have been submitted nevertheless."""
    printed = _run(["sbatch", "--parsable", *options], SUBMIT_S, script)
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    found, _, cluster = (lines or [""])[-1].partition(";")
    if not found.isdecimal():
        raise SlurmError(f"sbatch printed no job id: {printed[:200]!r}", silent=True)
    return Submitted(found, cluster)


def test(options: Iterable[str], script: str) -> float | None:
    """Could this request ever start? The expected start, if Slurm names one. Raises SlurmError."""
    if shutil.which("sbatch") is None:
        raise SlurmError("Slurm is not installed on this machine: no sbatch", absent=True)
    try:
        done = subprocess.run(
            ["sbatch", "--test-only", *options],
            input=script, env={**environment(), "SLURM_TIME_FORMAT": "standard"}, text=True,
            errors="replace", capture_output=True, timeout=ASK_S, cwd="/", start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        raise SlurmError("Slurm does not respond: sbatch did not answer", silent=True) from None
    printed = done.stderr + done.stdout
    match = re.search(r"to start at (\S+)", printed)
    if match:
        return at_of(match[1])
    if done.returncode:
        said = _sentence(printed.replace("allocation failure: ", ""))
        silent = _is_silence(said)
        raise SlurmError(said, silent=silent)
    return None


def cancel(job_id: str, cluster: str = "") -> None:
    """Raises SlurmError."""
    where = ["-M", cluster] if cluster else []
    _run(["scancel", *where, job_id], ASK_S)
