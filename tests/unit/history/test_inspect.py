"""The numbers of every recorded run, as `plasma-tui inspect` gives them."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from runner.history.imported_runs.from_log import run_of_log
from runner.history.inspect import inspect_log, parse_exit
from runner.history.review.checklist import checklist
from runner.history.review.gather import review_of
from runner.model import Outcome
from tests import DATA

RUNS = DATA / "runs"
KEYS = {
    *("outcome", "cause", "steps_seen", "total_steps", "batches_per_epoch", "epochs", "images"),
    *("device", "last_average_loss", "first_nonfinite_step", "checkpoints", "unknown_lines"),
}
EXPECTED = json.loads((DATA / "expected" / "runs.json").read_text())


@pytest.mark.parametrize("log", sorted(RUNS.glob("*.log")), ids=lambda p: p.stem)
def test_numbers_of_recorded_runs(log: Path) -> None:
    seen = inspect_log(log, EXPECTED[log.name].get("exit")).to_json()
    expected = {k: v for k, v in EXPECTED[log.name].items() if k != "exit"}
    seen["cause"] = seen["cause"] and seen["cause"]["key"]
    assert {k: seen[k] for k in expected} == expected
    assert set(seen) >= KEYS
    assert seen["unknown_lines"] == 0
    json.dumps(seen, allow_nan=False)


def test_every_recorded_run_has_its_numbers_written_down() -> None:
    assert set(EXPECTED) == {log.name for log in RUNS.glob("*.log")}


@pytest.mark.parametrize(
    ("log", "folder", "step"),
    [("nan_step1", "nan_step1", 2), ("seed_full", "seed_full", None)],
)
def test_exact_losses_from_event_files(log: str, folder: str, step: int | None) -> None:
    report = inspect_log(RUNS / f"{log}.log", "code:0", DATA / "tensorboard" / folder)
    assert report.first_nonfinite_step == step


def test_exact_losses_tell_what_the_console_hides(tmp_path: Path) -> None:
    """The average of a resumed run is shown by the bar's clock, the event file has another."""
    log = tmp_path / "a.log"
    text = (RUNS / "nan_step1.log").read_text(encoding="utf-8")
    log.write_text(text.replace("avr_loss=nan", "avr_loss=1.0"), encoding="utf-8")
    assert inspect_log(log, "code:0").outcome is Outcome.SUCCEEDED
    report = inspect_log(log, "code:0", DATA / "tensorboard" / "nan_step1")
    assert report.outcome is Outcome.DIVERGED


@pytest.mark.parametrize("text", ["1", "code", "code:x", "killed", ""])
def test_an_exit_that_is_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match="use code:1 or signal:9"):
        inspect_log(RUNS / "tiny_nan.log", text)


def test_forms_of_an_exit() -> None:
    assert parse_exit("code:0") == (0, None)
    assert parse_exit("signal:9") == (None, 9)
    assert parse_exit(None) == (None, None)


def test_an_empty_log_is_judged_too(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"")
    report = inspect_log(log)
    assert (report.steps_seen, report.device, report.checkpoints) == (0, None, ())
    assert report.outcome is Outcome.KILLED


def test_of_several_attempts_the_last_one_counts(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(
        b"--- plasma-tui attempt 1 ---\n"
        + (RUNS / "tiny_first_run_killed.log").read_bytes()
        + b"\n--- plasma-tui attempt 2 ---\n"
        + (RUNS / "tiny_resume_skip.log").read_bytes()
    )
    report = inspect_log(log, "code:0")
    assert (report.outcome, report.steps_seen) == (Outcome.SUCCEEDED, 520)
    assert report.checkpoints[:2] == ("zed-step00000200.safetensors", "zed-000001.safetensors")
    assert len(report.checkpoints) == 7


def test_a_big_log_is_read_in_bounded_memory(tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    block = (RUNS / "seed_full.log").read_bytes()
    with log.open("wb") as stream:
        for _ in range(40):
            stream.write(block)
        stream.write(b"x" * 3_000_000)
    inspect_log(RUNS / "seed_full.log")
    tracemalloc.start()
    report = inspect_log(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.steps_seen == 40
    assert peak < 4_000_000


def test_paths_of_windows(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("saving checkpoint: D:\\loras\\zed-000001.safetensors\n")
    assert inspect_log(log).checkpoints == ("zed-000001.safetensors",)


def test_a_report_holds_the_largest_step_the_first_bad_one_and_the_last_average(
    tmp_path: Path,
) -> None:
    """Whatever states of the bar lie between."""
    shown = [(1, "0.5"), (2, "nan"), (3, "nan"), (9, "0.4"), (4, "0.3"), (5, "0.25")]
    bars = [f"steps: 1%|# | {n}/20 [00:01<00:10, 1.0s/it, avr_loss={loss}]" for n, loss in shown]
    log = tmp_path / "a.log"
    log.write_text("\r".join(bars) + "\n")
    report = inspect_log(log)
    assert (report.steps_seen, report.first_nonfinite_step) == (9, 2)
    assert report.last_average_loss == 0.25


def test_a_log_that_was_not_understood_fails_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "home"))
    log = tmp_path / "a.log"
    strange = "".join(f"[step {n} of 800] err 0.1\n" for n in range(300))
    log.write_text(f"running training\n  total optimization steps: 800\n{strange}model saved.\n")
    assert inspect_log(log).outcome is None
    run = run_of_log(log)
    review = review_of(run)
    assert review.snapshot.outcome is None
    points = {line.name: line for line in checklist(review)}
    assert "not understood" in points["ended"].evidence
    assert {points[name].status for name in ("ended", "last_loss", "steps")} == {"skip"}
