"""Synthetic runs to which something happens: alarms, resumes, ends with a cause."""

from __future__ import annotations

from dataclasses import replace

from runner.model import (
    Alarm,
    AlarmKind,
    AttemptPlan,
    AttemptStatus,
    Cause,
    ExpectedCheckpoint,
    RunSnapshot,
)
from tests import builders as b

OOM = Cause(
    "mps_out_of_memory",
    "RuntimeError: MPS backend out of memory (MPS allocated: 15.12 GB, max allowed: 18.13 GB)",
    "The memory available to the Mac's GPU ran out. Use batch size 1, gradient checkpointing and "
    "cached latents, and close other programs.",
    "cache_latents=true",
    (
        "cache_latents=true",
        "gradient_checkpointing=true",
        "env.PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.9",
    ),
)
NAN = Cause(
    "nan_during_training",
    "the loss is not finite from step 431 on",
    "The loss became not-a-number on the way and every weight after it is suspect. Go back to the last "
    "checkpoint before it and train on with a lower learning rate or in bf16.",
    "max_grad_norm=1.0",
    ("max_grad_norm=1.0", "learning_rate=5e-5"),
)

MODULE = Cause(
    "submodule_missing",
    "accelerate: can't open file '/home/anna/tools/kohya_ss/sd-scripts/train_network.py'",
    "sd-scripts is an empty git submodule. Run `git submodule update --init --recursive` in its folder.",
)


def alarmed(*alarms: Alarm, step: int = 420) -> RunSnapshot:
    """A training that its supervisor has something to say about."""
    return b.snapshot(step, status_changes={"alarms": alarms})


def diverged_with_cause() -> RunSnapshot:
    made = b.diverged()
    assert made.status is not None
    return replace(made, status=replace(made.status, cause=NAN))


def troubled_files() -> RunSnapshot:
    """A file of each kind of trouble."""
    files = (
        b.checkpoint(100, removed=True),
        b.checkpoint(150, missing=True),
        b.checkpoint(200, problem="truncated: 41.2 of 72.1 MB", complete=False, finite=None),
        b.checkpoint(250, finite=False, problem="528 of 792 tensors are not finite"),
        b.checkpoint(300, remark="the network is dead: its weights add nothing", norm=0.0),
        b.checkpoint(350, removed_at_step=600, state_removed_at_step=450, validation_loss=0.1181),
        b.checkpoint(400, state_problem="optimizer.bin is cut off", state_complete=False),
    )
    return b.snapshot(412, status_changes={"checkpoints": files})


def alarm(kind: AlarmKind = AlarmKind.STALLED, **changes: object) -> Alarm:
    made = Alarm(kind, b.NOW - 120, _ALARM_TEXTS[kind], 412, 400)
    return replace(made, **changes)  # type: ignore[arg-type]


_ALARM_TEXTS = {
    AlarmKind.NONFINITE: "the loss is NaN from step 412 on; the newest checkpoint before "
    "it is step 400, which is good, as are earlier ones",
    AlarmKind.ONE_BAD_STEP: "the loss of step 412 was NaN; later ones are finite",
    AlarmKind.DIVERGING: "the loss has been far too high since step 412: 0.5913, it was 0.0934; the newest "
    "checkpoint before that is step 400",
    AlarmKind.FROZEN: "the loss is exactly 0.0934 at every step since step 412: nothing is being learned",
    AlarmKind.STALLED: "no step for 2 min; a step of this run takes 3 s; process 4711 of the training is "
    "stopped (SIGSTOP), `kill -CONT 4711` resumes it",
    AlarmKind.SLOW: "steps have been slow since step 412: 9.4 s/step, this run's own pace is 3.1 s/step",
    AlarmKind.NOT_LOADED: "the network has no modules in the U-Net: nothing of it is trained",
    AlarmKind.SLOW_START: "steps take 9.4 s/step since the first: far too slow; run "
    "20261120-140311-spyke-1a2b on this machine with comparable settings took 3.1 s/step",
    AlarmKind.WRONG_DEVICE: "training on the CPU, but this machine has NVIDIA GeForce RTX 4090: "
    "check use_cpu in accelerate's configuration",
    AlarmKind.GPU_IDLE: "steps are trained, but the GPU has been idle for 1 min: is it really used?",
    AlarmKind.MEMORY_LOW: "memory pressure is critical: close other programs now, or stop the training at "
    "its next save",
    AlarmKind.GPU_MEMORY_LOW: "NVIDIA GeForce RTX 4090 has 0.4 GB of memory left; other programs hold 6.1 GB",
    AlarmKind.DISK_LOW: "1.2 GB free where it saves, and the next save needs 4.1 GB: free some space",
    AlarmKind.GPU_TROUBLE: "the GPU was restarted by its driver 2 times since the start",
    AlarmKind.UNKNOWN: "something that this version does not know",
}


def resumed(step: int = 520, base: int = 400, killed_at: int = 412) -> RunSnapshot:
    """The second attempt of a run that was killed: its saves fall on other steps."""
    grid = (545, 745)
    expected = [
        ExpectedCheckpoint(f"spyke-step{at:08d}.safetensors", at, state_name=f"s{at}-state")
        for at in grid
    ]
    expected.append(ExpectedCheckpoint("spyke.safetensors", 920))
    plan = AttemptPlan(
        attempt=2,
        command=("python", "train_network.py", "--resume", "s"),
        env={},
        cwd="/project",
        output_dir="/project/output/spyke-attempt2",
        output_name="spyke",
        base_step=base,
        state_path="/project/output/spyke-step00000400-state",
        skip=True,
        expected=tuple(expected),
    )
    attempts = (
        AttemptStatus(1, b.NOW - 4000, 1, killed_at),
        AttemptStatus(2, b.NOW - 400, base + 1, step),
    )
    files = tuple(b.checkpoint(at) for at in (200, 400))
    files += tuple(b.checkpoint(at, attempt=2) for at in grid if at <= step)
    return b.snapshot(
        step,
        plan=plan,
        status_changes={
            "attempt": 2,
            "attempts": attempts,
            "checkpoints": files,
            "safe_step": max(at for at in (base, *grid) if at <= step),
        },
    )
