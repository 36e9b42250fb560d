"""The header of a safetensors file as names and shapes; no tensor is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.checkpoints.verify import Broken, read_header

SAFETENSORS = (".safetensors", ".sft")


@dataclass(frozen=True, slots=True)
class Header:
    """`shapes`: by tensor name; `metadata`: text by name."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.shapes.get(name)


def read_model(path: Path | None) -> Header | None:
    """None when there is no such file or it is no whole safetensors file."""
    if path is None or path.suffix.lower() not in SAFETENSORS:
        return None
    try:
        tensors, _, whole = read_header(path)
        if path.stat().st_size != whole:
            return None
    except (OSError, Broken):
        return None
    metadata = tensors.pop("__metadata__", None) or {}
    return Header(
        path,
        {name: _shape(tensor) for name, tensor in tensors.items() if name != "__metadata__"},
        {str(key): str(value) for key, value in metadata.items()},
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if not isinstance(shape, list):
        return ()
    return tuple(side if isinstance(side, int) else 0 for side in shape)
