"""Synthetic snapshots for the tests of the screen: the shapes of `runner.model`, filled to order."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from runner.model import (
    AttemptStatus,
    BlockNorm,
    Cause,
    Checkpoint,
    CheckResult,
    ExpectedCheckpoint,
    Forecast,
    HardwareSample,
    LossBucket,
    LossSeries,
    Outcome,
    Phase,
    RunListing,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)

#: the clock of all synthetic snapshots
NOW = 1_795_285_000.0
RUN_ID = "20261121-182911-spyke-7f3a"


def losses(steps: int, seed: int = 1, spike_at: int | None = None) -> list[float]:
    """A noisy falling loss, as diffusion trainings have it."""
    noise = random.Random(seed)
    values = [
        (0.085 + 0.11 * math.exp(-step / 260)) * (0.6 + 0.8 * noise.random())
        for step in range(1, steps + 1)
    ]
    if spike_at is not None:
        values[spike_at - 1] = 0.9
    return values


def series(
    values: list[float], *, per_step_s: float | None = 3.1, exact: bool = True, fold: int = 1
) -> LossSeries:
    """Buckets of `fold` steps with a bias-corrected exponential average of weight 0.97."""
    buckets: list[LossBucket] = []
    average = weight = 0.0
    first_bad: int | None = None
    for start in range(0, len(values), fold):
        part = values[start : start + fold]
        finite = [value for value in part if math.isfinite(value)]
        for value in finite:
            average, weight = 0.97 * average + 0.03 * value, 0.97 * weight + 0.03
        if len(finite) < len(part) and first_bad is None:
            first_bad = start + 1 + next(i for i, v in enumerate(part) if not math.isfinite(v))
        last = start + len(part)
        buckets.append(
            LossBucket(
                start + 1,
                last,
                min(finite, default=None),
                max(finite, default=None),
                sum(finite) / len(finite) if finite else None,
                _smoothed(average, weight, part[-1]),
                len(part),
                len(part) - len(finite),
                last * per_step_s if per_step_s is not None else None,
            )
        )
    return LossSeries(
        buckets=tuple(buckets),
        first_step=1 if values else None,
        last_step=len(values) or None,
        last=values[-1] if values else None,
        smooth=_smoothed(average, weight, values[-1]) if values else None,
        first_nonfinite_step=first_bad,
        rows=len(values),
        exact=exact,
        version=len(values),
    )


def _smoothed(average: float, weight: float, last: float) -> float | None:
    """NaN where the last loss is not finite, as in `runner.store.series`."""
    if not math.isfinite(last):
        return math.nan
    return average / weight if weight else None


def forecast(total: int = 920, every: int = 200, epochs: int = 4, name: str = "spyke") -> Forecast:
    expected = [
        ExpectedCheckpoint(
            f"{name}-step{step:08d}.safetensors", step, state_name=f"{name}-step{step:08d}-state"
        )
        for step in range(every, total + 1, every)
    ]
    expected.append(ExpectedCheckpoint(f"{name}.safetensors", total))
    return Forecast(
        images=23,
        reg_images=0,
        batches_per_epoch=total // epochs,
        epochs=epochs,
        steps=total,
        checkpoints=tuple(expected),
        final=f"{name}.safetensors",
        size_bytes=len(expected) * 72_100_000,
        command=("python", "train_network.py"),
    )


def spec(**changes: object) -> RunSpec:
    made = RunSpec(
        id=RUN_ID,
        name="spyke_plasma_v1",
        command=("accelerate", "launch", "train_network.py"),
        cwd="/project",
        env={},
        created_at=NOW - 1400,
        host="studio",
        output_dir="/project/output",
        output_name="spyke",
        forecast=forecast(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def checkpoint(step: int, **changes: object) -> Checkpoint:
    made = Checkpoint(
        name=f"spyke-step{step:08d}.safetensors",
        path=f"/project/output/spyke-step{step:08d}.safetensors",
        step=step,
        epoch=None,
        attempt=1,
        saved_at=NOW - (412 - min(412, step)) * 3.1,
        size_bytes=72_100_000,
        complete=True,
        finite=True,
        state_path=f"/project/output/spyke-step{step:08d}-state",
        state_complete=True,
        loss=0.085 + 0.11 * math.exp(-step / 260),
        rank=32,
        alpha=16.0,
        norms=norms(step),
        norm=0.9 * step**0.5 / 30,
        norm_largest=2.1 * step**0.5 / 30,
        norm_change=(step / (step - 200)) ** 0.5 - 1 if step > 200 else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def norms(step: int) -> tuple[BlockNorm, ...]:
    """Of a network that grows with the root of its steps."""
    size = step**0.5 / 30
    unet = [(f"unet down {i}", 0.7 + 0.1 * i, 4 * 6) for i in range(4)]
    unet += [("unet mid", 1.2, 6)]
    unet += [(f"unet up {i}", 1.1 - 0.1 * i, 6 * 6) for i in range(4)]
    blocks = [("text encoder", 0.4, 72), *unet]
    return tuple(
        BlockNorm(name, size * scale, size * scale * 2.2, count) for name, scale, count in blocks
    )


def status(step: int = 412, **changes: object) -> Status:
    made = Status(
        state=RunState.RUNNING,
        attempt=1,
        heartbeat_at=NOW - 0.4,
        phase=Phase.TRAINING,
        phase_since=NOW - 1270,
        step=step,
        total_steps=920,
        epoch=(step - 1) // 230 + 1 if step else None,
        epochs=4,
        batches_per_epoch=230,
        device="mps",
        loss=0.0934,
        average=0.0931,
        seconds_per_step=3.1,
        eta_s=(920 - step) * 3.1,
        started_at=NOW - 1390,
        trained_s=step * 3.1,
        safe_step=step // 200 * 200,
        attempts=(AttemptStatus(1, NOW - 1390, 1, step),),
        checkpoints=tuple(checkpoint(at) for at in range(200, step + 1, 200)),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


CHECKS = (
    CheckResult("sd_scripts", "pass", "v0.10.1, 48d368fa", title="sd-scripts"),
    CheckResult("device", "pass", "mps, torch 2.5.1"),
    CheckResult("precision", "pass", "no, float32"),
    CheckResult("base_model", "pass", "SD 1.5, 2.0 GB, whole"),
    CheckResult("dataset", "pass", "23 images, 23 captions"),
    CheckResult("trigger", "pass", "first in 23 of 23"),
    CheckResult("steps", "warn", "1840, not 920: reg images"),
    CheckResult("output", "pass", "writable, 61 GB free"),
    CheckResult("gpu_users", "warn", "ComfyUI holds 2.1 GB", title="GPU users"),
    CheckResult("logout", "pass", "survives (own session)"),
    CheckResult("smoke_test", "skip", "not run"),
)


def hardware(count: int = 120, gpu: bool = True) -> tuple[HardwareSample, ...]:
    wave = [0.5 + 0.5 * math.sin(i / 7) for i in range(count)]
    return tuple(
        HardwareSample(
            at=NOW - 2 * (count - 1 - i) - 0.5,
            cpu_percent=30 + 10 * wave[i],
            memory_used_bytes=int((10.2 + wave[i]) * 1024**3),
            memory_total_bytes=16 * 1024**3,
            swap_used_bytes=600 * 1024**2,
            swap_total_bytes=2 * 1024**3,
            tree_cpu_percent=140.0,
            tree_memory_bytes=int(5.4 * 1024**3),
            tree_processes=3,
            disk_free_bytes=61_000_000_000,
            gpu_percent=88 + 8 * wave[i] if gpu else None,
            gpu_memory_used_bytes=int(7.9 * 1024**3) if gpu else None,
            gpu_memory_total_bytes=16 * 1024**3 if gpu else None,
            reasons={} if gpu else {"gpu_percent": "no NVIDIA driver on this machine"},
        )
        for i in range(count)
    )


CONSOLE = (
    "2026-11-21 18:50:59 INFO     epoch is incremented. current_epoch: 1, epoch: 2",
    "epoch 2/4",
    "saving checkpoint: /project/output/spyke-step00000400.safetensors",
    "2026-11-21 18:51:02 INFO     saving state at step 400",
    "2026-11-21 18:51:03 INFO     Random states saved in /project/output/spyke-step00000400-state",
    "2026-11-21 18:51:20 WARNING  a mask is ignored for an image without an alpha channel",
    "steps:  45%|████▍     | 412/920 [21:17<26:15,  3.10s/it, avr_loss=0.0931]",
)


def snapshot(step: int = 412, **changes: object) -> RunSnapshot:
    """A run in the middle of its training; `status_changes` go to its status."""
    status_changes = changes.pop("status_changes", {})
    assert isinstance(status_changes, dict)
    made = RunSnapshot(
        id=RUN_ID,
        path=f"/state/runs/{RUN_ID}",
        read_at=NOW,
        state=RunState.RUNNING,
        spec=spec(created_at=NOW - step * 3.1 - 1),
        status=status(step, **status_changes),
        loss=series(losses(step)),
        hardware=hardware(),
        preflight=CHECKS,
        console=CONSOLE,
        console_version=1,
        supervisor_alive=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def in_phase(phase: Phase, step: int = 0, detail: str = "", **changes: object) -> RunSnapshot:
    state = RunState.STARTING if phase is Phase.LAUNCHING else RunState.RUNNING
    given = {"phase": phase, "phase_detail": detail, "phase_since": NOW - 42, "state": state}
    if not step:
        given |= {"seconds_per_step": None, "eta_s": None, "device": None, "loss": None}
    given |= changes.pop("status_changes", {})  # type: ignore[operator]
    return snapshot(step, state=state, status_changes=given, **changes)


def ended(outcome: Outcome, step: int = 920, cause: Cause | None = None) -> RunSnapshot:
    final = checkpoint(920, name="spyke.safetensors", final=True, state_path=None)
    files = [checkpoint(at) for at in range(200, step + 1, 200)]
    files += [final] if outcome is Outcome.SUCCEEDED else []
    return snapshot(
        step,
        state=RunState.ENDED,
        outcome=outcome,
        supervisor_alive=False,
        status_changes={
            "state": RunState.ENDED,
            "outcome": outcome,
            "cause": cause,
            "checkpoints": tuple(files),
            "safe_step": step if outcome is Outcome.SUCCEEDED else step // 200 * 200,
        },
    )


def diverged(step: int = 520, bad_from: int = 431, live: bool = False) -> RunSnapshot:
    values = losses(step)
    values[bad_from - 1 :] = [math.nan] * (step - bad_from + 1)
    made = snapshot(step) if live else ended(Outcome.DIVERGED, step)
    return replace(made, loss=series(values))


def listing(index: int = 0, **changes: object) -> RunListing:
    made = RunListing(
        id=f"20261121-18{index:02d}11-spyke-{index:04x}",
        name=f"spyke_plasma_v{index}",
        state=RunState.ENDED,
        outcome=Outcome.SUCCEEDED,
        created_at=NOW - 3600 * (index + 1),
        step=920,
        total_steps=920,
        loss=0.0912,
        checkpoints=5,
        duration_s=2852.0,
        host="studio",
    )
    return replace(made, **changes)  # type: ignore[arg-type]
