"""`sweep` as it is typed: the table, what it refuses, the question, and what it prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.control import sweep
from runner.control.orders import Refused
from runner.control.sweep import SweepPlan
from runner.model import CheckResult
from runner.store.rundir import RunDir, runs_root
from tests import ROOT
from tests.unit.control.test_gate import PROJECT
from tests.unit.trainers.dataset.dataset_images import write_png
from tui.cli.main import main

Captured = pytest.CaptureFixture[str]
SETS = ("--set", "learning_rate=1e-3,1e-4", "--set", "network_dim=4,8")
OPEN = PROJECT + "gate = false\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "plasma.toml").write_text(OPEN)
    (tmp_path / "dataset.toml").write_text(
        '[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = "images"\n'
    )
    write_png(tmp_path / "images" / "one.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs that would have been queued; every check passes."""
    found: list[str] = []

    def create(plan: SweepPlan, *_: object, **__: object) -> Iterator[RunDir]:
        for one in plan.runs:
            if one.name in REFUSED:
                raise Refused("the disk is full")
            found.append(one.name)
            yield RunDir(runs_root() / f"run-{one.name}")

    REFUSED.clear()
    monkeypatch.setattr(sweep, "create", create)
    monkeypatch.setattr(sweep, "checked", lambda plan: iter((one, ()) for one in plan.runs))
    return found


REFUSED: set[str] = set()


def test_the_table_shows_each_run_and_the_sums_and_a_dry_run_creates_nothing(
    created: list[str], capsys: Captured
) -> None:
    assert main(["sweep", *SETS, "--dry-run"]) == 0
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[0] == ["run", "learning_rate", "network_dim", "steps", "size", "time"]
    assert lines[1][:4] == ["spyke-lr1e-3-dim4", "1e-3", "4", "4"]
    assert lines[5] == ["in", "all", "16", "unknown", "unknown"]
    assert "time is unknown until" in told.err
    assert created == [] and not runs_root().exists()


