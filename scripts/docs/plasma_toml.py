"""docs/plasma-toml.md and docs/plasma.schema.json, made from the tables that read plasma.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runner.config.load import KEYS
from runner.demo.project import project_text
from runner.model import Engine, GuardSettings, NotifyRules
from runner.trainers.sd_scripts import importers
from runner.trainers.sd_scripts.dataset import schema as dataset
from scripts.docs import FROM, code, codes, table

#: section -> what it holds; every section of the file, in the order of the page
SECTIONS = {
    "": "At the top of the file, before the first section.",
    "trainer": "Which trainer runs, and how.",
    "accelerate": "Flags of `accelerate launch`, by their own names.",
    "train": "Flags of the training script, by their own names, with `_` or `-`: `true` is a bare flag, "
    "`false` leaves it out, a list is a flag with several values. Names and types are checked "
    "against the script itself: `v` on the screen lists every flag with its description.",
    "smoke": "Flags that differ in the smoke test, a run of 5 steps unless `max_train_steps` or "
    "`max_train_epochs` is set. The section exists: the smoke test is required.",
    "expect": "What you expect. The preflight checks and the final verdict compare it with what they find.",
    "guard": "What happens when an alarm is raised while training: `tell` only warns, `stop` stops at once,"
    " `after_save` after the next complete checkpoint.",
    "engine": "Where a start runs the training: here, or as Slurm jobs ([slurm.md](slurm.md)).",
    "notify": "Which events are reported, and where. Secrets never belong in this file.",
    "summary": "The summary written at the end of a run.",
    "dataset": "Optional: the dataset configuration of sd-scripts itself. The preflight offers to write it to"
    " the file that `dataset_config` in `[train]` names.",
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "guard": asdict(GuardSettings()),
    "engine": {key: value for key, value in asdict(Engine()).items() if value not in ("", ())},
    "notify": asdict(NotifyRules()),
    "summary": {"beside_checkpoints": False},
}
INTRO = """\
# plasma.toml

The settings of a training, in the project's folder. `plasma-tui init` writes it from a shell script, a kohya_ss
JSON, an sd-scripts TOML or what it finds on the machine. Relative paths start at the folder of the file, `~` is
your home. Unknown keys, wrong types and unknown flags are errors that name the line.

## In an editor

