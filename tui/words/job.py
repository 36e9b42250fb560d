"""Words of a run's Slurm job, for the screen and the command. Pure."""

from __future__ import annotations

from runner.model import JobPhase, JobRecord
from runner.model.units import duration
from tui.text import clean
from tui.words.queue import expected


def job_words(job: JobRecord, now: float) -> str:
    """`Slurm job 8 on node3: running, ends about 14:05`."""
    name = f"Slurm job {clean(job.id)}" if job.id else "Slurm job"
    node = f" on {clean(job.node, 80)}" if job.node else ""
    text = f"{name}{node}: {clean(job.text, 200) or 'not submitted yet'}"
    at = expected(job.ends_at, now)
    if job.phase is JobPhase.RUNNING and at and at != "now":
        text += f", ends at {at} at the latest"
    if job.problem and job.phase is not JobPhase.OVER:
        age = f" (as of {duration(max(0.0, now - job.asked_at))} ago)" if job.asked_at else ""
        text += f"{age}; {clean(job.problem, 200)}"
    return text


def submitted_words(job: JobRecord) -> str:
    """After a start or resume."""
    if job.id:
        return f"submitted as Slurm job {clean(job.id)}"
    problem = clean(job.problem, 200) or "Slurm does not respond"
    return f"{problem}: `plasma-tui show` tries again, and shows whether Slurm has the job"
