"""One pass over the bytes of a safetensors file: is every number finite, how large are the weights?

Without torch, on one core, through buffers of a fixed size: a training runs beside it. The sum of
squares of a cache-sized block tells both at once, since NaN and infinity survive squaring and adding;
only where that sum is not finite (values that are huge but finite overflow it too) are the bits
themselves looked at. A LoRA module's sum of squares is part of its Gram matrix, which is needed anyway
for the norm of up @ down: |up down|^2 = sum of (up^T up) * (down down^T), without making the product.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.checkpoints.weight_modules import Module
from runner.checkpoints.weights_reader import CHUNK_ITEMS, FLOATS, Array, Panel, Reader
from runner.files.header import ITEM_BYTES, Tensor

#: a Gram matrix of more takes too much memory; the norm is that of the tensors then
RANK_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class ModuleNorm:
    """`norm`: None where a number of the module is not finite, or it has no float to measure."""

    name: str
    norm: float | None
    finite: bool


@dataclass(slots=True)
class Scan:
    """What the bytes hold. `unlooked`: tensors whose dtype is not known, (name, dtype)."""

    nonfinite: list[str] = field(default_factory=list)
    unlooked: list[tuple[str, str]] = field(default_factory=list)
    modules: list[ModuleNorm] = field(default_factory=list)
    alphas: list[float] = field(default_factory=list)

    @property
    def finite(self) -> bool | None:
        """None: no number that was looked at is bad, but not all could be looked at."""
        if self.nonfinite:
            return False
        return None if self.unlooked else True


def scan(path: Path, modules: Iterable[Module], data_start: int) -> Scan:
    """Look at every number of the modules, which hold all tensors of the file. Raises OSError, CutShort
    among them."""
    import numpy as np

    found = Scan()
    with path.open("rb", buffering=0) as stream, np.errstate(all="ignore"):
        reader = Reader(stream, data_start)
        for module in modules:
            _scan_module(module, reader, found)
    return found


def _scan_module(module: Module, reader: Reader, found: Scan) -> None:
    bad = len(found.nonfinite)
    alpha = _alpha(module, reader, found)
    if _has_product(module):
        squares, counted = _product_squares(module, alpha, reader, found), []
        measured = True
    else:
        counted = [t for t in (module.down, module.up, *module.others) if t is not None]
        squares, measured = 0.0, any(t.dtype in FLOATS for t in counted)
    for tensor in counted:
        squares += _squares(tensor, reader, found)
    for tensor in module.silent:
        _squares(tensor, reader, found)
    finite = len(found.nonfinite) == bad
    if measured or not finite:
        norm = min(math.sqrt(squares), sys.float_info.max) if finite else None
        found.modules.append(ModuleNorm(module.name, norm, finite))


def _has_product(module: Module) -> bool:
    if not module.is_lora or module.down is None or module.up is None:
        return False
    real = FLOATS - {"C64"}
    fits = module.down.shape[0] <= RANK_LIMIT
    return fits and module.down.dtype in real and module.up.dtype in real


def _alpha(module: Module, reader: Reader, found: Scan) -> float | None:
    """A single number; sd-scripts writes it as an integer where alpha was given as one."""
    tensor = module.alpha
    if tensor is None:
        return None
    _squares(tensor, reader, found)
    value = reader.number(tensor) if tensor.items == 1 else None
    if value is None or not math.isfinite(value):
        return None
    found.alphas.append(value)
    return value


def _squares(tensor: Tensor, reader: Reader, found: Scan) -> float:
    """The sum of the squares of a tensor's numbers; notes it if one of them is not finite."""
    if tensor.dtype not in FLOATS:
        if tensor.dtype not in ITEM_BYTES:
            found.unlooked.append((tensor.name, tensor.dtype))
        return 0.0
    total, step = 0.0, CHUNK_ITEMS * ITEM_BYTES[tensor.dtype]
    for at in range(tensor.begin, tensor.end, step):
        part = reader.squares(at, min(tensor.end, at + step), tensor.dtype)
        if part is None:
            found.nonfinite.append(tensor.name)
            return 0.0
        total += part
    return total


def _product_squares(module: Module, alpha: float | None, reader: Reader, found: Scan) -> float:
    """The square of the Frobenius norm of (alpha / rank) * up @ down, convolutions flattened."""
    down, up = module.down, module.up
    assert down is not None and up is not None
    rank = down.shape[0]
    scale = (alpha if alpha is not None else rank) / rank
    squares = reader.product_squares(down, up, rank)
    if squares is None:
        squares = _careful_squares(down, up, rank, reader, found)
    return squares * scale * scale


def _careful_squares(down: Tensor, up: Tensor, rank: int, reader: Reader, found: Scan) -> float:
    """For what is large, tiny, or not finite."""
    # both are looked at, also where the first already holds a NaN: each bad tensor is counted
    of_down = _gram(down, reader.columns(down, rank), reader, found)
    of_up = _gram(up, reader.rows(up, rank), reader, found)
    if of_down is None or of_up is None:
        return 0.0
    # rounding can leave less than nothing where up and down cancel out
    return max(0.0, float((of_down * of_up).sum()))


def _gram(tensor: Tensor, panels: Iterator[Panel], reader: Reader, found: Scan) -> Array | None:
    """The sum of panel @ panel^T over all panels, in f64; None: a number is not finite."""
    total: Any = 0.0
    for panel in panels:
        part = reader.gram(panel, tensor.dtype)
        if part is None:
            found.nonfinite.append(tensor.name)
            return None
        total = total + part
    found_total: Array = total
    return found_total
