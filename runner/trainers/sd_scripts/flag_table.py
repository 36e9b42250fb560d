"""The flags of sd-scripts' scripts for use without a checkout: `flag_table.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from runner.config.catalog import Catalog, Flag
from runner.trainers.sd_scripts.scripts import SCRIPTS


@cache
def _table() -> Mapping[str, Mapping[str, list[str]]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def shipped_flags(script: str) -> Catalog:
    """The flags of a script, with those that all scripts share if it is unknown. Without types and choices."""
    table, name = _table(), Path(script).name
    groups = [table["all"], table["lora"] if "network" in name else {}, table.get(name, {})]
    return Catalog(
        Flag(flag, kind=None, nargs="*" if takes == "many" else None, bare=takes == "bare")
        for group in groups
        for takes, names in group.items()
        for flag in names
    )


#: networks of the scripts for SD 1.x, 2.x and SDXL only, and those that fit any script
_ANY_NETWORK = ("", "lycoris.kohya", "networks.loha", "networks.lokr")
_SD_SCRIPTS = ("train_network.py", "sdxl_train_network.py")


def lora_script_of(flags: Iterable[str], module: str = "") -> str | None:
    """The only LoRA script for `--network_module` that has all those of the flags that train_network.py lacks;
    None: there is no such flag, or there are several scripts."""
    candidates = list(SCRIPTS) if module in _ANY_NETWORK else list(_SD_SCRIPTS)
    common = shipped_flags("train_network.py").names
    known = {name for script in candidates for name in shipped_flags(script).names}
    special = set(flags) & known - common
    scripts = [script for script in candidates if special <= shipped_flags(script).names]
    return scripts[0] if special and len(scripts) == 1 else None
