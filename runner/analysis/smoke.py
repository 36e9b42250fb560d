"""The verdict of a smoke test, line by line. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from runner.model import CheckResult, Outcome, RunSnapshot, RunState, Status
from runner.model.units import duration, file_size, memory_size, pace

#: a GPU that was never busier than this was not used for training
BUSY_PERCENT = 20.0

#: status, table cell, and a sentence
Line = tuple[str, str, str]


def smoke_verdict(snapshot: RunSnapshot) -> tuple[CheckResult, ...]:
    """The lines of the verdict; empty until the test has ended."""
    status = snapshot.status
    if snapshot.state is not RunState.ENDED or status is None:
        return ()
    found = ((name, title, line(snapshot, status)) for name, title, line in _LINES)
    return tuple(
        CheckResult(f"smoke_{name}", line[0], line[1], None, title, line[2])
        for name, title, line in found
    )


def smoke_passed(snapshot: RunSnapshot) -> bool:
    """A smoke test passes when it succeeded and no line of its verdict failed."""
    statuses = {line.status for line in smoke_verdict(snapshot)}
    return snapshot.outcome is Outcome.SUCCEEDED and bool(statuses) and "fail" not in statuses


def _trained(snapshot: RunSnapshot, status: Status) -> Line:
    done, total = status.step, status.total_steps
    good = snapshot.outcome is Outcome.SUCCEEDED
    detail = f"{done} of {total if total is not None else '?'} steps, {snapshot.outcome}"
    if not good and status.cause is not None:
        detail = f"{detail}: {status.cause.evidence}"
    return "pass" if good else "fail", f"{done}/{total} steps", detail


def _device(snapshot: RunSnapshot, status: Status) -> Line:
    used, spec = status.device, snapshot.spec
    wanted = spec.expect.device if spec is not None else None
    if used is None:
        return "fail", "unknown", "The trainer did not report its device."
    if wanted is not None and used.split(":")[0] != wanted.split(":")[0]:
        text = f"Trained on {used}, but [expect] device is {wanted}."
        return "fail", f"{used}, not {wanted}", text
    if wanted is not None or not used.startswith("cpu"):
        return "pass", used, f"Trained on {used}."
    # the CPU was not requested: with a GPU in the machine it is a mistake
    gpu = status.hardware.gpu_name
    refused = any(c.name == "device" and c.status == "fail" for c in snapshot.preflight)
    meant = 'set device = "cpu" in [expect] if you want the CPU'
    if gpu is not None or refused:
        text = f"Trained on cpu, but this machine has {gpu or 'a GPU'}: {meant}."
        return "fail", "cpu, not the GPU", text
    return (
        "warn",
        "cpu, not expected",
        f"Trained on cpu, and [expect] device is not set: {meant}.",
    )


def _losses(snapshot: RunSnapshot, status: Status) -> Line:
    series = snapshot.loss
    bad = status.first_nonfinite_step or series.first_nonfinite_step
    if bad is not None:
        text = f"The loss of step {bad} is NaN."
        if bad == 1:
            text += (
                " NaN from step 1 is usually caused by the VAE in half precision: try no_half_vae."
            )
        return "fail", f"NaN at step {bad}", text
    seen = sum(b.count - b.nonfinite for b in series.buckets if b.mean is not None)
    if not seen:
        return "fail", "none seen", "No loss was reported."
    last = series.last
    shown = f", the last {last:.4f}" if last is not None and math.isfinite(last) else ""
    kind = "exact" if series.exact else "running average"
    return "pass", f"{seen} finite", f"{seen} losses{shown} ({kind})."


def _gpu(snapshot: RunSnapshot, status: Status) -> Line:
    if status.device is not None and status.device.startswith("cpu"):
        return "skip", "trains on CPU", "No GPU used."
    use, most = status.hardware, status.hardware.gpu_util_max
    if most is None:
        seen = (s.gpu_percent for s in snapshot.hardware if s.gpu_percent is not None)
        most = max(seen, default=None)
    if most is None:
        why = snapshot.hardware[-1].reasons.get("gpu", "") if snapshot.hardware else ""
        return "warn", "not measured", f"No GPU readings{f': {why}' if why else ''}."
    text = f"{use.gpu_name or 'The GPU'} was busy up to {most:.0f} %"
    if use.gpu_util_mean is not None:
        text += f", {use.gpu_util_mean:.0f} % on average while it trained"
    if use.gpu_idle_s:
        text += f", idle for {duration(use.gpu_idle_s)} of that"
    return "pass" if most >= BUSY_PERCENT else "fail", f"up to {most:.0f} %", f"{text}."


def _file(snapshot: RunSnapshot, status: Status) -> Line:
    last = next((c for c in reversed(status.checkpoints) if not c.removed), None)
    if last is None:
        return "fail", "none written", "No checkpoint was written."
    if not last.unseen and (not last.complete or last.finite is False):
        return "fail", "incomplete", f"{last.name}: {last.problem or 'incomplete'}"
    size = file_size(last.size_bytes)
    verb = "was" if last.unseen else "is"
    return "pass", size, f"{last.name} {verb} complete and finite: {size}."


def _time(snapshot: RunSnapshot, status: Status) -> Line:
    if status.seconds_per_step is None:
        return "warn", "unknown", "Too few steps to measure the pace."
    text = pace(status.seconds_per_step)
    return "pass", text, f"{text}; {duration(status.took_s)} in total, including loading."


def _memory(snapshot: RunSnapshot, status: Status) -> Line:
    """The preflight check `memory_need` compares the next start with it."""
    use, samples = status.hardware, snapshot.hardware
    main = max((use.tree_memory_max_bytes or 0, *(s.tree_memory_bytes or 0 for s in samples)))
    gpu = max((use.gpu_memory_max_bytes or 0, *(s.gpu_memory_used_bytes or 0 for s in samples)))
    gpu = use.gpu_memory_run_max_bytes or gpu
    if not main:
        return "warn", "not measured", "No memory readings."
    text = f"The training used up to {memory_size(main)} of memory"
    if gpu and (status.device or "").startswith("cuda"):
        return "pass", f"{memory_size(gpu)} of GPU", f"{text}, {memory_size(gpu)} of GPU memory."
    return "pass", memory_size(main), f"{text}."


_LINES: tuple[tuple[str, str, Callable[[RunSnapshot, Status], Line]], ...] = (
    ("trained", "Trained", _trained),
    ("device", "Device", _device),
    ("losses", "Losses", _losses),
    ("gpu", "GPU busy", _gpu),
    ("file", "File", _file),
    ("time", "Time", _time),
    ("memory", "Memory", _memory),
)
