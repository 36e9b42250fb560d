"""The smoke test's verdict and the gate before the long run."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.smoke import smoke_passed, smoke_verdict
from runner.config.model import Config
from runner.control import begin
from runner.control.gate import approve, gate_status
from runner.control.orders import Refused
from runner.model import (
    Checkpoint,
    Expectation,
    HardwareSample,
    LossBucket,
    LossSeries,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import step_row, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.sd_scripts.settings_key import settings_key

PROJECT = """
name = "spyke"
[trainer]
sd_scripts = "embedded"
[train]
pretrained_model_name_or_path = "builtin"
dataset_config = "dataset.toml"
output_dir = "out"
output_name = "spyke"
network_module = "networks.lora"
learning_rate = 1e-3
max_train_epochs = 4
[smoke]
max_train_steps = 5
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "plasma.toml").write_text(PROJECT)
    (tmp_path / "dataset.toml").write_text("[general]\n")
    return begin.load(tmp_path / "plasma.toml")


def smoke_run(config: Config, **more: object) -> RunDir:
    run = RunDir(runs_root() / new_run_id("spyke smoke"))
    run.path.mkdir(parents=True)
    spec = RunSpec(
        id=run.id, name="spyke smoke", command=("python", "x.py"), cwd="/", env={}, created_at=time.time(),
        host="h", smoke=True, settings_key=settings_key(config),
    )  # fmt: skip
    write_json(run.spec, spec)
    write_json(run.status, replace(good_status(), **more))  # type: ignore[arg-type]
    run.steps.write_bytes(b"".join(step_row(n, n * 1.0, 0.5, None, None, 1) for n in range(1, 6)))
    return run


def good_status() -> Status:
    checkpoint = Checkpoint(
        "smoke_test.safetensors", "/s/smoke_test.safetensors", 5, None, 1, 1.0,
        size_bytes=159_464, complete=True, finite=True, final=True,
    )  # fmt: skip
    return Status(
        RunState.ENDED, 1, 1.0, outcome=Outcome.SUCCEEDED, step=5, total_steps=5, device="mps",
        seconds_per_step=3.0, started_at=1.0, ended_at=31.0, checkpoints=(checkpoint,),
    )  # fmt: skip


def snapshot(status: Status, gpu: float | None = 90.0, device: str | None = "mps") -> RunSnapshot:
    spec = RunSpec(
        id="s", name="s", command=(), cwd="/", env={}, created_at=1.0, host="h", smoke=True,
        expect=Expectation(device=device),
    )  # fmt: skip
    buckets = tuple(LossBucket(n, n, 0.5, 0.5, 0.5, 0.5, 1, 0) for n in range(1, 6))
    loss = LossSeries(buckets, 1, 5, 0.5, 0.5, status.first_nonfinite_step, 5, True, 1)
    gauges = (HardwareSample(1.0, gpu_percent=gpu, tree_memory_bytes=10**9),)
    return RunSnapshot(
        "s", "/s", 2.0, status.state, spec, status, status.outcome, loss=loss, hardware=gauges
    )


def failing(found: RunSnapshot) -> set[str]:
    return {line.name for line in smoke_verdict(found) if line.status == "fail"}


def test_a_good_smoke_test_passes_line_by_line() -> None:
    found = snapshot(good_status())
    assert failing(found) == set()
    assert smoke_passed(found)
    assert len(smoke_verdict(found)) == 7


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"device": "cpu"}, "smoke_device"),
        ({"device": None}, "smoke_device"),
        ({"first_nonfinite_step": 1}, "smoke_losses"),
        ({"checkpoints": ()}, "smoke_file"),
        ({"outcome": Outcome.FAILED}, "smoke_trained"),
    ],
)
def test_each_thing_that_can_be_wrong_fails_its_line(change: dict[str, object], line: str) -> None:
    found = snapshot(replace(good_status(), **change))  # type: ignore[arg-type]
    assert line in failing(found)
    assert not smoke_passed(found)


def test_nan_from_step_1_names_its_usual_cause() -> None:
    lines = smoke_verdict(snapshot(replace(good_status(), first_nonfinite_step=1)))
    assert any("no_half_vae" in line.detail for line in lines)


def test_an_idle_gpu_fails_and_an_unmeasured_one_is_said_to_be_so() -> None:
    assert "smoke_gpu" in failing(snapshot(good_status(), gpu=3.0))
    lines = smoke_verdict(snapshot(good_status(), gpu=None))
    assert [line.status for line in lines if line.name == "smoke_gpu"] == ["warn"]


def test_an_unfinished_test_has_no_verdict() -> None:
    running = replace(good_status(), state=RunState.RUNNING, outcome=None)
    assert smoke_verdict(snapshot(running)) == ()
    assert not smoke_passed(snapshot(running))


def test_the_gate_opens_only_after_a_passed_and_approved_test(config: Config) -> None:
    closed = gate_status(config)
    assert (closed.needed, closed.open) == (True, False)
    assert "no smoke test" in closed.text
    run = smoke_run(config)
    waiting = gate_status(config)
    assert (waiting.open, waiting.smoke_passed, waiting.smoke_run) == (False, True, run.id)
    given = approve(run.path, "looks right")
    opened = gate_status(config)
    assert opened.open
    assert opened.approval == given
    assert given.smoke_run == run.id
    assert len(given.verdict) == 7


def test_an_approval_holds_for_longer_runs_but_not_for_other_settings(config: Config) -> None:
    approve(smoke_run(config).path)
    longer = config.changed({"max_train_epochs": 8, "output_name": "b", "save_every_n_steps": 50})
    assert gate_status(longer).open
    assert not gate_status(config.changed({"learning_rate": 1e-2})).open
    Path(str(config.train["dataset_config"])).write_text("[general]\nshuffle_caption = true\n")
    assert not gate_status(config).open


def test_a_test_that_did_not_pass_cannot_be_approved(config: Config) -> None:
    run = smoke_run(config, first_nonfinite_step=1, loss=math.nan, outcome=Outcome.DIVERGED)
    assert "did not pass" in gate_status(config).text
    with pytest.raises(Refused, match="did not pass"):
        approve(run.path)


def test_only_smoke_tests_are_approved(config: Config) -> None:
    run = smoke_run(config)
    spec = RunSpec(id=run.id, name="x", command=(), cwd="/", env={}, created_at=1.0, host="h")
    write_json(run.spec, spec)
    with pytest.raises(Refused, match="not a smoke test"):
        approve(run.path)


def test_a_start_is_refused_while_the_gate_is_closed(config: Config) -> None:
    with pytest.raises(begin.GateClosed, match="start --smoke"):
        begin.start(config)


def test_a_gate_that_is_off_asks_nothing(config: Config) -> None:
    off = replace(config, smoke=replace(config.smoke, gate=False))
    assert gate_status(off).open
    assert not gate_status(off).needed
