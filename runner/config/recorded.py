"""A configuration as plain values, for a run that starts later: from the text of its plasma.toml and the
settings that were changed for it, not from the file as it is then. It contains secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.catalog import KnownFlags
from runner.config.load import parse_config
from runner.config.model import Config


def recorded_config(config: Config) -> dict[str, Any]:
    """JSON can hold it."""
    return {
        "path": str(config.path),
        "text": config.text,
        "train": dict(config.train),
        "smoke": dict(config.smoke.flags),
        "accelerate": dict(config.accelerate),
        "env": dict(config.trainer.env),
    }


def restored_config(found: Mapping[str, Any], known_flags: KnownFlags) -> Config:
    """Raises ConfigError; LookupError, TypeError or AttributeError for other values."""
    config = parse_config(Path(found["path"]), found["text"], known_flags=known_flags)
    return replace(
        config,
        train=_flags(found["train"]),
        smoke=replace(config.smoke, flags=_flags(found["smoke"])),
        accelerate=_flags(found["accelerate"]),
        trainer=replace(config.trainer, env=dict(found["env"])),
    )


def _flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