[plasma.schema.json](plasma.schema.json) is a JSON schema of the file: editors complete keys, show their meaning
and mark mistakes. With [Even Better TOML](https://marketplace.visualstudio.com/items?itemName=tamasfe.even-better-toml)
(VS Code) or any editor with the [taplo](https://taplo.tamasfe.dev) language server, copy it beside your
plasma.toml and make this the first line:

```toml
#:schema ./plasma.schema.json
```

Or, for all projects, in VS Code's settings.json:

```json
"evenBetterToml.schema.associations": {
  ".*/plasma\\\\.toml": "file:///path/to/plasma-tui/docs/plasma.schema.json"
}
```

Flags are completed by name only: which ones your script knows, with which values, depends on its version.
`plasma-tui check` and the screen check that.

## Example

The demo's own file:

```toml
"""


def page() -> str:
    example = project_text("python3").rstrip("\n")
    lines = [FROM.format("KEYS in runner/config/load.py"), INTRO + example, "```"]
    for section, text in SECTIONS.items():
        lines += ["", f"## {f'[{section}]' if section else 'Top level'}", "", text]
        keys = KEYS[section]
        if keys:
            own = DEFAULTS.get(section, {})
            head = ("key", "value", *(("default",) if own else ()), "meaning")
            lines += ["", *table(head, (_row(key, section) for key in keys))]
    return "\n".join(lines)


def _row(key: str, section: str) -> Iterator[str]:
    reader, defaults = KEYS[section][key], DEFAULTS.get(section)
    yield code(key)
    yield _value(reader.schema)
    if defaults is not None:
        yield _toml(defaults.get(key))
    yield reader.help


def _toml(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return code(str(value).lower())
        case tuple():
            return codes(f'"{one}"' for one in value)
    return code(f'"{value}"' if isinstance(value, str) else str(value))


def _value(schema: Mapping[str, Any]) -> str:
    """What a key accepts, in words."""
    match schema:
        case {"enum": [*choices]}:
            return codes((f'"{one}"' if isinstance(one, str) else str(one) for one in choices), " ")
        case {"anyOf": [*choices]}:
            return " or ".join(map(_value, choices))
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"integer, {least} to {most}"
        case {"type": "integer", "minimum": least}:
            return f"integer, at least {least}"
        case {"type": "array", "maxItems": 2}:
            return "two numbers"
        case {"type": "array", "items": {"enum": [*choices]}}:
            return "list of " + codes((f'"{one}"' for one in choices), " ")
        case {"type": "array"}:
            return "list of text"
        case {"type": "object"}:
            return "table of text"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "string"}:
            return "text"
    return "as in sd-scripts"


# --------------------------------------------------------------------------------------- the schema

_ONE = ["number", "string"]
FLAG = {"type": ["boolean", *_ONE, "array"], "items": {"type": _ONE}}
A_FLAG = {"$ref": "#/definitions/flag"}


def script_flags() -> list[str]:
    """The flags of sd-scripts that the importers know by name: for completion; others are accepted, too."""
    folder = Path(importers.__file__).parent
    groups, fields = (
        tomllib.loads((folder / name).read_text("utf-8"))
        for name in ("flag_groups.toml", "kohya/window.toml")
    )
    named = {name for names in groups.values() for name in names if "*" not in name}
    return sorted(named | set(fields["plain"]))


def schema() -> Mapping[str, Any]:
    """JSON Schema, draft 7: the newest one that TOML editors support."""
    sections = {name: _section(name) for name in SECTIONS if name}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "plasma.toml",
        "description": "Settings of a training for plasma-tui.",
        **_table({key: _key("", key) for key in KEYS[""]} | sections),
        "required": ["trainer"],
        "definitions": {"flag": FLAG},
        # a [dataset] needs the file to be written
        "dependencies": {
            "dataset": {
                "required": ["train"],
                "properties": {"train": {"required": ["dataset_config"]}},
            }
        },
    }


def _table(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": keys, "additionalProperties": False}


def _key(section: str, key: str) -> dict[str, Any]:
    reader = KEYS[section][key]
    found: dict[str, Any] = {"description": reader.help, **reader.schema}
    default = DEFAULTS.get(section, {}).get(key)
    return found if default is None else found | {"default": default}


def _section(name: str) -> dict[str, Any]:
    found = {"description": SECTIONS[name], **_table({key: _key(name, key) for key in KEYS[name]})}
    match name:
        case "trainer":
            found["required"] = ["sd_scripts"]
        case "accelerate":
            ours = dict.fromkeys(("m", "module", "no_python"), False)
            found |= {"properties": ours, "additionalProperties": A_FLAG}
        case "train" | "smoke":
            found["properties"] |= dict.fromkeys(script_flags(), A_FLAG)
            found["additionalProperties"] = A_FLAG
        case "notify":
            needy = [key for key in KEYS[name] if key.startswith("ntfy_")]
            found["dependencies"] = {key: ["ntfy"] for key in needy}
        case "dataset":
            subset = dataset.SUBSET | dataset.METADATA_SUBSET | {"conditioning_data_dir": str}
            one = _of_dataset(dataset.DATASET | dataset.METADATA_DATASET)
            one["properties"]["subsets"] = _list(_of_dataset(subset))
            found["properties"]["general"] |= _of_dataset(dataset.GENERAL)
            found["properties"]["datasets"] |= _list(one)
    return found


_INT = {"type": "integer"}
_DATASET_TYPES: Mapping[Any, Mapping[str, Any]] = {
    bool: {"type": "boolean"},
    int: _INT,
    float: {"type": "number"},
    str: {"type": "string"},
    dict: {"type": "object"},
    dataset.NUMBER: {"type": "number"},
    dataset.RESOLUTION: {
        "anyOf": [_INT, {"type": "array", "items": _INT, "minItems": 2, "maxItems": 2}]
    },
    dataset.PAIR: {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
}


def _of_dataset(keys: Mapping[str, Any]) -> dict[str, Any]:
    return _table({key: _DATASET_TYPES[kind] for key, kind in keys.items()})


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
