"""What a script of sd-scripts trains, and as what kind of file it writes that.

Facts (main 48d368fa): `save_sd_model_on_epoch_end_or_stepwise_common` and `add_sd_saving_arguments` in
train_util.py, `save_model_as` of each script. The scripts of LoRAs write `.safetensors` unless told
otherwise; train_db, fine_tune and sdxl_train write what the base model is: a file (`.ckpt` without
--use_safetensors) or a folder of diffusers; the newer models are always safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from runner.config.flags import flags_begin

MODEL, EMBEDDING, CONTROL = "a full model", "an embedding", "a ControlNet"
#: scripts that train no LoRA, by file name
TRAINED: Mapping[str, str] = {
    **dict.fromkeys(
        ("train_db.py", "fine_tune.py", "sdxl_train.py", "flux_train.py", "sd3_train.py",
         "lumina_train.py", "anima_train.py"),
        MODEL,
    ),
    **dict.fromkeys(
        ("train_textual_inversion.py", "train_textual_inversion_XTI.py",
         "sdxl_train_textual_inversion.py"),
        EMBEDDING,
    ),
    **dict.fromkeys(
        ("train_control_net.py", "train_controlnet.py", "sdxl_train_control_net.py",
         "sdxl_train_control_net_lllite.py", "sdxl_train_control_net_lllite_old.py",
         "flux_train_control_net.py"),
        CONTROL,
    ),
}  # fmt: skip
_LIKE_THE_BASE_MODEL = frozenset(["train_db.py", "fine_tune.py", "sdxl_train.py"])
_ALWAYS_SAFETENSORS = frozenset(
    [
        "flux_train.py",
        "sd3_train.py",
        "lumina_train.py",
        "anima_train.py",
        "flux_train_control_net.py",
    ]
)
BASE_MODEL = "pretrained_model_name_or_path"


def script_in(command: Sequence[str]) -> str:
    """The script of a trainer's command line; empty: none is recognised."""
    try:
        return command[flags_begin(command) - 1]
    except ValueError:
        return ""


def no_lora(script: str) -> str | None:
    """`sdxl_train.py trains a full model, not a LoRA`; None for a LoRA's script and for an unknown one."""
    name = PurePath(script).name
    return f"{name} trains {TRAINED[name]}, not a LoRA" if name in TRAINED else None


def file_ending(script: str, flags: Mapping[str, Any], base_dir: Path) -> str:
    """`.safetensors`, `.ckpt`, `.pt`; empty: a folder of diffusers. `base_dir`: the trainer's working
    directory, from which the base model is found."""
    name, chosen = PurePath(script).name, str(flags.get("save_model_as") or "")
    if name in _ALWAYS_SAFETENSORS:
        return ".safetensors"
    if name in _LIKE_THE_BASE_MODEL:
        return _of_full_model(flags, base_dir, chosen.lower())
    default = "pt" if TRAINED.get(name) == EMBEDDING else "safetensors"
    return f".{chosen or default}"


def _of_full_model(flags: Mapping[str, Any], base_dir: Path, chosen: str) -> str:
    as_file = chosen in ("ckpt", "safetensors")
    if not chosen:
        base = flags.get(BASE_MODEL)
        as_file = isinstance(base, str) and (base_dir / base).is_file()
    if not as_file:
        return ""
    return ".safetensors" if flags.get("use_safetensors") or "safetensors" in chosen else ".ckpt"
