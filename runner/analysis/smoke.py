"""What a smoke test has shown: its own verdict, line by line. Pure."""

from __future__ import annotations

import math

from runner.model import CheckResult, HardwareUse, Outcome, RunSnapshot, RunState
from runner.model.units import duration, file_size, memory_size, pace

#: a GPU that never got busier than this was not trained on
BUSY_PERCENT = 20.0


def smoke_verdict(snapshot: RunSnapshot) -> tuple[CheckResult, ...]:
    """The lines of the verdict; empty while the test has not ended."""
    if snapshot.state is not RunState.ENDED or snapshot.status is None:
        return ()
    return (
        _trained(snapshot),
        _device(snapshot),
        _losses(snapshot),
        _gpu(snapshot),
        _file(snapshot),
        _time(snapshot),
        _memory(snapshot),
    )


def smoke_passed(snapshot: RunSnapshot) -> bool:
    """A smoke test is passed when it ended well and no line of its verdict says otherwise."""
    lines = smoke_verdict(snapshot)
    return (
        snapshot.outcome is Outcome.SUCCEEDED
        and bool(lines)
        and all(line.status != "fail" for line in lines)
    )


def _line(name: str, title: str, status: str, evidence: str, detail: str = "") -> CheckResult:
    return CheckResult(f"smoke_{name}", status, evidence, None, title, detail or evidence)


def _trained(snapshot: RunSnapshot) -> CheckResult:
    status = snapshot.status
    assert status is not None
    done, total = status.step, status.total_steps
    good = snapshot.outcome is Outcome.SUCCEEDED
    detail = f"{done} of {total if total is not None else '?'} steps, {snapshot.outcome}"
    if not good and status.cause is not None:
        detail = f"{detail}: {status.cause.evidence}"
    return _line("trained", "Trained", "pass" if good else "fail", f"{done}/{total} steps", detail)


def _device(snapshot: RunSnapshot) -> CheckResult:
    status, spec = snapshot.status, snapshot.spec
    assert status is not None
    wanted = spec.expect.device if spec is not None else None
    if status.device is None:
        return _line("device", "Device", "fail", "unknown", "The trainer never named its device.")
    if wanted is not None and status.device.split(":")[0] != wanted.split(":")[0]:
        text = f"It trained on {status.device}, [expect] device is {wanted}."
        return _line("device", "Device", "fail", f"{status.device}, not {wanted}", text)
    if wanted is None and status.device.startswith("cpu"):
        return _unexpected_cpu(snapshot)
    return _line("device", "Device", "pass", status.device, f"It trained on {status.device}.")


def _unexpected_cpu(snapshot: RunSnapshot) -> CheckResult:
    """Nobody has said that the CPU is meant: with a GPU in the machine it is a mistake."""
    status = snapshot.status
    assert status is not None
    gpu = status.hardware.gpu_name
    refused = next(
        (c for c in snapshot.preflight if c.name == "device" and c.status == "fail"), None
    )
    meant = 'write device = "cpu" into [expect] if the CPU is meant'
    if gpu is not None or refused is not None:
        text = f"It trained on cpu, and this machine has {gpu or 'a GPU'}: {meant}."
        return _line("device", "Device", "fail", "cpu, not the GPU", text)
    text = f"It trained on cpu, and [expect] device is not set: {meant}."
    return _line("device", "Device", "warn", "cpu, not expected", text)


def _losses(snapshot: RunSnapshot) -> CheckResult:
    status, series = snapshot.status, snapshot.loss
    assert status is not None
    bad = status.first_nonfinite_step or series.first_nonfinite_step
    if bad is not None:
        text = f"The loss of step {bad} is not a finite number."
        if bad == 1:
            text += " From step 1 on, the VAE in half precision is the usual cause: no_half_vae."
        return _line("losses", "Losses", "fail", f"not finite: step {bad}", text)
    seen = sum(b.count - b.nonfinite for b in series.buckets if b.mean is not None)
    if not seen:
        return _line("losses", "Losses", "fail", "none seen", "No loss was shown.")
    last = series.last
    shown = f", the last {last:.4f}" if last is not None and math.isfinite(last) else ""
    kind = "exact" if series.exact else "running average"
    return _line("losses", "Losses", "pass", f"{seen} finite", f"{seen} losses{shown} ({kind}).")


def _gpu(snapshot: RunSnapshot) -> CheckResult:
    status = snapshot.status
    assert status is not None
    if status.device is not None and status.device.startswith("cpu"):
        return _line("gpu", "GPU busy", "skip", "trains on CPU", "No GPU takes part.")
    use = status.hardware
    most = use.gpu_util_max
    if most is None:
        seen = [s.gpu_percent for s in snapshot.hardware if s.gpu_percent is not None]
        most = max(seen, default=None)
    if most is None:
        why = snapshot.hardware[-1].reasons.get("gpu", "") if snapshot.hardware else ""
        text = f"No gauge of the GPU was read{f': {why}' if why else ''}."
        return _line("gpu", "GPU busy", "warn", "not measured", text)
    good = most >= BUSY_PERCENT
    text = f"{use.gpu_name or 'The GPU'} was busy up to {most:.0f} %"
    if use.gpu_util_mean is not None:
        text += f", {use.gpu_util_mean:.0f} % on average while it trained"
    if use.gpu_idle_s:
        text += f", idle for {duration(use.gpu_idle_s)} of that"
    return _line("gpu", "GPU busy", "pass" if good else "fail", f"up to {most:.0f} %", f"{text}.")


def _file(snapshot: RunSnapshot) -> CheckResult:
    status = snapshot.status
    assert status is not None
    found = [c for c in status.checkpoints if not c.removed]
    if not found:
        return _line("file", "File", "fail", "none written", "No file of weights was written.")
    last = found[-1]
    if last.complete and last.finite is not False:
        text = f"{last.name} is complete and finite: {file_size(last.size_bytes)}."
        return _line("file", "File", "pass", file_size(last.size_bytes), text)
    return _line("file", "File", "fail", "not whole", f"{last.name}: {last.problem or 'not whole'}")


def _time(snapshot: RunSnapshot) -> CheckResult:
    status = snapshot.status
    assert status is not None
    text = pace(status.seconds_per_step)
    if status.seconds_per_step is None:
        return _line("time", "Time", "warn", "unknown", "Too few steps to tell the pace.")
    took = duration(status.ended_at - status.started_at) if status.ended_at and status.started_at \
        else "unknown"  # fmt: skip
    return _line("time", "Time", "pass", text, f"{text}; {took} in all with loading.")


def _memory(snapshot: RunSnapshot) -> CheckResult:
    use = snapshot.status.hardware if snapshot.status is not None else HardwareUse()
    peaks = [s.tree_memory_bytes for s in snapshot.hardware if s.tree_memory_bytes is not None]
    peaks += [use.tree_memory_max_bytes] if use.tree_memory_max_bytes is not None else []
    gpu = [s.gpu_memory_used_bytes for s in snapshot.hardware if s.gpu_memory_used_bytes]
    gpu += [use.gpu_memory_max_bytes] if use.gpu_memory_max_bytes else []
    if not peaks:
        return _line("memory", "Memory", "warn", "not measured", "No memory reading was taken.")
    text = f"The training used up to {memory_size(max(peaks))} of memory"
    text += f", the GPU up to {memory_size(max(gpu))}." if gpu else "."
    return _line("memory", "Memory", "pass", memory_size(max(peaks)), text)
