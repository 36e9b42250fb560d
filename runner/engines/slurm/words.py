"""Slurm's states and reasons in our words, as data; unknown ones stay as Slurm writes them."""

from __future__ import annotations

from collections.abc import Mapping

from runner.model import JobPhase

_WAITING, _RUNNING, _OVER = JobPhase.WAITING, JobPhase.RUNNING, JobPhase.OVER

#: our own state of a job that no sbatch ever got
NOT_SUBMITTED = "NOT_SUBMITTED"

#: state -> (phase, words)
STATES: Mapping[str, tuple[JobPhase, str]] = {
    "PENDING": (_WAITING, "waiting in Slurm"),
    "REQUEUED": (_WAITING, "put back into Slurm's queue"),
    "REQUEUE_FED": (_WAITING, "put back into Slurm's queue"),
    "REQUEUE_HOLD": (_WAITING, "put back into Slurm's queue and held"),
    "RESV_DEL_HOLD": (_WAITING, "held: its reservation was deleted"),
    "SPECIAL_EXIT": (_WAITING, "put back into Slurm's queue and held"),
    "CONFIGURING": (_RUNNING, "the node is being prepared"),
    "RUNNING": (_RUNNING, "running"),
    "RESIZING": (_RUNNING, "running"),
    "SIGNALING": (_RUNNING, "running"),
    "SUSPENDED": (_RUNNING, "suspended by Slurm"),
    "STOPPED": (_RUNNING, "stopped by a signal"),
    "COMPLETING": (_RUNNING, "ending"),
    "STAGE_OUT": (_RUNNING, "ending"),
    "COMPLETED": (_OVER, "ended"),
    "FAILED": (_OVER, "ended with an error"),
    "TIMEOUT": (_OVER, "reached its time limit"),
    "DEADLINE": (_OVER, "passed its deadline"),
    "PREEMPTED": (_OVER, "preempted: Slurm gave its GPU to another job"),
    "NODE_FAIL": (_OVER, "its node failed"),
    "BOOT_FAIL": (_OVER, "its node did not boot"),
    "OUT_OF_MEMORY": (_OVER, "used more memory than requested"),
    "CANCELLED": (_OVER, "cancelled"),
    "REVOKED": (_OVER, "moved to another cluster"),
    "GONE": (_OVER, "no longer known to Slurm"),
    NOT_SUBMITTED: (_OVER, "never submitted"),
}

#: reason of a pending job -> what it waits for
REASONS: Mapping[str, str] = {
    "None": "Slurm has not considered it yet",
    "Priority": "jobs with a higher priority come first",
    "Resources": "all suitable GPUs and nodes are busy",
    "Dependency": "another job must end first",
    "DependencyNeverSatisfied": "it depends on a job that failed, so it never starts",
    "BeginTime": "its start time has not come",
    "JobHeldUser": "held by you: `scontrol release` lets it start",
    "JobHeldAdmin": "held by an administrator",
    "JobHoldMaxRequeue": "held: it was put back too often",
    "Licenses": "a licence is in use",
    "Reservation": "its reservation has not begun",
    "ReqNodeNotAvail": "a node that it needs is down or reserved",
    "NodeDown": "a node that it needs is down",
    "Nodes required for job are DOWN": "the nodes that it needs are down, drained or reserved",
    "BadConstraints": "no node has what it asks for, so it never starts",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is not taking jobs",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives a job",
    "PartitionTimeLimit": "its time limit is longer than the partition allows",
    "PartitionConfig": "the partition does not allow this request, so it never starts",
    "AccountNotAllowed": "the account may not use this partition",
    "InvalidAccount": "the account is unknown",
    "InvalidQOS": "the QOS is unknown",
    "QOSNotAllowed": "this QOS may not be used here",
    "QOSMaxJobsPerUserLimit": "you have as many running jobs as the QOS allows",
    "QOSMaxGRESPerUser": "you use as many GPUs as the QOS allows",
    "QOSMaxCpuPerUserLimit": "you use as many cores as the QOS allows",
    "QOSMaxWallDurationPerJobLimit": "its time limit is longer than the QOS allows",
    "QOSGrpGRES": "the QOS has no GPU left",
    "AssocMaxJobsLimit": "you have as many running jobs as the account allows",
    "AssocGrpGRES": "the account has no GPU left",
    "AssocGrpGRESMinutes": "the account's GPU time is used up",
    "AssocGrpCPUMinutesLimit": "the account's time is used up",
    "AssocMaxWallDurationPerJobLimit": "its time limit is longer than the account allows",
    "JobArrayTaskLimit": "as many tasks of its array run as allowed",
    "launch failed requeued held": "held: it could not be started on its node",
    "JobLaunchFailure": "it could not be started on its node",
    "Cleaning": "an earlier start of it is being cleaned up",
}

#: state that ended a job -> key of the cause; see analysis/diagnosis/causes/slurm.toml
CAUSES: Mapping[str, str] = {
    "TIMEOUT": "slurm_time_limit",
    "DEADLINE": "slurm_time_limit",
    "PREEMPTED": "slurm_preempted",
    "NODE_FAIL": "slurm_node_failed",
    "BOOT_FAIL": "slurm_node_failed",
    "OUT_OF_MEMORY": "slurm_out_of_memory",
    "CANCELLED": "slurm_cancelled",
    "REQUEUED": "slurm_requeued",
    "FAILED": "slurm_job_failed",
    "GONE": "slurm_job_gone",
    NOT_SUBMITTED: "slurm_not_submitted",
}
#: of these another job may continue the training
CONTINUED = ("slurm_time_limit", "slurm_preempted", "slurm_node_failed", "slurm_requeued")


def phase_of(state: str) -> JobPhase:
    return STATES.get(state, (JobPhase.UNKNOWN, ""))[0]


def words_of(state: str, reason: str = "", by: str = "") -> str:
    """One phrase about a job."""
    phase, words = STATES.get(state, (JobPhase.UNKNOWN, f"state {state}"))
    if phase is JobPhase.WAITING and reason:
        # `ReqNodeNotAvail, UnavailableNodes:n1`; newer limits are many, their names can be read
        first = reason.partition(",")[0].strip()
        return f"{REASONS.get(first, 'waits')} ({reason})"
    if state == "FAILED" and reason in REASONS and reason != "None":
        return f"{REASONS[reason].removeprefix('it ')} ({reason})"
    if state == "CANCELLED":
        return f"cancelled by {by}" if by else "cancelled with scancel"
    return words
