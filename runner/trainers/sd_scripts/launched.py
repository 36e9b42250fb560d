"""How many trainer processes the launcher will really start.

accelerate 1.6 (`_validate_launch_command`, `launch_command`): `--num_processes 2` alone starts two only
where it finds two GPUs and no configuration file; a file's distributed_type decides otherwise, and it
is read from the Hugging Face home even when nobody names it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from runner.config.model import Config
from runner.trainers.sd_scripts.accelerate_config import config_path, read_config

#: flags of `accelerate launch`, and types of its file, that start several processes
SEVERAL_FLAGS = ("multi_gpu", "use_fsdp", "use_deepspeed", "use_tp", "use_megatron_lm")
ONE_TYPES = (None, "NO", "MULTI_CPU", "XLA")


@dataclass(frozen=True, slots=True)
class Processes:
    """`warning`: why there are fewer than asked for, one sentence."""

    count: int
    warning: str | None = None


def launched_processes(config: Config) -> Processes:
    """Reads accelerate's configuration file, if there is one."""
    flags = config.accelerate
    if config.trainer.launcher != "accelerate":
        return Processes(1)
    path = config_path(config, {**os.environ, **config.trainer.env})
    file = read_config(path)
    if file is not None and file.problem is not None:
        file = None
    asked = config.processes
    if "num_processes" not in flags and "config_file" in flags and file is not None:
        asked = file.processes or 1
    if flags.get("cpu"):
        return Processes(1, _fewer(asked, "cpu is set in [accelerate]"))
    if any(flags.get(name) for name in SEVERAL_FLAGS) or file is None:
        return Processes(asked)
    if file.distributed_type in ONE_TYPES:
        reason = f"distributed_type is {file.distributed_type} in {path}; set multi_gpu = true"
        return Processes(1, _fewer(asked, reason))
    return Processes(asked)


def _fewer(asked: int, reason: str) -> str | None:
    return f"accelerate starts 1 process, not {asked}: {reason}" if asked > 1 else None
