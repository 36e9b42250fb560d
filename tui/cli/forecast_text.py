"""The forecast as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from runner.config.hiding import hidden_command
from runner.model import ExpectedCheckpoint, Forecast
from runner.model.units import count, duration, file_size, memory_size, pace
from tui.text import clean

#: lists of more files than this are cut in the middle
SHOWN_FILES = 40
SHOWN_FIRST, SHOWN_LAST = 30, 5
UNKNOWN = "depends on the machine: a smoke test measures it"
#: the object's names for fields of `Forecast`
JSON_NAMES = {"size_bytes": "bytes", "duration_s": "seconds"}


def forecast_object(found: Forecast, warnings: Sequence[str]) -> dict[str, Any]:
    """All fields; `sources` uses the same names."""

    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        return {JSON_NAMES.get(name, name): value for name, value in values.items()}

    values = {one.name: getattr(found, one.name) for one in fields(found)}
    return {
        "schema": 1,
        **renamed(values),
        "sources": renamed(found.sources),
        "command": hidden_command(found.command),
        "warnings": [*warnings],
    }


def forecast_lines(found: Forecast, warnings: Sequence[str]) -> Iterator[str]:
    """Every number with its source, then the warnings."""
    for name, title in (
        ("images", "images"),
        ("reg_images", "regularisation"),
        ("batches_per_epoch", "batches per epoch"),
        ("epochs", "epochs"),
        ("steps", "steps"),
        ("samples", "sample images"),
    ):
        value = getattr(found, name)
        yield _line(title, "unknown" if value is None else str(value), found.sources.get(name, ""))
    if found.checkpoints:
        yield _line(
            "checkpoints", str(len(found.checkpoints)), found.sources.get("checkpoints", "")
        )
        yield from _files(found.checkpoints)
    states = any(file.state_name for file in found.checkpoints)
    for name, title, shown in (
        ("checkpoint_bytes", "checkpoint size", file_size(found.checkpoint_bytes)),
        ("state_bytes", "state size", file_size(found.state_bytes)),
        ("size_bytes", "on disk", file_size(found.size_bytes)),
        ("seconds_per_step", "time per step", pace(found.seconds_per_step)),
        ("duration_s", "time", duration(found.duration_s)),
        ("memory_bytes", "memory", memory_size(found.memory_bytes)),
    ):
        if states or name != "state_bytes":
            unknown = UNKNOWN if getattr(found, name) is None else ""
            yield _line(title, shown, found.sources.get(name, unknown))
    for warning in warnings:
        yield f"! {clean(warning)}"


def _line(title: str, value: str, source: str) -> str:
    return f"{title:<18} {value:<14} {clean(source)}".rstrip()


def _files(files: Sequence[ExpectedCheckpoint]) -> Iterator[str]:
    if len(files) <= SHOWN_FILES:
        yield from map(_file, files)
        return
    yield from map(_file, files[:SHOWN_FIRST])
    yield f"  ... and {count(len(files) - SHOWN_FIRST - SHOWN_LAST, 'more file')} (--json has all) ..."
    yield from map(_file, files[-SHOWN_LAST:])


def _file(file: ExpectedCheckpoint) -> str:
    """`  step    200  epoch  1  name + state, file deleted at step 600`."""
    text = f"  step {file.step:>6}  epoch {file.epoch or '?':>3}  {clean(file.name)}"
    if file.state_name is not None:
        text += " + state"
    both = file.removed_at_step is not None and file.removed_at_step == file.state_removed_at_step
    if both and file.state_name is not None:
        return f"{text}, both deleted at step {file.removed_at_step}"
    if file.removed_at_step is not None:
        text += f", file deleted at step {file.removed_at_step}"
    if file.state_removed_at_step is not None:
        text += f", state deleted at step {file.state_removed_at_step}"
    return text
