"""Far too slow from the first step: by earlier runs that are comparable, and by nothing else."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.analysis.guard_pace import PaceWatch
from runner.analysis.usual_pace import Likeness, UsualPace, usual_pace
from runner.model import AlarmKind, HardwareUse, RunSpec, RunState, Status
from runner.store.journal import write_json
from runner.store.rundir import runs_root
from tests.unit.analysis.guard_feed import Feed, noisy, series

DATASET = "[[datasets]]\nresolution = {}\nbatch_size = {}\n[[datasets.subsets]]\nimage_dir = '{}'\n"


def spec(run_id: str, *flags: str, **more: Any) -> RunSpec:
    command = ("python", "train_network.py", "--network_dim=8", "--resolution=512", *flags)
    return RunSpec(run_id, "x", command, "/", {}, 1.0, "here", **more)


def ran(run_id: str, seconds: float, *flags: str, steps: int = 400, **more: Any) -> None:
    folder = runs_root() / run_id
    folder.mkdir(parents=True)
    device = more.pop("device", "cuda:0")
    use = HardwareUse(gpu_name=more.pop("gpu", "RTX 3060"))
    state = more.pop("state", RunState.ENDED)
    write_json(folder / "spec.json", spec(run_id, *flags, **more))
    status = Status(
        state, 1, 0.0, step=steps, seconds_per_step=seconds, device=device, hardware=use
    )
    write_json(folder / "status.json", status)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))


def usual(own: RunSpec, device: str = "cuda", gpu: str = "RTX 3060") -> UsualPace | None:
    return usual_pace(Likeness.of(own, own.command), device, gpu, runs_root() / own.id)


def test_the_median_of_comparable_runs_counts() -> None:
    for n, seconds in enumerate((1.0, 1.2, 9.0)):
        ran(f"2026112{n}-140311-a-000{n}", seconds, f"--seed={n}", f"--learning_rate=1e-{n + 3}")
    found = usual(spec("20261130-140311-b-0009", "--max_train_epochs=9"))
    assert found == UsualPace("20261122-140311-a-0002", 1.2)


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        (("--resolution=1024",), {}),
        (("--train_batch_size=4",), {}),
        (("--gradient_checkpointing",), {}),
        ((), {"steps": 5}),
        ((), {"device": "cpu"}),
        ((), {"gpu": "RTX 4090"}),
        ((), {"host": "elsewhere"}),
        ((), {"origin": "inspected"}),
        ((), {"state": RunState.RUNNING}),
        (("--config_file=a.toml",), {}),
        (("--dataset_config=a.toml",), {"dataset_text": None}),
        (("--dataset_config=a.toml",), {"dataset_text": DATASET.format(1024, 1, "a")}),
    ],
)
def test_other_runs_are_not_compared(flags: tuple[str, ...], changes: dict[str, Any]) -> None:
    host = changes.pop("host", None)
    ran("20261120-140311-a-0001", 1.0, *flags, **changes)
    own = spec("20261130-140311-b-0009")
    own = replace(own, host=host) if host else own
    if "--dataset_config=a.toml" in flags:
        own = replace(
            own,
            command=(*own.command, "--dataset_config=a.toml"),
            dataset_text=DATASET.format(512, 1, "b"),
        )
    assert usual(own) is None


def test_the_same_sizes_of_other_images_are_comparable() -> None:
    text = DATASET.format(512, 2, "a")
    ran("20261120-140311-a-0001", 1.0, "--dataset_config=a.toml", dataset_text=text)
    own = spec(
        "20261130-140311-b-0009", "--dataset_config=b.toml", dataset_text=text.replace("'a'", "'b'")
    )
    assert usual(own) is not None


def test_looking_through_many_runs_is_quick() -> None:
    for n in range(300):
        ran(f"20261120-140311-a-{n:04d}", 1.0, "--resolution=768")
    began = time.monotonic()
    assert usual(spec("20261130-140311-b-0009")) is None
    assert time.monotonic() - began < 5


# ------------------------------------------------------------------ the alarm


def slow_start(usual_s: float | None, step_s: float, *, spills: bool = False) -> Feed:
    feed = Feed()
    feed.guard.usual = UsualPace("run-a", usual_s) if usual_s is not None else None
    feed.guard.spills = spills
    feed.more = {AlarmKind.GPU_MEMORY_LOW: "the GPU has 0.1 GB left"} if spills else {}
    feed.train(series(noisy(), 60), step_s=step_s)
    return feed


def test_steps_far_slower_than_before_raise_an_alarm_that_says_what_was_compared() -> None:
    feed = slow_start(2.0, 20.0)
    assert AlarmKind.SLOW_START in feed.raised
    text = feed.standing(AlarmKind.SLOW_START).text
    assert "20 s/step" in text and "run run-a on this machine" in text and "2.0" in text


@pytest.mark.parametrize(("usual_s", "step_s"), [(2.0, 5.0), (None, 60.0), (30.0, 20.0)])
def test_a_little_slower_or_without_a_comparison_there_is_none(
    usual_s: float | None, step_s: float
) -> None:
    assert AlarmKind.SLOW_START not in slow_start(usual_s, step_s).raised


def test_a_full_gpu_that_spills_is_one_reason() -> None:
    assert (
        "spills into main memory"
        in slow_start(2.0, 20.0, spills=True).standing(AlarmKind.SLOW_START).text
    )
    assert AlarmKind.SLOW_START in slow_start(None, 20.0, spills=True).raised
    assert AlarmKind.SLOW_START not in slow_start(None, 2.0, spills=True).raised


def test_the_warm_up_is_not_counted() -> None:
    watch = PaceWatch()
    at = 0.0
    for step in range(60):
        watch.look(step, at)
        at += 120.0 if step < 3 else 2.0
    assert watch.fastest_s == pytest.approx(2.0, rel=0.1)
