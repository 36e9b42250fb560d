"""Configurations whose fields are flags of sd-scripts, some by other names: `flag_dialects.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.command_line import flag_value
from runner.trainers.sd_scripts.importers.model import NewFile

PROMPTS_NAME = "sample_prompts.txt"
#: options within a line of prompts
_PROMPT_OPTIONS = (" --n ", " --w ", " --h ", " --d ", " --l ", " --s ")


@dataclass(slots=True)
class Settings:
    """A training as flags with values of TOML or JSON. `name`: of the format, "" for sd-scripts' own;
    `script`: None if the format does not name it; `dataset`: the dataset config that belongs to it."""

    values: dict[str, Any]
    name: str = ""
    script: str | None = None
    accelerate: dict[str, FlagValue] = field(default_factory=dict)
    dataset: Mapping[str, Any] | None = None
    files: tuple[NewFile, ...] = ()
    unmapped: list[str] = field(default_factory=list)


@cache
def _dialects() -> list[dict[str, Any]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    dialects: list[dict[str, Any]] = tomllib.loads(text)["dialect"]
    return dialects


def translated(values: Mapping[str, Any]) -> Settings:
    """The fields of a known dialect by the names of flags; other fields stay as they are."""
    found = next((one for one in _dialects() if values.keys() & set(one["any"])), None)
    return Settings(dict(values)) if found is None else _by(found, dict(values))


def _by(dialect: Mapping[str, Any], values: dict[str, Any]) -> Settings:
    settings = Settings({}, dialect["name"])
    if script := dialect.get("script"):
        kind = values.get(script["field"])
        settings.script = script["values"].get(str(kind))
        if kind is not None and settings.script is None:
            settings.unmapped.append(f"{script['field']} = {kind}: an unknown kind of training")
    if "previews" in dialect:
        settings.files = _previews(values, dialect["previews"])
    if not values.get("enable_block_weights", True):
        for name in ("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold"):
            values.pop(name, None)
    renamed = dialect.get("renamed", {})
    lists: dict[str, list[str]] = {}
    for name, value in values.items():
        if value is None or value is False or value == "" or name in dialect["own"]:
            continue
        if name in dialect.get("accelerate", ()):
            texts = [str(one) for one in (value if isinstance(value, list) else [value])]
            if texts:
                settings.accelerate[name] = flag_value(name, [",".join(texts)])
        elif flag := _list_of(name, dialect):
            argument = dialect.get(flag, {}).get(name)
            texts = _texts(value)
            lists.setdefault(flag, []).extend(
                [f"{argument}={','.join(texts)}"] if argument else texts
            )
        elif name in dialect.get("one_a_line", ()):
            settings.values[name] = _texts(value)
        else:
            settings.values[renamed.get(name, name)] = value
    for flag, texts in lists.items():
        settings.values[flag] = [*_texts(settings.values.get(flag, [])), *texts]
    return settings


def _list_of(name: str, dialect: Mapping[str, Any]) -> str:
    """The list flag of which the field is a part."""
    listed: str = dialect.get("listed", {}).get(name, "")
    flags = ("network_args", "optimizer_args")
    return listed or next((flag for flag in flags if name in dialect.get(flag, {})), "")


def _texts(value: Any) -> list[str]:
    items: Iterable[Any] = value if isinstance(value, list) else str(value).splitlines()
    return [text for item in items if (text := str(item).strip())]


def _previews(values: dict[str, Any], names: Iterable[str]) -> tuple[NewFile, ...]:
    """The prompts as the file that sd-scripts reads; without previews their fields say nothing."""
    given = {name: values.pop(name, None) for name in names}
    if not values.get("enable_preview") and not given["sample_prompts"]:
        return ()
    kept = ("sample_sampler", "sample_every_n_epochs", "prompt_file")
    values |= {name: given[name] for name in kept if given[name]}
    prompts = str(given["sample_prompts"] or "")
    if given["prompt_file"]:
        return ()
    if not prompts and given["positive_prompts"]:
        prompts = f"{given['positive_prompts']} --n {given['negative_prompts'] or ''}" + "".join(
            f" --{option} {given[name]}"
            for option, name in zip(
                "whlsd",
                ("sample_width", "sample_height", "sample_cfg", "sample_steps", "sample_seed"),
                strict=True,
            )
            if given[name]
        )
    elif prompts and not any(option in prompts for option in _PROMPT_OPTIONS):
        values["sample_prompts"] = prompts  # the path of a file
        return ()
    values["sample_prompts"] = PROMPTS_NAME
    return (NewFile(PROMPTS_NAME, f"{' '.join(prompts.split())}\n"),)
