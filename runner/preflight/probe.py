"""What the training would run on, from the trainer's own Python in a separate process.

The probe is started like the training: `accelerate launch` gives its child another environment than a bare
interpreter has (ACCELERATE_USE_CPU from a default_config.yaml, for one), so a bare probe may see a GPU that
the training never gets (accelerate 1.6).
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from runner.config.flags import to_arguments
from runner.config.interpreter import run_small, sentinel_json
from runner.config.model import Config
from runner.preflight import probe_cache
from runner.preflight.probe_source import SOURCE
from runner.trainers.command import Command, accelerate_flags
from runner.trainers.sd_scripts.packages import packages_by_flags

#: a first import after an installation reads gigabytes
TIMEOUT_S = 120.0

#: leftovers of another launcher make accelerate wait for processes that never start
LEAKED = (
    "LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    """A package with GPU code, as it answers in the trainer's Python. `problem`: why it cannot be used, as
    the package says. `built_torch`, `built_cuda`, `archs` (`8.0+PTX`): what xformers was built for;
    `operators`: its attention that trains on the GPU, None if it does not check that. `gpu`: bitsandbytes
    loaded a library for the GPU; `libraries`: those it brings. `wanted`: the version of triton that torch
    requires; `compiler`: triton finds a C compiler."""

    version: str = ""
    problem: str | None = None
    built_torch: str = ""
    built_cuda: str = ""
    archs: tuple[str, ...] = ()
    operators: tuple[str, ...] | None = None
    gpu: bool | None = None
    libraries: tuple[str, ...] = ()
    wanted: str | None = None
    compiler: bool | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """`name`: cpu, mps, cuda, cuda:0; None with the `problem` that prevented it. `cuda`, `mps`: what torch
    alone sees. `forced_cpu`: the launcher's configuration sets the CPU. `refused`: why accelerate rejects the
    requested mixed precision on this device. `cuda_build`: the CUDA or HIP version torch is built for;
    `names`: of the GPUs it sees; `bf16`: whether the GPU itself can, None if not checked. `archs`: GPU code in
    torch (`sm_86`, `compute_90`, `gfx1030`); `capabilities`: of the GPUs that it sees (`8.6`, `gfx1030`), with
    their `keys` (UUIDs); `cuda_error`: why it sees none. `packages`: those that were asked for."""

    name: str | None = None
    problem: str | None = None
    torch: str = ""
    accelerate: str = ""
    cuda: bool = False
    mps: bool = False
    forced_cpu: bool = False
    refused: str | None = None
    mps_built: bool = False
    macos: str = ""
    cuda_build: str = ""
    names: tuple[str, ...] = ()
    bf16: bool | None = None
    visible: str | None = None
    archs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    cuda_error: str | None = None
    packages: Mapping[str, Package] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """Without the number: cpu, mps, cuda."""
        return self.name.split(":")[0] if self.name else None


def cached_probe(
    config: Config,
    command: Command,
    cancelled: threading.Event,
    *,
    bare: bool = False,
    packages: Sequence[str] = (),
) -> Device:
    """The cached answer if nothing it depends on has changed."""
    argv = probe_command(config, command, Path("plasma_probe.py"), bare=bare, packages=packages)
    key = probe_cache.key_of(argv, config, _environment(command), SOURCE)
    return probe_cache.remembered(
        key,
        Device,
        lambda: probe(config, command, cancelled, bare=bare, packages=packages),
        lambda found: found.name is not None,
    )


def probe(
    config: Config,
    command: Command,
    cancelled: threading.Event,
    *,
    bare: bool = False,
    packages: Sequence[str] = (),
) -> Device:
    """Takes 3 to 10 s on a warm machine. Never raises; kills what it started when cancelled."""
    with tempfile.TemporaryDirectory(prefix="plasma-probe-") as folder:
        script = Path(folder) / "plasma_probe.py"
        script.write_text(SOURCE, encoding="utf-8")
        argv = probe_command(config, command, script, bare=bare, packages=packages)
        answer = run_small(
            argv, env=_environment(command), cwd=folder, timeout_s=TIMEOUT_S, cancelled=cancelled
        )
    if answer.problem:
        return Device(problem=answer.problem)
    report = last_report(answer.output)
    if report is None:
        return Device(problem=last_word(answer.errors, answer.code))
    return device_of(report)


def last_report(output: str) -> dict[str, Any] | None:
    """The most complete one: the last, or the one before a crash."""
    reports = (sentinel_json(line) for line in reversed(output.split("\n")))
    return next((report for report in reports if report is not None), None)


def last_word(errors: str, code: int | None) -> str:
    """The exception that ended a launcher; its own `CalledProcessError` is never the cause."""
    lines = [line.strip() for line in errors.strip().splitlines() if line.strip()]
    said = [line for line in lines if "CalledProcessError" not in line]
    return said[-1] if said else f"exit code {code}"


def device_of(report: dict[str, Any]) -> Device:
    """The probe's output as a Device."""
    known = {f.name: report[f.name] for f in fields(Device) if report.get(f.name) is not None}
    forced = str(report.get("use_cpu")).lower() in ("true", "1")
    return msgspec.convert({**known, "name": report["device"], "forced_cpu": forced}, Device)


def probe_command(
    config: Config,
    command: Command,
    script: Path,
    *,
    bare: bool = False,
    packages: Sequence[str] = (),
) -> list[str]:
    """As the training is launched, but one process: several would wait for each other."""
    asked = command.flags.get("mixed_precision")
    words = [str(script), asked if asked in ("fp16", "bf16") else "no"]
    words += packages
    python = [config.trainer.python, "-B"]
    if bare or config.trainer.launcher != "accelerate" or config.processes > 1:
        return [*python, *words]
    # The launcher itself refuses bf16 on a device without it (accelerate 1.6) and would hide the device; the
    # script's own argument is what counts.
    flags = dict(accelerate_flags(config, command.flags))
    if "mixed_precision" in flags:
        flags["mixed_precision"] = "no"
    return [*python, "-m", "accelerate.commands.launch", *to_arguments(flags), *words]


#: those with compiled GPU code
GPU_PACKAGES = ("xformers", "bitsandbytes", "triton")


def gpu_packages(flags: Mapping[str, Any]) -> list[str]:
    """Those that a training with these flags uses (sd-scripts main 48d368fa: --torch_compile compiles with
    inductor by default, which needs triton)."""
    wanted = set(packages_by_flags(flags))
    backend = str(flags.get("dynamo_backend") or "inductor").lower()
    if flags.get("torch_compile") and backend == "inductor":
        wanted.add("triton")
    return [name for name in GPU_PACKAGES if name in wanted]


def _environment(command: Command) -> dict[str, str]:
    env = {name: value for name, value in command.environment().items() if name not in LEAKED}
    return {**env, "HF_HUB_OFFLINE": "1"}
