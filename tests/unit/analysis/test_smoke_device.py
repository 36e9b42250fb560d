"""What a smoke test says of the device."""

from __future__ import annotations

from runner.analysis.smoke import smoke_verdict
from runner.model import (
    CheckResult,
    Expectation,
    HardwareUse,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)


def device_line(
    device: str, expected: str | None, gpu: str | None = None, checks: tuple[CheckResult, ...] = ()
) -> CheckResult:
    spec = RunSpec("id", "x", ("python",), "/", {}, 1.0, "h", expect=Expectation(device=expected))
    use = HardwareUse(gpu_name=gpu)
    status = Status(RunState.ENDED, 1, 1.0, outcome=Outcome.SUCCEEDED, device=device, hardware=use)
    snapshot = RunSnapshot(
        "id", "/r", 2.0, RunState.ENDED, spec, status, Outcome.SUCCEEDED, preflight=checks
    )
    return next(line for line in smoke_verdict(snapshot) if line.name == "smoke_device")


def test_a_training_on_the_cpu_that_nobody_expected_is_no_pass() -> None:
    assert device_line("cpu", None).status == "warn"
    found = device_line("cpu", None, gpu="NVIDIA H200")
    assert (found.status, found.evidence) == ("fail", "cpu, not the GPU")
    assert "NVIDIA H200" in found.detail and "[expect]" in found.detail
    refused = CheckResult("device", "fail", "cpu, torch sees cuda", None)
    assert device_line("cpu", None, checks=(refused,)).status == "fail"


def test_an_expected_cpu_and_a_gpu_pass() -> None:
    assert device_line("cpu", "cpu", gpu="NVIDIA H200").status == "pass"
    assert device_line("cuda", None).status == "pass"
