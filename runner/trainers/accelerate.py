"""The configuration file of `accelerate launch`, and its settings that matter here.

accelerate 1.6: without --config_file it is default_config.yaml in the folder `accelerate` of the
Hugging Face home, and an older default_config.json only without a yaml. Only the launcher
reads it, never `Accelerator()`. `accelerate config default` writes JSON under the yaml name, and
`use_cpu: true` on a Mac.

How many processes the launcher will really start: accelerate 1.6 (`_validate_launch_command`,
`launch_command`): `--num_processes 2` alone starts two only with two GPUs and no configuration file;
otherwise the file's distributed_type decides, and it is read from the Hugging Face home by default.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.config.model import Config
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text

#: accelerate 1.6 DistributedType; `MPS` was one until 0.20
DISTRIBUTED_TYPES = frozenset(
    {
        "NO", "MULTI_CPU", "MULTI_GPU", "MULTI_NPU", "MULTI_MLU", "MULTI_SDAA", "MULTI_MUSA",
        "MULTI_XPU", "MULTI_HPU", "DEEPSPEED", "FSDP", "TP", "XLA", "MEGATRON_LM",
    }
)  # fmt: skip
#: YAML reads a bare NO as false, and accelerate reads that as "not distributed"
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_COUNT = re.compile(r"[0-9]{1,9}")
_TOP_LEVEL = re.compile(r"^(?P<key>[A-Za-z_][\w-]*)\s*:\s*(?P<value>.*?)\s*(?:\s#.*)?$")


@dataclass(frozen=True, slots=True)
class AccelerateConfig:
    """`values`: the top level of the file, raw text without quotes; `problem`: why it cannot be read."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def use_cpu(self) -> bool:
        return self.values.get("use_cpu", "").lower() in _TRUE

    @property
    def distributed_type(self) -> str | None:
        """None: not in the file."""
        value = self.values.get("distributed_type")
        return "NO" if value is not None and value.lower() in _FALSE else value

    @property
    def processes(self) -> int | None:
        value = self.values.get("num_processes", "")
        return int(value) if _COUNT.fullmatch(value) else None


def config_path(config: Config, env: Mapping[str, str]) -> Path:
    """The file that the launcher reads: the given one, else the default."""
    own = config.accelerate.get("config_file")
    return Path(own) if isinstance(own, str) and own else default_path(env)


def default_path(env: Mapping[str, str]) -> Path:
    home = env.get("HF_HOME")
    cache = env.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(home or f"{cache}/huggingface").expanduser() / "accelerate"
    older = folder / "default_config.json"
    newer = folder / "default_config.yaml"
    return older if older.is_file() and not newer.is_file() else newer


def read_config(path: Path) -> AccelerateConfig | None:
    """None: there is no such file."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return AccelerateConfig(path, problem=error.strerror or str(error))
    except UnicodeDecodeError:
        return AccelerateConfig(path, problem="it is not UTF-8")
    if not text.strip():
        return AccelerateConfig(path, problem="it is empty")
    if text.lstrip().startswith("{"):
        try:
            return AccelerateConfig(path, {k: _text(v) for k, v in parse_json(text).items()})
        except json.JSONDecodeError as error:
            return AccelerateConfig(path, problem=f"not valid JSON:  {error}")
    found = filter(None, map(_TOP_LEVEL.match, text.splitlines()))
    values = {match["key"]: match["value"].strip("\"'") for match in found}
    problem = None if values else "it has no `name: value` line"
    return AccelerateConfig(path, values, problem)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


#: flags of `accelerate launch`, and types of its file, that start several processes
SEVERAL_FLAGS = ("multi_gpu", "use_fsdp", "use_deepspeed", "use_tp", "use_megatron_lm")
ONE_TYPES = (None, "NO", "MULTI_CPU", "XLA")


@dataclass(frozen=True, slots=True)
class Processes:
    """`warning`: why there are fewer than requested, one sentence."""

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
    reason = None
    if flags.get("cpu"):
        reason = "cpu is set in [accelerate]"
    elif any(flags.get(name) for name in SEVERAL_FLAGS) or file is None:
        return Processes(asked)
    elif file.distributed_type in ONE_TYPES:
        reason = f"distributed_type is {file.distributed_type} in {path}; set multi_gpu = true"
    if reason is None or asked <= 1:
        return Processes(1 if reason else asked)
    return Processes(1, f"accelerate starts 1 process, not {asked}: {reason}")