def test_what_differs_is_in_sight_in_a_narrow_terminal(
    created: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    args = '["conv_dim=4","conv_alpha=1"],["conv_dim=4","conv_alpha=2"]'
    base = ",".join(f"/a/very/long/path/to/model-{name}.safetensors" for name in ("one", "two"))
    words = [
        f"network_args={args}",
        "learning_rate=1e-3,1e-4",
        f"pretrained_model_name_or_path={base}",
    ]
    assert main(["sweep", "--dry-run", *(x for word in words for x in ("--set", word))]) == 0
    lines = capsys.readouterr().out.splitlines()[1:-1]
    assert all(len(line) <= 80 for line in lines)
    shown = {tuple(line.split()[1:4]) for line in lines}
    assert len(shown) == 8
    plain = sorted(line.split()[2] for line in lines)
    assert plain == ["1e-3"] * 4 + ["1e-4"] * 4


def test_without_a_yes_nothing_is_created(
    created: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sweep", *SETS]) == 2
    assert "add --yes to agree" in capsys.readouterr().err

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard("no\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["sweep", *SETS]) == 1
    assert "Queue 4 runs as spyke-sweep-" in capsys.readouterr().err
    assert created == []


def test_after_a_yes_stdout_ends_with_the_name_of_the_group(
    created: list[str], capsys: Captured
) -> None:
    assert main(["sweep", *SETS, "--yes"]) == 0
    told = capsys.readouterr()
    group = told.out.splitlines()[-1]
    assert group.startswith("spyke-sweep-") and f"plasma-tui compare {group}" in told.err
    assert len(created) == 4


def test_json_is_one_object_with_the_new_ids(created: list[str], capsys: Captured) -> None:
    assert main(["sweep", *SETS, "--yes", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [run["id"] for run in made["runs"]] == [f"run-{name}" for name in created]
    assert made["runs"][0]["settings"] == {"learning_rate": "1e-3", "network_dim": "4"}
    assert made["runs"][0]["steps"] == 4 and made["runs"][0]["bytes"] is None


def test_a_failed_check_is_printed_once_with_the_runs_it_is_about(
    created: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(plan: SweepPlan) -> object:
        for at, one in enumerate(plan.runs):
            both = CheckResult("images", "warn", "few images", title="Images")
            some = CheckResult("memory", "fail" if at == 1 else "pass", "too large", title="Memory")
            yield one, (both, some)

    monkeypatch.setattr(sweep, "checked", checked)
    assert main(["sweep", *SETS, "--yes"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "✗ Memory: too large (spyke-lr1e-3-dim8)" in lines
    assert lines.count("! Images: few images") == 1
    assert "nothing was started: 1 check failed (--force queues the runs anyway)" in lines[-1]
    assert created == []
    assert main(["sweep", *SETS, "--yes", "--force"]) == 0
    assert len(created) == 4


def test_a_closed_gate_is_said_after_the_table(
    created: list[str], capsys: Captured, project: Path
) -> None:
    (project / "plasma.toml").write_text(PROJECT)
    assert main(["sweep", *SETS, "--yes"]) == 1
    told = capsys.readouterr()
    assert "spyke-lr1e-3-dim4" in told.out
    assert "the settings that all runs share are not approved" in told.err
    assert main(["sweep", *SETS, "--yes", "--force", "overnight"]) == 0
    assert len(created) == 4


def test_files_that_exist_are_named_and_a_reason_overwrites_them(
    created: list[str], capsys: Captured, project: Path
) -> None:
    (project / "out").mkdir()
    (project / "out" / "spyke-lr1e-4-dim8.safetensors").touch()
    assert main(["sweep", *SETS, "--yes"]) == 1
    told = capsys.readouterr()
    assert "1 of 4" in told.out
    assert (
        "spyke-lr1e-4-dim8 would overwrite spyke-lr1e-4-dim8.safetensors" in told.err
        and "--missing queues only the other 3" in told.err
    )
    assert main(["sweep", *SETS, "--yes", "--missing"]) == 0
    assert len(created) == 3
    assert main(["sweep", *SETS, "--yes", "--force", "again"]) == 0
    assert len(created) == 7


def test_a_run_that_cannot_be_created_is_named_with_what_is_queued(
    created: list[str], capsys: Captured
) -> None:
    REFUSED.add("spyke-lr1e-4-dim4")
    assert main(["sweep", *SETS, "--yes"]) == 1
    told = capsys.readouterr().err
    assert "2 of 4 runs are queued as spyke-sweep-" in told
    assert "spyke-lr1e-4-dim4 is not: the disk is full; the same command with --missing" in told


@pytest.mark.parametrize("where", ["| true", ">/dev/full"])
def test_a_table_that_cannot_be_printed_starts_nothing_and_is_no_success(where: str) -> None:
    command = f"{sys.executable} -m tui.cli sweep {' '.join(SETS)} --yes"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {where}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("plasma-tui: nothing was started: the table")
    assert "Traceback" not in done.stderr and not runs_root().exists()


def test_ctrl_c_after_the_last_run_was_queued_is_too_late(
    created: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(plan: SweepPlan, *_: object, **__: object) -> Iterator[RunDir]:
        yield from (RunDir(runs_root() / f"run-{one.name}") for one in plan.runs)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "create", create)
    assert main(["sweep", *SETS, "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("spyke-sweep-")


def test_a_secret_is_in_no_name_and_not_printed(created: list[str], capsys: Captured) -> None:
    assert main(["sweep", "--set", "env.HF_TOKEN=hf_aaaaaaaaaaaa,hf_bbbbbbbbbbbb", "--yes"]) == 2
    assert "env.HF_TOKEN is a secret" in capsys.readouterr().err
    assert main(["sweep", *SETS, "--set", "env.HF_TOKEN=hf_aaaaaaaaaaaa", "--yes"]) == 0
    told = capsys.readouterr()
    assert "hf_aaaa" not in told.out + told.err + "".join(created)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to combine"),
        (["--set", "network_dim=4"], "nothing to combine"),
        (["--set", "network_dim=4,x"], "spyke-dim-x is not valid"),
        (["--set", "network_dim=4,8", "--set", "network_dim=2"], "network_dim is set twice"),
        (["--set", "network_dim=4,8", "--config", "nothing.toml"], "no nothing.toml in"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], said: str, capsys: Captured) -> None:
    assert main(["sweep", *words, "--yes"]) in (2, 3)
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == 1
