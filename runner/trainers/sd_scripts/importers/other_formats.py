"""Names files that describe no training of sd-scripts, so that the refusal says what to give instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused

_USUAL = "a script, a --config_file TOML or a kohya_ss JSON for sd-scripts"
#: scripts of diffusers' examples
_DIFFUSERS = re.compile(r"/examples/|/train_(?:dreambooth|text_to_image|unconditional)")
#: items checked
_MOST_ITEMS = 50


@cache
def _formats() -> list[dict[str, Any]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    formats: list[dict[str, Any]] = tomllib.loads(text)["format"]
    return formats


class OtherTrainer(ImportRefused):
    """The file is for another trainer."""


def refuse_other(values: Any, source: str) -> None:
    """Raises OtherTrainer with the name of the format if it is a known other one."""
    for one in _formats():
        if _matches(values, one):
            give = one.get("give", _USUAL)
            raise OtherTrainer(f"{source} is {one['what']}; use {give}")


def refuse_command(draft: Draft, source: str) -> None:
    """Raises OtherTrainer if the command starts a script of another trainer."""
    script, values = f"{draft.sd_scripts}/{draft.script}", dict(draft.train)
    if "musubi" in script:
        values |= {"dit": "", "network_module": ""}
    if _DIFFUSERS.search(script):
        values["instance_data_dir"] = ""
    refuse_other(values, f"the command in {source}")


def _matches(values: Any, one: Mapping[str, Any]) -> bool:
    if keys := one.get("keys"):
        return all(_has(values, key.split(".")) for key in keys)
    items = list(values.values())[:_MOST_ITEMS] if isinstance(values, dict) else []
    return bool(items) and all(
        isinstance(item, dict) and item.keys() >= set(one["item"]) for item in items
    )


def _has(values: Any, path: list[str]) -> bool:
    if isinstance(values, list):
        return bool(values) and path[0] == "0" and _has(values[0], path[1:])
    if not isinstance(values, dict) or path[0] not in values:
        return False
    return len(path) == 1 or _has(values[path[0]], path[1:])
