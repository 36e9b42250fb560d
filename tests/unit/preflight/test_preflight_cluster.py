"""Checks of a Slurm job before the start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.printed import Partition
from runner.model import Engine
from runner.preflight.checks.cluster import judge_error, judge_places, judge_request
from runner.preflight.registry import CHECKS, OF_A_CLUSTER, OF_THIS_MACHINE

GPU = Engine("slurm", gres="gpu:1", time="60")


@pytest.mark.parametrize(
    ("error", "evidence"),
    [
        (SlurmError("Slurm is not installed on this machine: no sbatch", absent=True), "no Slurm here"),
        (SlurmError("Slurm does not respond: x", silent=True), "no answer"),
        (SlurmError("Requested node configuration is not available"), "refused"),
    ],
)  # fmt: skip
def test_why_slurm_cannot_start_it(error: SlurmError, evidence: str) -> None:
    found = judge_error(error)
    assert (found.status, found.evidence) == ("fail", evidence)
    assert found.advice


@pytest.mark.parametrize(
    ("engine", "starts_at", "limit_s", "status", "evidence"),
    [
        (GPU, 1000.0, None, "pass", "starts now"),
        (GPU, 8200.0, None, "pass", "starts in 2 h"),
        (GPU, None, 600.0, "fail", "time too long"),
        (Engine("slurm", gres="gpu:1", time="2"), None, None, "fail", "no time to train"),
        (Engine("slurm", gres="gpu:1"), None, 60.0, "fail", "no time to train"),
        (Engine("slurm"), None, None, "warn", "no GPU asked"),
        (Engine("slurm", extra=("#SBATCH --gpus=1",)), None, None, "pass", "starts now"),
    ],
)
def test_a_request_is_judged(
    engine: Engine, starts_at: float | None, limit_s: float | None, status: str, evidence: str
) -> None:
    found = judge_request(engine, starts_at, [replace(UP, limit_s=limit_s)], 1000.0)
    assert (found.status, found.evidence) == (status, evidence)


UP = Partition("gpu", usual=True)


def test_a_request_that_no_node_takes_now_may_wait_for_those_that_are_drained() -> None:
    error = SlurmError("Requested node configuration is not available")
    assert judge_error(error, [UP]).status == "fail"
    drained = replace(UP, nodes=4, nodes_away=1)
    found = judge_error(error, [drained])
    assert (found.status, found.evidence) == ("warn", "1 node away")
    assert "1 of 4 nodes" in found.detail
    wrong = SlurmError("Invalid generic resource (gres) specification")
    assert judge_error(wrong, [drained]).status == "fail"


def test_a_partition_that_is_down_is_a_warning() -> None:
    down = replace(UP, state="down")
    found = judge_request(GPU, 1000.0, [down], 1000.0)
    assert (found.status, found.evidence) == ("warn", "partition down")
    assert judge_request(GPU, 1000.0, [down, UP], 1000.0).status == "pass"


@pytest.mark.parametrize(
    ("kind", "nodes", "status"),
    [
        ("nfs4", 20, "pass"), ("lustre", 20, "pass"), ("", 20, "pass"), ("ext4", 1, "pass"),
        ("ext4", 20, "warn"), ("tmpfs", 20, "fail"), ("ext4", 0, "warn"),
    ],
)  # fmt: skip
def test_files_of_one_machine_are_reported_before_the_start(
    kind: str, nodes: int, status: str
) -> None:
    places = {"PLASMA_HOME": Path("/h")}
    found = judge_places(places, {"PLASMA_HOME": kind}, nodes, "login1")
    assert found.status == status
    assert ("login1" in found.detail) is (kind in ("ext4", "tmpfs"))


def test_the_names_of_checks_exist() -> None:
    names = {check.name for check in CHECKS}
    assert names >= OF_THIS_MACHINE
    assert names >= OF_A_CLUSTER
