"""Which sd-scripts flags are paths, and how they become absolute.

The trainer runs in the folder of sd-scripts, so a relative path in plasma.toml would point elsewhere.
Names: the argparse definitions of sd-scripts main (48d368fa) and of `accelerate launch` 1.6.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from runner.config.flags import FlagScalar, FlagValue

#: always a path of this machine
PATH_FLAGS = frozenset(
    {
        "conditioning_data_dir", "config_file", "console_log_file", "dataset_config", "in_json",
        "logging_dir", "log_tracker_config", "network_weights", "offload_optimizer_nvme_path",
        "offload_param_nvme_path", "output_dir", "reg_data_dir", "resume", "sample_prompts",
        "t5_tokenizer_path", "tokenizer_cache_dir", "train_data_dir", "weights", "write_base",
    }
)  # fmt: skip

#: a path or a hub name: a path if it looks like one or exists
PATH_OR_NAME_FLAGS = frozenset(
    {
        "ae", "base_weights", "byt5", "clip_g", "clip_l", "controlnet_model_name_or_path", "gemma2",
        "llm_adapter_path", "pretrained_model_name_or_path", "qwen3", "t5xxl", "text_encoder", "vae",
    }
)  # fmt: skip

#: flags of `accelerate launch` that are paths
ACCELERATE_PATH_FLAGS = frozenset({"config_file", "deepspeed_config_file", "deepspeed_hostfile"})

#: where kohya_ss and similar keep the interpreter, relative to the sd-scripts folder
VENVS = ("venv", ".venv", "../venv", "../.venv")
_WEIGHT_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")


def absolute(text: str, base: Path) -> str:
    """`~` expanded, relative to `base`; symbolic links are not resolved (a venv's python is one)."""
    with contextlib.suppress(ValueError):  # a NUL byte in a user's name
        text = os.path.expanduser(text)  # noqa: PTH111
    return os.path.abspath(os.path.join(base, text))  # noqa: PTH100, PTH118


def executable(text: str, base: Path) -> str:
    """A path relative to `base`, or a bare command name looked up on PATH."""
    if "/" not in text and not (base / text).is_file():
        return shutil.which(text) or text
    return absolute(text, base)


def venv_python(sd_scripts: Path) -> Path | None:
    """The interpreter of the virtual environment in or beside a checkout of sd-scripts."""
    paths = (sd_scripts / venv / "bin" / "python" for venv in VENVS)
    return next((Path(absolute(str(path), sd_scripts)) for path in paths if path.exists()), None)


def looks_like_path(text: str, base: Path) -> bool:
    """Is this a local file and not `owner/name` of a hub?"""
    if text.startswith(("/", "~", "./", "../")) or text.lower().endswith(_WEIGHT_SUFFIXES):
        return True
    try:
        return (base / text).exists()
    except OSError:
        return False


def resolved(name: str, value: FlagValue, base: Path) -> FlagValue:
    """The flag's value with its paths absolute."""
    if isinstance(value, tuple):
        return tuple(_resolved_scalar(name, item, base) for item in value)
    if isinstance(value, str):
        return _resolved_scalar(name, value, base)
    return value


def _resolved_scalar(name: str, value: FlagScalar, base: Path) -> FlagScalar:
    if not isinstance(value, str):
        return value
    if name in PATH_FLAGS or (name in PATH_OR_NAME_FLAGS and looks_like_path(value, base)):
        return absolute(value, base)
    return value
