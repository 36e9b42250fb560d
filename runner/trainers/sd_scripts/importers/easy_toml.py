"""The TOML that the window of LoRA_Easy_Training_Scripts saves, as flags and a dataset config.

Its rules: `validate_args`, `validate_dataset_args` and `validate_optimizer` in utils/validation.py of
derrian-distro/LoRA_Easy_Training_scripts_Backend, `start_training` in its main.py. What is empty or off
is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.trainers.sd_scripts.importers.flag_dialects import Settings

NAME = "LoRA_Easy_Training_Scripts"
#: settings of the window itself
_OWN = frozenset({"tag_occurrence", "save_toml", "save_toml_location"})
_OPTIMIZERS = {
    "came": "LoraEasyCustomOptimizer.came.CAME",
    "compass": "LoraEasyCustomOptimizer.compass.Compass",
    "lpfadamw": "LoraEasyCustomOptimizer.lpfadamw.LPFAdamW",
    "rmsprop": "LoraEasyCustomOptimizer.rmsprop.RMSProp",
}
#: sections of one kind of model
_SECTIONS = ("flux", "sd3", "lumina", "anima")
_SCRIPTS = {
    ("lora", ""): "train_network.py", ("lora", "sdxl"): "sdxl_train_network.py",
    **{("lora", base): f"{base}_train_network.py" for base in _SECTIONS},
    ("textual_inversion", ""): "train_textual_inversion.py",
    ("textual_inversion", "sdxl"): "sdxl_train_textual_inversion.py",
}  # fmt: skip


def _tables(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """`[SECTION.name]` of every section."""
    sections = [one for one in values.values() if isinstance(one, dict)]
    return [one[name] for one in sections if isinstance(one.get(name), dict)]


def is_easy(values: Mapping[str, Any]) -> bool:
    return bool(_tables(values, "args"))


def read_easy(values: Mapping[str, Any]) -> Settings:
    flags = {name: one for table in _tables(values, "args") for name, one in _flags(table)}
    mode = values.get("train_mode")
    kind = str(mode.get("train_mode", "lora")) if isinstance(mode, dict) else str(mode or "lora")
    base = next((base for base in _SECTIONS if values.get(f"{base}_args")), "")
    base = base or ("flux" if "guidance_scale" in flags else "sdxl" if flags.get("sdxl") else "")
    settings = Settings({}, NAME, _SCRIPTS.get((kind, base)), dataset=_dataset(values))
    if kind == "lora":
        network = f"networks.lora_{base}" if base in _SECTIONS else "networks.lora"
        settings.values["network_module"] = _module(flags, network)
    for name, value in flags.items():
        if name in ("sdxl", "fa", "warmup_ratio"):
            continue
        if name in _OWN:
            settings.unmapped.append(f"{name} = {value}: a setting of {NAME} only")
        elif name == "optimizer_type":
            settings.values[name] = _OPTIMIZERS.get(str(value).lower(), value)
        else:
            settings.values[name] = value
    _by_length(flags, settings)
    return settings


def _flags(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):  # network_args, optimizer_args, lr_scheduler_args
            texts = [f"{key}={_argument(one)}" for key, one in value.items() if one != ""]
            if texts:
                yield name, texts
        elif value and str(value).lower() != "false":
            yield name, True if str(value).lower() == "true" else value


def _argument(value: Any) -> str:
    if isinstance(value, list):  # weights of blocks
        return ",".join(map(str, value))
    text = str(value)
    return text.capitalize() if text in ("true", "false") else text


def _module(flags: Mapping[str, Any], default: str) -> str:
    arguments = flags.get("network_args")
    names = (
        {str(one).partition("=")[0] for one in arguments} if isinstance(arguments, list) else set()
    )
    if "algo" in names:
        return "lycoris.kohya"
    if "unit" in names:
        return "networks.dylora"
    if flags.get("fa"):
        return "networks.lora_fa"
    return str(flags.get("network_module") or default)


def _by_length(flags: Mapping[str, Any], settings: Settings) -> None:
    """Settings that its window computes from the number of steps."""
    ratio, own_scheduler = flags.get("warmup_ratio"), "lr_scheduler_type" in flags
    if ratio and not own_scheduler:
        settings.values["lr_warmup_steps"] = ratio  # a share of all steps for sd-scripts, too
    elif ratio:
        settings.unmapped.append(
            f"warmup_ratio = {ratio}: {NAME} computes warmup_steps in lr_scheduler_args from it"
        )
    if own_scheduler and (cycles := settings.values.pop("lr_scheduler_num_cycles", None)):
        settings.unmapped.append(
            f"lr_scheduler_num_cycles = {cycles}: {NAME} computes first_cycle_max_steps in "
            "lr_scheduler_args from it"
        )


def _dataset(values: Mapping[str, Any]) -> dict[str, Any]:
    found = values.get("subsets")
    items = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    subsets = [{key: v for key, v in one.items() if v and key != "name"} for one in items]
    tables = _tables(values, "dataset_args")
    settings = {key: value for table in tables for key, value in table.items() if value}
    if settings.get("max_token_length") == 75:
        del settings["max_token_length"]
    return {"datasets": [{**settings, "subsets": subsets}]}
