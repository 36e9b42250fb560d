"""The fault matrix in less than a minute: one life of the built-in trainer with chosen faults.
`make torture` tries many more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.faults import load_families
from tests.torture.project import builtin
from tests.torture.run import Plan, Torture

pytest.importorskip("torch", reason="the built-in trainer needs the extra `embedded`")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

#: the trainer is killed by the fourth; the others come in the attempt after it
FAULTS = (
    ("SIGKILL supervisor", "caching"),
    ("SIGSTOP, SIGCONT trainer", "training"),
    ("several supervisors at once", "saving a checkpoint"),
    ("SIGKILL supervisor and trainer", "saving a state"),
    ("SIGKILL keeper", "caching"),
    ("supervisor killed every 300 ms", "ending"),
)


def test_a_life_full_of_faults_loses_nothing(tmp_path: Path) -> None:
    table = {one.name: one for one in load_families()}
    faults = tuple((table[name], phase) for name, phase in FAULTS)
    plan = Plan("python", 0, screen=False, faults=faults)
    result = Torture(builtin(), tmp_path).live(1, plan)
    assert not result.lost, "\n".join((*result.lost, *result.notes))
    assert result.outcome == "succeeded"
    # on a busy machine the training may pass a phase before its fault is ready
    assert len(result.points) > 1, result.notes
