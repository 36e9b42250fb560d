"""The scripts of sd-scripts by file name: requirements of each LoRA script, what the others train, and their
file types.

Read from sd-scripts main 48d368fa: `assert_extra_args`, `get_tokenize_strategy`, `load_target_model` of each
script, the caching strategies in library/strategy_*.py, `save_sd_model_on_epoch_end_or_stepwise_common` and
`add_sd_saving_arguments` in train_util.py, `save_model_as` of each script. LoRA scripts write `.safetensors`
by default; train_db, fine_tune and sdxl_train write the base model's type: a file (`.ckpt` without
--use_safetensors) or a folder of diffusers; the newer models are always safetensors. Unknown scripts are not
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from runner.config.flags import FlagValue
from runner.config.model import Trainer

CLIP_L = "openai/clip-vit-large-patch14"
CLIP_G = "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"
T5_XXL = "google/t5-v1_1-xxl"
QWEN_VL = "Qwen/Qwen2.5-VL-7B-Instruct"
BYT5 = "google/byt5-small"
GEMMA2 = "google/gemma-2-2b"
SD2 = "stabilityai/stable-diffusion-2"
#: default of --network_dim (networks.lora)
DEFAULT_RANK = 4
#: kinds of weights, for display
TITLES = {
    "sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner",
    "sd3": "SD 3", "flux": "FLUX.1", "chroma": "Chroma", "lumina": "Lumina Image 2",
    "hunyuan_image": "HunyuanImage-2.1", "anima": "Anima",
    "lora": "LoRA", "vae": "VAE", "text_encoder": "text encoder", "unet": "U-Net alone",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Script:
    """`kinds`: kinds of base models it can load, see TITLES;
    `reso_divisor`: what bucket_reso_steps must be divisible by; `cache_suffix`: end of the names of cached
    latents, whose sides are `stride` times smaller than the image's; `keyed_by_size`: one file holds latents
    of several sizes; `tokenizers`: loaded from the hub; `needs`: flags that must be set to a file."""

    title: str
    kinds: tuple[str, ...]
    network_module: str
    reso_divisor: int
    cache_suffix: str
    keyed_by_size: bool = True
    stride: int = 8
    tokenizers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    may_need: tuple[str, ...] = ()
    text_cache_suffix: str | None = None


SCRIPTS: Mapping[str, Script] = {
    "train_network.py": Script(
        "SD 1.x and 2.x", ("sd1", "sd2"), "networks.lora", 64, "_sd.npz", False,
        tokenizers=(CLIP_L,),
    ),
    "sdxl_train_network.py": Script(
        "SDXL", ("sdxl",), "networks.lora", 32, "_sdxl.npz", False, tokenizers=(CLIP_L, CLIP_G),
        text_cache_suffix="_te_outputs.npz",
    ),
    "sd3_train_network.py": Script(
        "SD 3", ("sd3",), "networks.lora_sd3", 32, "_sd3.npz",
        tokenizers=(CLIP_L, CLIP_G, T5_XXL), may_need=("clip_l", "clip_g", "t5xxl"),
        text_cache_suffix="_sd3_te.npz",
    ),
    "flux_train_network.py": Script(
        "FLUX.1", ("flux", "chroma"), "networks.lora_flux", 64, "_flux.npz",
        tokenizers=(CLIP_L, T5_XXL), needs=("clip_l", "t5xxl", "ae"),
        text_cache_suffix="_flux_te.npz",
    ),
    "lumina_train_network.py": Script(
        "Lumina Image 2", ("lumina",), "networks.lora_lumina", 64, "_lumina.npz",
        tokenizers=(GEMMA2,), needs=("gemma2", "ae"),
        text_cache_suffix="_lumina_te.npz",
    ),
    "hunyuan_image_train_network.py": Script(
        "HunyuanImage-2.1", ("hunyuan_image",), "networks.lora_hunyuan_image", 64, "_hi.npz",
        stride=32, tokenizers=(QWEN_VL, BYT5), needs=("text_encoder", "byt5", "vae"),
        text_cache_suffix="_hi_te.npz",
    ),
    "anima_train_network.py": Script(
        "Anima", ("anima",), "networks.lora_anima", 16, "_anima.npz", needs=("qwen3", "vae"),
        text_cache_suffix="_anima_te.npz",
    ),
}  # fmt: skip


def script_of(trainer: Trainer) -> Script | None:
    """None: the built-in trainer, or an unknown script."""
    return SCRIPTS.get(Path(trainer.script).name)


def wanted_tokenizers(script: Script, flags: Mapping[str, FlagValue]) -> tuple[str, ...]:
    """With --v2 train_network.py uses the tokenizer of SD 2."""
    if flags.get("v2") and "sd2" in script.kinds:
        return (SD2,)
    return script.tokenizers


MODEL, EMBEDDING, CONTROL = "a full model", "an embedding", "a ControlNet"
_LIKE_THE_BASE_MODEL = ("train_db.py", "fine_tune.py", "sdxl_train.py")
_ALWAYS_SAFETENSORS = (
    "flux_train.py", "sd3_train.py", "lumina_train.py", "anima_train.py", "flux_train_control_net.py",
)  # fmt: skip
#: scripts that train no LoRA, by file name
TRAINED: Mapping[str, str] = {
    **dict.fromkeys((*_LIKE_THE_BASE_MODEL, *_ALWAYS_SAFETENSORS), MODEL),
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
BASE_MODEL = "pretrained_model_name_or_path"


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
    if name not in _LIKE_THE_BASE_MODEL:
        return f".{chosen or ('pt' if TRAINED.get(name) == EMBEDDING else 'safetensors')}"
    chosen, base = chosen.lower(), flags.get(BASE_MODEL)
    as_file = chosen in ("ckpt", "safetensors")
    if not chosen:
        as_file = isinstance(base, str) and (base_dir / base).is_file()
    if not as_file:
        return ""
    return ".safetensors" if flags.get("use_safetensors") or "safetensors" in chosen else ".ckpt"
