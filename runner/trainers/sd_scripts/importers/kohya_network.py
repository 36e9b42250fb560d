"""LoRA type and its fields of a kohya_ss configuration -> --network_module and --network_args. Pure.

By what kohya_ss v26 passes on for each type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

Get = Callable[[str], str]

_BLOCKS = (
    "down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold", "block_dims",
    "block_alphas", "conv_block_dims", "conv_block_alphas",
)  # fmt: skip
_DROPOUTS = ("rank_dropout", "module_dropout")
_FLUX = (
    "img_attn_dim", "img_mlp_dim", "img_mod_dim", "single_dim", "txt_attn_dim", "txt_mlp_dim",
    "txt_mod_dim", "single_mod_dim", "in_dims", "train_double_block_indices",
    "train_single_block_indices",
)  # fmt: skip
_LORAPLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")

#: LoRA type -> (module, arguments that are passed on when they are set)
_KOHYA: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Standard": ("networks.lora", (*_BLOCKS, *_DROPOUTS)),
    "Kohya LoCon": ("networks.lora", (*_BLOCKS, *_DROPOUTS)),
    "LoRA-FA": ("networks.lora_fa", (*_BLOCKS, *_DROPOUTS)),
    "Kohya DyLoRA": ("networks.dylora", ("conv_dim", "conv_alpha", *_BLOCKS, *_DROPOUTS, "unit")),
    "Flux1": ("networks.lora_flux", (*_FLUX, *_DROPOUTS)),
    "Flux1 OFT": ("networks.oft_flux", ("enable_all_linear",)),
    "HunyuanImage-2.1": ("networks.lora_hunyuan_image", _DROPOUTS),
    "Anima": ("networks.lora_anima", _DROPOUTS),
    "Lumina": ("networks.lora_lumina", _DROPOUTS),
    "Kohya LoHa": ("networks.loha", ("use_tucker", *_DROPOUTS)),
    "Kohya LoKr": ("networks.lokr", ("use_tucker", *_DROPOUTS)),
}
_CONV = ("conv_dim", "conv_alpha")
_LYCORIS_LOCON = (
    *_CONV, "use_tucker", "rank_dropout", "bypass_mode", "dora_wd", "module_dropout", "use_scalar",
    "rank_dropout_scale", "train_norm",
)  # fmt: skip
#: LyCORIS type -> (algorithm, arguments that are always passed on)
_LYCORIS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "LyCORIS/LoCon": ("locon", _LYCORIS_LOCON),
    "LyCORIS/LoHa": ("loha", _LYCORIS_LOCON),
    "LyCORIS/LoKr": (
        "lokr",
        (*_CONV, "rank_dropout", "bypass_mode", "dora_wd", "module_dropout", "factor", "use_cp",
         "use_scalar", "decompose_both", "rank_dropout_scale", "train_norm"),
    ),
    "LyCORIS/DyLoRA": (
        "dylora", (*_CONV, "use_tucker", "unit", "rank_dropout", "module_dropout", "train_norm"),
    ),
    "LyCORIS/iA3": ("ia3", (*_CONV, "train_on_input")),
    "LyCORIS/Native Fine-Tuning": (
        "full", ("rank_dropout", "module_dropout", "rank_dropout_scale", "train_norm"),
    ),
    "LyCORIS/Diag-OFT": (
        "diag-oft",
        (*_CONV, "module_dropout", "use_tucker", "rank_dropout", "rank_dropout_scale", "constrain",
         "rescaled", "train_norm"),
    ),
    "LyCORIS/BOFT": (
        "boft",
        (*_CONV, "module_dropout", "use_tucker", "rank_dropout", "rank_dropout_scale", "train_norm"),
    ),
    "LyCORIS/GLoRA": (
        "glora",
        (*_CONV, "use_tucker", "rank_dropout", "module_dropout", "rank_dropout_scale", "train_norm"),
    ),
}  # fmt: skip
#: LyCORIS' name of a field
_LYCORIS_NAMES = {"unit": "block_size", "constrain": "constraint"}
#: what the fields stand at when an older file does not have them
_DEFAULTS = {"conv_dim": "1", "conv_alpha": "1", "factor": "-1", "unit": "1"}
_UNSET = ("", "0", "False")


def network(kind: str, get: Get, *, sd3: bool) -> tuple[str, list[str]] | None:
    """Module and arguments of a LoRA type; None when the type is not known. `get`: a field's text,
    "" when it is not there; switches are "True" and "False"."""
    kind = "LyCORIS/LoCon" if kind == "LoCon" else kind
    if kind in _LYCORIS:
        algorithm, names = _LYCORIS[kind]
        arguments = [f"preset={get('LyCORIS_preset') or 'full'}", *_always(names, get)]
        return "lycoris.kohya", [*arguments, f"algo={algorithm}", *_set(_LORAPLUS, get)]
    if kind not in _KOHYA:
        return None
    module, names = _KOHYA[kind]
    if module == "networks.lora" and sd3:
        module = "networks.lora_sd3"
    return module, [*_first(kind, get), *_set(names, get), *_set(_LORAPLUS, get)]


def _first(kind: str, get: Get) -> list[str]:
    """The arguments that follow rules of their own."""
    if kind == "Kohya LoCon":
        return _always(_CONV, get)
    if kind in ("Kohya LoHa", "Kohya LoKr"):
        conv = _always(_CONV, get) if get("conv_dim") not in _UNSET else []
        factor = get("factor") if kind == "Kohya LoKr" else ""
        return [*conv, *([f"factor={factor}"] if factor not in ("", "-1", "0") else [])]
    if kind == "Flux1":
        ggpo = ("ggpo_sigma", "ggpo_beta") if get("train_lora_ggpo") == "True" else ()
        single = ["train_blocks=single"] if get("split_mode") == "True" else []
        return [*_set(ggpo, get), *single, *_set(("split_qkv", "train_t5xxl"), get)]
    return []


def _set(names: Iterable[str], get: Get) -> list[str]:
    return [f"{name}={get(name)}" for name in names if get(name) not in _UNSET]


def _always(names: Iterable[str], get: Get) -> list[str]:
    return [f"{_LYCORIS_NAMES.get(name, name)}={get(name) or _default(name)}" for name in names]


def _default(name: str) -> str:
    numbers = ("rank_dropout", "module_dropout", "constrain")
    return _DEFAULTS.get(name, "0" if name in numbers else "False")
