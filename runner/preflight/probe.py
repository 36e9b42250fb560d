"""What the training would run on, from the trainer's own Python in a separate process.

The probe is started like the training: `accelerate launch` gives its child another environment than a bare
interpreter has (ACCELERATE_USE_CPU from a default_config.yaml, for one), so a bare probe may see a GPU that
the training never gets (accelerate 1.6).
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from runner.config.flags import to_arguments
from runner.config.interpreter import run_small, sentinel_json
from runner.config.model import Config
from runner.preflight import probe_cache
from runner.trainers.command import Command, accelerate_flags

#: a first import after an installation reads gigabytes
TIMEOUT_S = 120.0

#: leftovers of another launcher make accelerate wait for processes that never start
LEAKED = (
    "LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE",
)  # fmt: skip

#: Each part is reported even if the next one fails. If accelerate rejects the precision, retry without it to
#: get the device. `Accelerator(mixed_precision=...)` as sd-scripts does it.
SOURCE = """
import json, os, platform, sys
report = {"device": None, "problem": None, "torch": None, "accelerate": None}
try:
    report["use_cpu"] = os.environ.get("ACCELERATE_USE_CPU")
    report["visible"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    report["macos"] = platform.mac_ver()[0]
    import torch
    report["torch"] = torch.__version__
    report["cuda_build"] = torch.version.cuda or getattr(torch.version, "hip", None)
    report["cuda"] = torch.cuda.is_available()
    report["mps"] = torch.backends.mps.is_available()
    report["mps_built"] = torch.backends.mps.is_built()
    import accelerate
    report["accelerate"] = accelerate.__version__
    from accelerate.state import AcceleratorState
    wanted = sys.argv[1]
    try:
        found = accelerate.Accelerator(mixed_precision=wanted)
    except Exception as error:
        if wanted == "no":
            raise
        report["refused"] = str(error)
        AcceleratorState._reset_state(True)
        found = accelerate.Accelerator(mixed_precision="no")
    report["device"] = str(found.device)
    if torch.cuda.is_available() and found.device.type == "cuda":
        report["names"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        report["bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
except BaseException as error:
    report["problem"] = f"{type(error).__name__}: {error}"
print("\\x1ePLASMA " + json.dumps(report), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Device:
    """`name`: cpu, mps, cuda, cuda:0; None with the `problem` that prevented it. `cuda`, `mps`: what torch
    alone sees. `forced_cpu`: the launcher's configuration sets the CPU. `refused`: why accelerate rejects the
    requested mixed precision on this device. `cuda_build`: the CUDA or HIP version torch is built for;
    `names`: of the GPUs it sees; `bf16`: whether the GPU itself can, None if not checked."""

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

    @property
    def kind(self) -> str | None:
        """Without the number: cpu, mps, cuda."""
        return self.name.split(":")[0] if self.name else None


def cached_probe(
    config: Config, command: Command, cancelled: threading.Event, *, bare: bool = False
) -> Device:
    """The cached answer if nothing it depends on has changed."""
    argv = probe_command(config, command, Path("plasma_probe.py"), bare=bare)
    key = probe_cache.key_of(argv, config, _environment(command), SOURCE)
    return probe_cache.remembered(
        key,
        Device,
        lambda: probe(config, command, cancelled, bare=bare),
        lambda found: found.name is not None,
    )


def probe(
    config: Config, command: Command, cancelled: threading.Event, *, bare: bool = False
) -> Device:
    """Takes 3 to 10 s on a warm machine. Never raises; kills what it started when cancelled."""
    with tempfile.TemporaryDirectory(prefix="plasma-probe-") as folder:
        script = Path(folder) / "plasma_probe.py"
        script.write_text(SOURCE, encoding="utf-8")
        argv = probe_command(config, command, script, bare=bare)
        answer = run_small(
            argv, env=_environment(command), cwd=folder, timeout_s=TIMEOUT_S, cancelled=cancelled
        )
    if answer.problem:
        return Device(problem=answer.problem)
    report = sentinel_json(answer.output)
    if report is None:
        return Device(problem=last_word(answer.errors, answer.code))
    return device_of(report)


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
    config: Config, command: Command, script: Path, *, bare: bool = False
) -> list[str]:
    """As the training is launched, but one process: several would wait for each other."""
    asked = command.flags.get("mixed_precision")
    words = [str(script), asked if asked in ("fp16", "bf16") else "no"]
    python = [config.trainer.python, "-B"]
    if bare or config.trainer.launcher != "accelerate" or config.processes > 1:
        return [*python, *words]
    # The launcher itself refuses bf16 on a device without it (accelerate 1.6) and would hide the device; the
    # script's own argument is what counts.
    flags = dict(accelerate_flags(config, command.flags))
    if "mixed_precision" in flags:
        flags["mixed_precision"] = "no"
    return [*python, "-m", "accelerate.commands.launch", *to_arguments(flags), *words]


def _environment(command: Command) -> dict[str, str]:
    env = {name: value for name, value in command.environment().items() if name not in LEAKED}
    return {**env, "HF_HUB_OFFLINE": "1"}
