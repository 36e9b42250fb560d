"""What Slurm prints, as recorded with 22.05.8 and as the manuals of later versions give it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.engines.slurm import client, watch
from runner.engines.slurm.client import SlurmError, environment
from runner.engines.slurm.printed import (
    JobFacts,
    Partition,
    at_of,
    parse_ended,
    parse_job,
    parse_jobs,
    parse_partitions,
    seconds_of,
    sentence,
)
from runner.engines.slurm.watch import of_facts, updated
from runner.engines.slurm.words import CAUSES, STATES, phase_of, words_of
from runner.model import JobPhase, JobRecord
from runner.store.jobs import job_of
from runner.store.journal import write_json
from runner.store.rundir import RunDir, runs_root

SQUEUE = """\
CLUSTER: t
8|RUNNING|None|2026-11-30T19:09:28|2026-11-30T19:10:28|localhost|plasma-tui 20261130-1-a-0001 1 ab
9_0|PENDING|Priority|2026-11-30T20:00:00|2026-11-30T21:00:00||plasma-tui 20261130-2-b-0002 1 cd
9_1|PENDING|ReqNodeNotAvail, UnavailableNodes:n[1-2]|N/A|N/A||plasma-tui 20261130-2-b-0002 1 cd
7|CANCELLED|None|2026-11-30T19:09:14|2026-11-30T19:09:14||(null)
slurm_load_jobs error: a line of another kind
6|TIMEOUT|TimeLimit|2026-11-30T18:00:00|2026-11-30T18:01:00|n1|a | b
"""
SCONTROL = (
    "JobId=2 JobName=slurm-j.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 Nice=0 "
    "Account=(null) QOS=(null) JobState={state} Reason={reason} Dependency=(null) Requeue=0 Restarts=0 "
    "BatchFlag=1 Reboot=0 ExitCode=0:15 RunTime=00:00:01 TimeLimit=00:01:00 TimeMin=N/A "
    "SubmitTime=2026-11-30T19:09:28 StartTime=2026-11-30T19:09:28 EndTime=2026-11-30T19:10:29 {more}"
    "Deadline=N/A Partition=gpu NodeList=localhost BatchHost=localhost NumNodes=1 "
    "Command=/tmp/slurm-j.sh WorkDir=/tmp Comment=plasma x attempt 1  StdErr=/tmp/o StdIn=/dev/null "
    "StdOut=/tmp/o Power= TresPerNode=gres:gpu:1 \n"
)


def scontrol(state: str, reason: str = "None", more: str = "") -> JobFacts:
    found = parse_job(SCONTROL.format(state=state, reason=reason, more=more))
    assert found is not None
    return found


def test_a_list_of_squeue_is_read_and_foreign_lines_are_passed_over() -> None:
    running, first, second, cancelled, late = parse_jobs(SQUEUE)
    assert (running.id, running.state, running.node) == ("8", "RUNNING", "localhost")
    assert running.ends_at == time.mktime((2026, 11, 30, 19, 10, 28, 0, 0, -1))
    assert (first.id, first.starts_at) == ("9_0", at_of("2026-11-30T20:00:00"))
    assert (second.reason, second.starts_at) == ("ReqNodeNotAvail, UnavailableNodes:n[1-2]", None)
    assert cancelled.comment == ""
    assert late.comment == "a | b"


def test_a_job_of_scontrol_is_read() -> None:
    found = scontrol("RUNNING")
    assert (found.id, found.state, found.node, found.exit) == ("2", "RUNNING", "localhost", "0:15")
    assert found.comment == "plasma x attempt 1"
    assert parse_job("slurm_load_jobs error: Invalid job id specified") is None


@pytest.mark.parametrize(
    ("reason", "more", "state"),
    [
        ("TimeLimit", "", "TIMEOUT"),
        ("None", "PreemptTime=2026-11-30T19:10:00 ", "PREEMPTED"),
        ("None", "PreemptTime=None ", "COMPLETING"),
    ],
)
def test_an_ending_job_shows_why_by_other_fields(reason: str, more: str, state: str) -> None:
    assert scontrol("COMPLETING", reason, more).state == state


def test_a_task_of_an_array_has_the_name_that_squeue_gives_it() -> None:
    line = "JobId=10 ArrayJobId=9 ArrayTaskId=2 JobName=x JobState=PENDING Reason=JobArrayTaskLimit"
    assert parse_job(line) == JobFacts("9_2", "PENDING", "JobArrayTaskLimit")
    together = "JobId=9 ArrayJobId=9 ArrayTaskId=3-5 JobName=x JobState=PENDING Reason=Priority"
    assert parse_job(together) == JobFacts("9", "PENDING", "Priority")


def test_accounting_names_who_cancelled() -> None:
    printed = (
        "7|TIMEOUT|0:0|2026-11-30T18:01:00|n1\n"
        "7|CANCELLED by 0|0:15|Unknown|None assigned\n"
        "8|FAILED|1:0|x|y\n"
    )
    found = parse_ended(printed, "7")
    assert found is not None
    assert (found.state, found.by, found.exit) == ("CANCELLED", "root", "0:15")
    assert words_of(found.state, "", found.by) == "cancelled by root"
    assert parse_ended("", "7") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400), ("1:30", 90), ("1:30:00", 5400), ("2-0", 172800), ("2-12:30", 217800),
        ("5:00", 300), ("infinite", None), ("", None), ("1-", None), ("n/a", None),
    ],
)  # fmt: skip
def test_times_are_read_as_slurm_reads_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["N/A", "Unknown", "None", "", "99999-01-01T00:00:00"])
def test_an_unknown_time_is_none(text: str) -> None:
    assert at_of(text) is None


def test_every_end_with_a_cause_is_an_end() -> None:
    ends = CAUSES.keys() - {"REQUEUED"}  # the end of a training, not of its job
    assert all(phase_of(state) is JobPhase.OVER for state in ends)
    assert all(text and text[0].islower() for _, text in STATES.values())


def test_unknown_words_of_a_later_slurm_stay_readable() -> None:
    assert phase_of("EXPEDITING") is JobPhase.UNKNOWN
    assert words_of("EXPEDITING") == "state EXPEDITING"
    assert words_of("PENDING", "QOSMaxSomethingNew") == "waits (QOSMaxSomethingNew)"
    before = JobRecord(1, "t", 0.0, JobPhase.RUNNING, id="3")
    assert of_facts(before, JobFacts("3", "EXPEDITING"), 1.0).phase is JobPhase.RUNNING


def test_partitions_are_read_with_the_nodes_that_take_no_jobs() -> None:
    printed = (
        "gpu|up|infinite|gpu*|idle|2\ngpu|up|infinite|gpu*|drain*|1\ngpu|up|infinite|gpu*|mix|3\n"
        "short|down|5:00|short|idle~|6\nCLUSTER: x\n"
    )
    assert parse_partitions(printed) == (
        Partition("gpu", usual=True, limit_s=None, nodes=6, nodes_away=1),
        Partition("short", state="down", limit_s=300.0, nodes=6),
    )


def test_a_lost_id_is_found_by_the_token_also_of_an_array() -> None:
    token = "plasma-tui 20261130-2-b-0002 1 cd"
    one = JobRecord(1, "plasma-tui 20261130-1-a-0001 1 ab", 0.0, JobPhase.PREPARED)
    task = JobRecord(1, f"{token}#1", 0.0, JobPhase.PREPARED)
    assert updated(one, parse_jobs(SQUEUE), 1.0).id == "8"
    assert updated(task, parse_jobs(SQUEUE), 1.0).id == "9_1"
    other = JobRecord(1, "another", 1000.0, JobPhase.PREPARED)
    assert updated(other, parse_jobs(SQUEUE), 1001.0).phase is JobPhase.PREPARED
    assert updated(other, parse_jobs(SQUEUE), 2000.0).state == "NOT_SUBMITTED"


def test_the_environment_of_a_job_does_not_reach_the_next_one() -> None:
    shell = {"PATH": "/bin", "SLURM_CONF": "/c", "SBATCH_ACCOUNT": "a", "HF_HOME": "/h"}
    formats = {"SQUEUE_FORMAT": "%i", "SACCT_FORMAT": "x", "SLURM_TIME_FORMAT": "relative"}
    assert environment({**shell, **formats}) == shell
    assert environment({**shell, "CUDA_VISIBLE_DEVICES": "1"})["CUDA_VISIBLE_DEVICES"] == "1"
    of_job = {"SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "1", "CUDA_VISIBLE_DEVICES": "0"}
    assert environment({**shell, **of_job}) == shell


def test_what_a_job_noted_itself_outlasts_later_answers(
    monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> None:
    run = RunDir(runs_root() / "20261130-190000-a-0001")
    run.path.mkdir(parents=True)
    write_json(run.attempt(1), {})
    note = "not continued in another job: nothing was saved"
    write_json(run.job, JobRecord(1, "t", 0.0, JobPhase.RUNNING, id="8", note=note))
    watch.remember(run)
    monkeypatch.setattr(client, "jobs", lambda *_: parse_jobs("8|COMPLETED|None|x|y|n1|t"))
    watch.refresh(least_age_s=0.0)
    job = job_of(run)
    assert job is not None
    assert (job.phase, job.note) == (JobPhase.OVER, note)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
         "Unable to contact slurm controller (connect failure)"),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
         "Requested node configuration is not available"),
        ("sbatch: error: invalid partition specified: nope\nallocation failure: Invalid partition name\n",
         "invalid partition specified: nope"),
        ("sbatch: unrecognized option '--foo=1'\nTry \"sbatch --help\" for more information\n",
         "unrecognized option '--foo=1'"),
        ("", "no message"),
    ],
)  # fmt: skip
def test_a_complaint_is_one_sentence_without_the_program(printed: str, said: str) -> None:
    assert sentence(printed) == said


def test_a_waiting_task_that_left_its_array_was_cancelled() -> None:
    """Slurm keeps no record of a task that never started; of one that did, for minutes."""
    task = JobRecord(1, "t#2", 900.0, JobPhase.WAITING, id="9_2", asked_at=990.0)
    others = parse_jobs(SQUEUE)
    assert updated(task, others, 1000.0).state == "CANCELLED"
    assert updated(replace(task, asked_at=100.0), others, 1000.0).state == "GONE"
    assert updated(replace(task, phase=JobPhase.RUNNING), others, 1000.0).state == "GONE"
    assert updated(replace(task, id="10_2"), others, 1000.0).state == "GONE"


def test_a_job_that_was_put_back_into_the_queue_shows_it_by_its_restarts() -> None:
    assert scontrol("COMPLETING").restarts == 0
    assert scontrol("COMPLETING", "None", "Restarts=1 ").restarts == 1


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("FAILED", "JobLaunchFailure", "could not be started on its node (JobLaunchFailure)"),
        ("FAILED", "NonZeroExitCode", "ended with an error"),
        ("FAILED", "None", "ended with an error"),
        (
            "PENDING",
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "the nodes that it needs are down, drained or reserved (Nodes required for job are DOWN, "
            "DRAINED or reserved for jobs in higher priority partitions)",
        ),
    ],
)
def test_words_of_a_job(state: str, reason: str, words: str) -> None:
    assert words_of(state, reason) == words


@pytest.mark.parametrize(
    ("end", "silent", "unreached"),
    [
        ("kill -9 $$", True, False),
        ("echo 'sbatch: error: invalid partition specified: x' >&2; exit 1", False, False),
        ("echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1", True, False),
        (
            "echo 'sbatch: error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
            True,
            True,
        ),
        ("echo hello", True, False),
    ],
)
def test_what_a_failed_sbatch_may_have_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, silent: bool, unreached: bool
) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f"#!/bin/bash\n{end}\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SlurmError) as found:
        client.submit([], "")
    assert (found.value.silent, found.value.unreached) == (silent, unreached)
