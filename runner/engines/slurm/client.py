"""Asks Slurm, and gives it orders. Every answer is one frozen type; every failure one sentence."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.engines.slurm.printed import (
    FORMAT,
    PARTITIONS,
    JobFacts,
    Partition,
    at_of,
    parse_ended,
    parse_job,
    parse_jobs,
    parse_partitions,
    sentence,
)
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
_UNSENT = re.compile(r"connect failure|connection refused", re.IGNORECASE)
_UNKNOWN_JOB = re.compile(r"invalid job id", re.IGNORECASE)


class SlurmError(Exception):
    """One sentence. `absent`: its programs are not installed; `silent`: no answer, so what was asked may or
    may not have been done."""

    def __init__(self, text: str, *, absent: bool = False, silent: bool = False) -> None:
        super().__init__(text)
        self.absent, self.silent = absent, silent

    @property
    def unreached(self) -> bool:
        """Was Slurm certainly not asked?"""
        return self.absent or (self.silent and _UNSENT.search(str(self)) is not None)


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
    done = _call(command, timeout_s, stdin)
    if done.returncode:
        said, killed = sentence(done.stderr or done.stdout), done.returncode < 0
        if killed:  # it may have asked before
            said = f"{command[0]} was killed by signal {-done.returncode}"
        silent = killed or _is_silence(said)
        head = "Slurm does not respond" if silent else f"{command[0]} refused"
        raise SlurmError(f"{head}: {said}", silent=silent)
    return done.stdout


def _call(command: Sequence[str], timeout_s: float, stdin: str) -> subprocess.CompletedProcess[str]:
    """Raises SlurmError."""
    if shutil.which(command[0]) is None:
        raise SlurmError(f"Slurm is not installed on this machine: no {command[0]}", absent=True)
    try:
        return subprocess.run(
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


_SILENCE = re.compile(
    r"unable to contact|socket timed out|connection (?:refused|timed out)|zero bytes|communication"
    r"|could not establish|fetch.?config|not responding",
    re.IGNORECASE,
)


def _is_silence(said: str) -> bool:
    """Did the controller not answer, as opposed to refuse?"""
    return _SILENCE.search(said) is not None


# --------------------------------------------------------------------------- asking


def jobs(user: str, cluster: str = "") -> tuple[JobFacts, ...]:
    """Every job of the user that the controller still knows, ended ones for some minutes. Raises
    SlurmError."""
    where = ["-M", cluster] if cluster else []
    command = ["squeue", *where, "-h", "-r", "-t", "all", "-u", user, "-o", FORMAT]
    return parse_jobs(_run(command, ASK_S))


def job(job_id: str, cluster: str = "") -> JobFacts | None:
    """One job; None: the controller no longer knows it. Raises SlurmError."""
    where = ["-M", cluster] if cluster else []
    try:
        return parse_job(_run(["scontrol", *where, "show", "job", "-o", job_id], ASK_S))
    except SlurmError as error:
        if _UNKNOWN_JOB.search(str(error)):
            return None
        raise


def ended(job_id: str, cluster: str = "") -> JobFacts | None:
    """From accounting, which outlives the controller's memory; None: no accounting, or not in it."""
    where = ["-M", cluster] if cluster else []
    columns = "JobID,State,ExitCode,End,NodeList"
    with contextlib.suppress(SlurmError):
        found = _run(["sacct", *where, "-X", "-n", "-P", "-j", job_id, "-o", columns], ASK_S)
        return parse_ended(found, job_id)
    return None


def partitions() -> tuple[Partition, ...]:
    """Raises SlurmError."""
    return parse_partitions(_run(["sinfo", "-h", "-o", PARTITIONS], ASK_S))


def nodes(partition: str = "") -> frozenset[str]:
    """The nodes of a partition (of all of them). Raises SlurmError."""
    where = ["-p", partition] if partition else []
    return frozenset(_run(["sinfo", "-h", "-N", *where, "-o", "%N"], ASK_S).split())


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
    done = _call(["sbatch", "--test-only", *options], ASK_S, script)
    printed = done.stderr + done.stdout
    match = re.search(r"to start at (\S+)", printed)
    if match:
        return at_of(match[1])
    if done.returncode:
        said = sentence(printed.replace("allocation failure: ", ""))
        raise SlurmError(said, silent=_is_silence(said))
    return None


def cancel(job_id: str, cluster: str = "") -> None:
    """Raises SlurmError."""
    where = ["-M", cluster] if cluster else []
    _run(["scancel", *where, job_id], ASK_S)
