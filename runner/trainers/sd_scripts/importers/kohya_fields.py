"""The fields of a kohya_ss configuration (`kohya.toml`), and what its LoRA type makes of them:
--network_module and --network_args, by what kohya_ss v26 passes on. Pure but for reading that file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

Get = Callable[[str], str]


class OnlyFor(msgspec.Struct, frozen=True):
    """Fields that only these models get, by their checkboxes."""

    fields: tuple[str, ...]
    models: tuple[str, ...]


class LoraType(msgspec.Struct, frozen=True):
    """`module`: of kohya's own types, `algorithm`: of those of LyCORIS."""

    arguments: tuple[str, ...]
    module: str = ""
    algorithm: str = ""


class Fields(msgspec.Struct, frozen=True):
    """`kohya.toml`, whose comments say what each is."""

    plain: frozenset[str]
    accelerate: frozenset[str]
    own: frozenset[str]
    network: frozenset[str]
    zero_counts: frozenset[str]
    lists: frozenset[str]
    models: tuple[tuple[str, str, str], ...]
    renamed: dict[str, str]
    renamed_for_model: dict[str, str]
    noise: dict[str, str]
    only_for: tuple[OnlyFor, ...]
    not_for: dict[str, tuple[str, ...]]
    types: dict[str, LoraType]
    lycoris: dict[str, LoraType]

    def counts_for(self, name: str, box: str) -> bool:
        """Is the field looked at for the model with this checkbox ("": SD 1.x and 2.x)?"""
        only = next((row.models for row in self.only_for if name in row.fields), (box,))
        return box in only and box not in self.not_for.get(name, ())


FIELDS = msgspec.convert(
    tomllib.loads(Path(__file__).with_name("kohya.toml").read_text(encoding="utf-8")), Fields
)
_CONV = ("conv_dim", "conv_alpha")
_LORAPLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")
#: LyCORIS' name of a field
_LYCORIS_NAMES = {"unit": "block_size", "constrain": "constraint"}
#: what the fields stand at when an older file does not have them
_DEFAULTS = {"conv_dim": "1", "conv_alpha": "1", "factor": "-1", "unit": "1"}
_UNSET = ("", "0", "False")


def network(kind: str, get: Get, *, sd3: bool) -> tuple[str, list[str]] | None:
    """Module and arguments of a LoRA type; None when the type is not known. `get`: a field's text,
    "" when it is not there; switches are "True" and "False"."""
    kind = "LyCORIS/LoCon" if kind == "LoCon" else kind
    if lycoris := FIELDS.lycoris.get(kind):
        arguments = [f"preset={get('LyCORIS_preset') or 'full'}", *_always(lycoris.arguments, get)]
        return "lycoris.kohya", [*arguments, f"algo={lycoris.algorithm}", *_set(_LORAPLUS, get)]
    told = FIELDS.types.get(kind)
    if told is None:
        return None
    module = "networks.lora_sd3" if told.module == "networks.lora" and sd3 else told.module
    return module, [*_first(kind, get), *_set(told.arguments, get), *_set(_LORAPLUS, get)]


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
