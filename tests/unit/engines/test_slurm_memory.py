"""Killed for using more memory than requested: by the counters of the job's control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.engines.slurm.memory import kills


@pytest.mark.parametrize(
    ("line", "file", "text", "number"),
    [
        ("0::/slurm/job_7/step_batch/user", "slurm/job_7/memory.events", "oom 1\noom_kill 2\n", 2),
        ("0::/slurm/job_7/step_batch/user", "slurm/memory.events", "oom_kill 9\n", 0),
        ("9:memory:/slurm/job_7/step_0", "memory/slurm/job_7/step_0/memory.oom_control", "oom_kill 1\n", 1),
        ("4:cpu:/slurm/job_7/step_0", "cpu/slurm/job_7/step_0/memory.oom_control", "oom_kill 1\n", 0),
        ("0::/user.slice", "user.slice/memory.events", "oom_kill 3\n", 0),
        ("nonsense", "x", "oom_kill 3\n", 0),
    ],
)  # fmt: skip
def test_only_kills_within_the_job_count(
    tmp_path: Path, line: str, file: str, text: str, number: int
) -> None:
    (tmp_path / "proc").write_text(f"{line}\n")
    (tmp_path / "root" / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "root" / file).write_text(text)
    assert kills(tmp_path / "proc", tmp_path / "root") == number


def test_without_control_groups_there_were_none(tmp_path: Path) -> None:
    assert kills(tmp_path / "absent", tmp_path) == 0
