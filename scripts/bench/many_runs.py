"""A home of thousands of synthetic runs, as supervisors leave them: for lists of runs.

.venv/bin/python -m scripts.bench.many_runs COUNT      (into $PLASMA_HOME, which must be given)
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from pathlib import Path

import msgspec

from runner.model import (
    AttemptStatus,
    Checkpoint,
    ExitRecord,
    ExpectedCheckpoint,
    Forecast,
    KeeperRecord,
    Label,
    Outcome,
    Phase,
    RunSpec,
    RunState,
    Status,
)
from runner.store.rundir import RunDir, runs_root

STEPS, EVERY = 920, 200
PROJECTS = ("spyke", "anna-style", "watercolour", "mecha", "cosy-rooms", "product-shots")
TAGS = ("good", "keep", "too-hot", "client", "redo")
OUTCOMES = (*[Outcome.SUCCEEDED] * 7, Outcome.DIVERGED, Outcome.FAILED, Outcome.STOPPED)
#: apart in time, so that ids sort
GAP_S = 3_700.0


def make_runs(count: int, seed: int = 5) -> list[Path]:
    """Write `count` ended runs into the home, oldest first. Nothing has been trained."""
    dice = random.Random(seed)
    first = time.time() - count * GAP_S - 60
    return [_make(number, first + number * GAP_S, dice) for number in range(count)]


def _make(number: int, at: float, dice: random.Random) -> Path:
    project = dice.choice(PROJECTS)
    name = f"{project}_v{number}"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
    run = RunDir(runs_root() / f"{stamp}-{project}-v{number}-{dice.randrange(65536):04x}")
    run.path.mkdir(mode=0o700, parents=True)
    outcome = dice.choice(OUTCOMES)
    step = STEPS if outcome is Outcome.SUCCEEDED else dice.randrange(30, STEPS)
    spec = _spec(run.id, name, project, at)
    status = _status(spec, outcome, step, dice)
    _write(run.spec, spec)
    _write(run.status, status)
    _write(run.exit, ExitRecord(1, 0, None, at + step * 3.1))
    _write(run.keeper, KeeperRecord(1, 999_999_991, 999_999_992, 999_999_992, at))
    run.lock.touch()
    if number % 5 == 0:
        tags = tuple(dice.sample(TAGS, dice.randrange(1, 3)))
        _write(
            run.label, Label(f"{project} take {number}", tags, "the eyes are better than before")
        )
    # as if it had lain there for long: entries of a cache trust no folder that has just changed
    os.utime(run.path, (at + 3_000, at + 3_000))
    return run.path


def _write(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.encode(value))


def _spec(run_id: str, name: str, project: str, at: float) -> RunSpec:
    folder = f"/home/someone/trainings/{project}"
    expected = [
        ExpectedCheckpoint(f"{name}-step{s:08d}.safetensors", s, None, f"{name}-step{s:08d}-state")
        for s in range(EVERY, STEPS, EVERY)
    ]
    command = (
        "accelerate", "launch", "--num_cpu_threads_per_process=4", "train_network.py",
        f"--dataset_config={folder}/dataset.toml", f"--output_dir={folder}/output",
        f"--output_name={name}", "--save_every_n_steps=200", "--save_state",
        "--max_train_epochs=4", "--network_module=networks.lora", "--network_dim=32",
        "--network_alpha=16", "--optimizer_type=AdamW8bit", "--learning_rate=0.0001",
        "--lr_scheduler=cosine", "--mixed_precision=fp16", "--seed=42",
    )  # fmt: skip
    forecast = Forecast(
        images=23, reg_images=0, batches_per_epoch=230, epochs=4, steps=STEPS,
        checkpoints=(*expected, ExpectedCheckpoint(f"{name}.safetensors", STEPS)),
        final=f"{name}.safetensors", size_bytes=5 * 72_100_000, command=command,
        sources={"images": "dataset.toml: 23 files", "steps": "23 images x 10 repeats x 4 epochs"},
    )  # fmt: skip
    text = "\n".join(f"{word[2:].replace('=', ' = ', 1)}" for word in command if "=" in word)
    return RunSpec(
        id=run_id, name=name, command=command, cwd=folder, env={"PYTHONUNBUFFERED": "1"},
        created_at=at, host=socket.gethostname(), output_dir=f"{folder}/output", output_name=name,
        config_path=f"{folder}/plasma.toml", config_text=text, forecast=forecast,
        versions={"sd_scripts": "v0.10.1 48d368fa", "torch": "2.5.1", "plasma-tui": "0.6.0"},
    )  # fmt: skip


def _status(spec: RunSpec, outcome: Outcome, step: int, dice: random.Random) -> Status:
    name, folder, at = spec.output_name, spec.output_dir, spec.created_at
    loss = 0.08 + 0.05 * dice.random()
    files = [
        Checkpoint(
            f"{name}-step{s:08d}.safetensors", f"{folder}/{name}-step{s:08d}.safetensors", s, None, 1,
            at + s * 3.1, 72_100_000, True, True, None, f"{folder}/{name}-step{s:08d}-state", True,
            loss + 0.02, rank=32, alpha=16.0, norm=0.9, norm_largest=2.1, norm_change=0.04,
        )
        for s in range(EVERY, step + 1, EVERY)
    ]  # fmt: skip
    if outcome is Outcome.SUCCEEDED:
        final = f"{name}.safetensors"
        files.append(
            Checkpoint(
                final, f"{folder}/{final}", STEPS, 4, 1, at + STEPS * 3.1, 72_100_000, True, True,
                loss=loss, rank=32, alpha=16.0, final=True, norm=1.1, norm_largest=2.3,
            )
        )  # fmt: skip
    end = at + step * 3.1 + 30
    return Status(
        state=RunState.ENDED, attempt=1, heartbeat_at=end, phase=Phase.FINISHED, outcome=outcome,
        step=step, total_steps=STEPS, epoch=(step - 1) // 230 + 1, epochs=4, batches_per_epoch=230,
        device="cuda", loss=loss * 1.1, average=loss, seconds_per_step=3.1, started_at=at + 2,
        ended_at=end, trained_s=step * 3.1, attempts=(AttemptStatus(1, at + 2, 1, step),),
        checkpoints=tuple(files), safe_step=step // EVERY * EVERY,
    )  # fmt: skip


if __name__ == "__main__":
    if not os.environ.get("PLASMA_HOME"):
        sys.exit("set PLASMA_HOME: this writes thousands of runs into it")
    made = make_runs(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
    print(f"{len(made)} runs in {runs_root()}")
