"""What is left of a run when it ends, whatever befalls the writing of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.history import summary as writing
from runner.history.summary import summary_text, write_summary
from runner.model import Outcome, RunState
from runner.store.journal import step_row, write_json
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tests import ROOT
from tests import builders as b


def ended_run(folder: Path, steps: int = 920, **changes: object) -> RunDir:
    run = RunDir(folder / "20261121-182911-spyke-7f3a")
    run.path.mkdir(parents=True)
    shown = b.ended(Outcome.SUCCEEDED, steps)
    write_json(run.spec, replace(shown.spec, output_dir=str(folder), **changes))  # type: ignore[arg-type,type-var]
    write_json(run.status, replace(shown.status, step=steps))  # type: ignore[type-var]
    run.steps.write_bytes(
        b"".join(step_row(n, n * 0.5, 0.1 + 1 / n, 0.1, 1e-4, 1) for n in range(1, steps + 1))
    )
    return run


def final_of(run: RunDir):  # type: ignore[no-untyped-def]
    status = RunReader(run.path).read_all().status
    assert status is not None
    return replace(status, state=RunState.ENDED, outcome=Outcome.SUCCEEDED)


def test_the_summary_has_the_verdict_that_is_about_to_be_written(tmp_path: Path) -> None:
    run = ended_run(tmp_path)
    final = replace(final_of(run), outcome=Outcome.DIVERGED, reasons=("it burst",))
    write_summary(run, final)
    assert json.loads(run.summary_json.read_text())["outcome"] == "diverged"
    text = run.summary_md.read_text()
    assert "It burst." in text and "┤" in text
    assert [p.name for p in run.path.iterdir() if p.name.startswith(".")] == []


def test_a_child_that_cannot_run_leaves_the_short_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ended_run(tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    write_summary(run, final_of(run))
    text = run.summary_md.read_text()
    assert "succeeded, 920 of 920 steps" in text and "short summary" in text
    assert json.loads(run.summary_json.read_text())["outcome"] == "succeeded"


def test_a_child_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended_run(tmp_path)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    began = time.monotonic()
    write_summary(run, final_of(run), limit_s=0.3)
    assert time.monotonic() - began < 10
    assert "succeeded, 920 of 920 steps" in run.summary_md.read_text()


def test_a_plotter_that_ends_its_process_costs_the_plot_alone(tmp_path: Path) -> None:
    run = ended_run(tmp_path)
    code = (
        "import os, runner.history.plot as p; p._draw = lambda *a: os.abort()\n"
        "import sys; from runner.history.summary import main; sys.exit(main(sys.argv[1:]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(run.path)], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
    )
    assert ran.returncode != 0
    assert "## Loss" in run.summary_md.read_text() and run.summary_json.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for the peak of memory")
def test_a_run_of_200000_steps_is_read_in_time_and_in_little_memory(tmp_path: Path) -> None:
    run = ended_run(tmp_path, 200_000)
    code = (
        "import sys; from pathlib import Path; from runner.history.summary import summary_text\n"
        "from tests.speed import cpu_ratio; print(cpu_ratio(lambda: summary_text(Path(sys.argv[1]))))\n"
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, str(run.path)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    units, peak_kb = map(float, ran.stdout.split())
    assert units < 1000  # usually 400
    assert peak_kb * 1024 < 150e6


def test_the_copy_beside_the_checkpoints_replaces_nothing_of_anybody(tmp_path: Path) -> None:
    run = ended_run(tmp_path, summary_beside=True)
    final, beside = final_of(run), tmp_path / "spyke-summary.md"
    write_summary(run, final)
    assert beside.read_text() == run.summary_md.read_text()
    write_summary(run, replace(final, reasons=("again",)))
    assert "Again." in beside.read_text()
    other = beside.read_text().replace(f'run: "{run.id}"', 'run: "20260101-000000-other-0000"')
    for text in ("my own notes\n", other, "", f'run: "{run.id}"\n'):
        beside.write_text(text)
        write_summary(run, final)
        assert beside.read_text() == text
    beside.unlink()
    beside.symlink_to(tmp_path / "elsewhere.md")
    write_summary(run, final)
    assert beside.is_symlink() and not (tmp_path / "elsewhere.md").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_without_the_output_folder_the_summary_is_written_all_the_same(tmp_path: Path) -> None:
    run = ended_run(tmp_path, summary_beside=True)
    spec = json.loads(run.spec.read_text()) | {"output_dir": str(tmp_path / "gone")}
    run.spec.write_text(json.dumps(spec))
    write_summary(run, final_of(run))
    assert run.summary_md.exists() and not (tmp_path / "gone").exists()
    assert "cannot be checked" in run.summary_md.read_text()


@pytest.mark.parametrize("missing", ["spec.json", "status.json", "steps.jsonl", "all"])
def test_half_runs_are_told_and_crash_nothing(tmp_path: Path, missing: str) -> None:
    run = ended_run(tmp_path)
    for path in list(run.path.iterdir()):
        if missing in (path.name, "all"):
            path.unlink()
    text = summary_text(run.path)
    assert text.startswith("---\nplasma_tui_summary: ")


def test_runs_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Their files lack every field that came later."""
    run = ended_run(tmp_path)
    spec, status = json.loads(run.spec.read_text()), json.loads(run.status.read_text())
    needed = ("id", "name", "command", "cwd", "env", "created_at", "host")
    run.spec.write_text(json.dumps({k: spec[k] for k in needed}))
    status = {k: status[k] for k in ("state", "attempt", "heartbeat_at", "outcome", "step")}
    run.status.write_text(json.dumps(status))
    text = summary_text(run.path)
    assert "succeeded, 920 steps" in text and "## Loss" in text


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    run = ended_run(tmp_path)
    run.events.write_bytes(b'{"at": 1.0\n\x00\xff\n')
    text = summary_text(run.path)
    assert "events.jsonl: 2 unreadable lines skipped" in text


def test_losses_that_are_not_finite_never_reach_the_plotter(tmp_path: Path) -> None:
    run = ended_run(tmp_path)
    rows = [
        step_row(n, n * 0.5, math.nan if n % 2 else math.inf, None, None, 1) for n in range(1, 50)
    ]
    run.steps.write_bytes(b"".join(rows))
    text = " ".join(summary_text(run.path).split())
    assert "49 of 49 losses NaN" in text and "┤" not in text


def test_the_front_matter_names_the_run_of_a_summary(tmp_path: Path) -> None:
    run = ended_run(tmp_path)
    write_summary(run, final_of(run))
    assert writing.run_of(run.summary_md) == run.id
    assert writing.run_of(tmp_path / "none.md") is None
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert writing.run_of(fifo) is None
