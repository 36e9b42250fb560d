"""What the training would run on, asked of the trainer's own Python in a process of its own.

It is asked the way the training is started: `accelerate launch` gives its child another environment than
a bare interpreter has (ACCELERATE_USE_CPU from a default_config.yaml, for one), so that a bare probe may
see a GPU that the training never gets (accelerate 1.6).
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from runner.config.command import Command, accelerate_flags
from runner.config.flags import to_arguments
from runner.config.interpreter import run_small, sentinel_json
from runner.config.model import Config

#: a first import after an installation reads gigabytes
TIMEOUT_S = 120.0

#: what another launcher left behind makes accelerate wait for processes that never come
LEAKED = (
    "LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE",
)  # fmt: skip

SOURCE = """
import json, os, sys
told = {"device": None, "problem": None, "torch": None, "accelerate": None}
try:
    import torch
    told["torch"] = torch.__version__
    told["cuda"] = torch.cuda.is_available()
    told["mps"] = torch.backends.mps.is_available()
    import accelerate
    told["accelerate"] = accelerate.__version__
    told["use_cpu"] = os.environ.get("ACCELERATE_USE_CPU")
    told["device"] = str(accelerate.Accelerator(mixed_precision=sys.argv[1]).device)
except BaseException as error:
    told["problem"] = f"{type(error).__name__}: {error}"
print("\\x1ePLASMA " + json.dumps(told), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Device:
    """`name`: cpu, mps, cuda, cuda:0; None with the `problem` that kept it from being told.
    `cuda`, `mps`: what torch alone sees. `forced_cpu`: the launcher's configuration says CPU."""

    name: str | None = None
    problem: str | None = None
    torch: str = ""
    accelerate: str = ""
    cuda: bool = False
    mps: bool = False
    forced_cpu: bool = False


def probe(config: Config, command: Command, cancelled: threading.Event) -> Device:
    """Takes 3 to 10 s on a warm machine. Never raises; kills what it started when cancelled."""
    env = command.environment()
    for name in LEAKED:
        env.pop(name, None)
    env["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="plasma-probe-") as folder:
        script = Path(folder) / "plasma_probe.py"
        script.write_text(SOURCE, encoding="utf-8")
        argv = probe_command(config, command, script)
        answer = run_small(argv, env=env, cwd=folder, timeout_s=TIMEOUT_S, cancelled=cancelled)
    if answer.problem:
        return Device(problem=answer.problem)
    told = sentinel_json(answer.output)
    if told is None:
        lines = answer.errors.strip().splitlines() or [f"exit code {answer.code}"]
        return Device(problem=lines[-1])
    return Device(
        name=told["device"],
        problem=told["problem"],
        torch=told["torch"] or "",
        accelerate=told["accelerate"] or "",
        cuda=bool(told.get("cuda")),
        mps=bool(told.get("mps")),
        forced_cpu=str(told.get("use_cpu")).lower() in ("true", "1"),
    )


def probe_command(config: Config, command: Command, script: Path) -> list[str]:
    """As the training is launched, but one process: several would wait for each other."""
    python = config.trainer.python
    precision = command.flags.get("mixed_precision", "no")
    asked = precision if precision in ("fp16", "bf16") else "no"
    if config.trainer.launcher != "accelerate" or config.processes > 1:
        return [python, "-B", str(script), str(asked)]
    options = to_arguments(accelerate_flags(config, command.flags))
    launch = [python, "-B", "-m", "accelerate.commands.launch", *options]
    return [*launch, str(script), str(asked)]
