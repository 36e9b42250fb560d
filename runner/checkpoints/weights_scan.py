"""One pass over a safetensors file: is every number finite, how large are the weights?

Without torch, on one core, in bounded memory: a training runs at the same time. A file is read, not mapped:
the trainer may truncate or replace it at any moment, and a lost mapped page kills the process.

NaN and infinity survive squaring and adding, so a sum of squares shows both at once; only where it is not
finite (huge but finite values overflow it too) or next to nothing are the numbers themselves checked, and
added in f64. A LoRA module's sum of squares is part of its Gram matrix, which is needed anyway for the norm
of up @ down: |up down|^2 = sum of (up^T up) * (down down^T), without making the product.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.checkpoints.weight_modules import Module
from runner.checkpoints.weight_products import product_squares
from runner.files.header import ITEM_BYTES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

#: numbers checked together: with their f32 copy they fit in a core's cache
CHUNK_ITEMS = 1 << 16
#: numbers of a matrix per part of the Gram matrix
PANEL_ITEMS = 1 << 19
#: of a Gram matrix and of half a module, as numbers in memory; beyond them the norm is that of the tensors
RANK_LIMIT, MATRIX_LIMIT_BYTES = 1024, 1 << 26
#: bytes read from the disk at once
WINDOW_BYTES = 1 << 20
#: a sum of squares in f32 below this may have lost digits
TINY = 1e-28
#: products of two such sums still fit into f64
HUGE = 1e150

#: names for numpy, some of them from ml_dtypes; C64 is two numbers an item
_FLOATS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn", "C64": "<f4",
}  # fmt: skip
FLOATS = frozenset(_FLOATS)
_WHOLE = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "U16": "<u2"}
_NUMBERS = _FLOATS | _WHOLE


class CutShort(OSError):
    """The file ended during the read: another process is writing it."""


class Reader:
    """One open file. A returned array is valid until the next call."""

    def __init__(self, stream: BufferedReader, data_start: int) -> None:
        import ml_dtypes  # noqa: F401 - registers its types with numpy
        import numpy as np

        self._stream, self._start = stream, data_start
        self._raw, self._kept = np.empty(CHUNK_ITEMS * 2, np.uint8), np.empty(0, np.float64)

    def numbers(self, begin: int, end: int, dtype: str) -> Array:
        """Numbers from byte `begin` to `end` of the data: unchanged, small ones as f32. Raises CutShort,
        OSError."""
        import numpy as np

        stored = np.dtype(_NUMBERS[dtype])
        kept = stored if stored.itemsize >= 4 else np.dtype(np.float32)
        items = (end - begin) // stored.itemsize
        if self._kept.nbytes < items * kept.itemsize:
            self._kept = np.empty(-(-items * kept.itemsize // 8), np.float64)
        found: Array = self._kept.view(kept)[:items]
        self._stream.seek(self._start + begin)
        if kept is stored:
            self._read(found.view(np.uint8))
            return found
        for at in range(0, items, CHUNK_ITEMS):
            part = found[at : at + CHUNK_ITEMS]
            raw = self._raw[: len(part) * stored.itemsize]
            self._read(raw)
            part[:] = raw.view(stored)
        return found

    def _read(self, raw: Array) -> None:
        if self._stream.readinto(raw.data) < len(raw):
            raise CutShort(0, "the file became shorter during the read")


def scan(path: Path, modules: Iterable[Module], data_start: int) -> Scan:
    """Check every number of the modules, which contain all tensors of the file. Raises OSError, CutShort
    among them."""
    import numpy as np

    with path.open("rb", buffering=0) as file, np.errstate(all="ignore"):
        found = Scan(Reader(BufferedReader(file, WINDOW_BYTES), data_start))
        for module in modules:
            found.add(module)
    return found


class Scan:
    """Result of the scan. `nonfinite`: names of tensors; `unlooked`: those with an unknown dtype, (name,
    dtype); `norms`: by module, None if non-finite; modules without floats are left out."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.nonfinite: list[str] = []
        self.unlooked: list[tuple[str, str]] = []
        self.norms: dict[str, float | None] = {}
        self.alphas: list[float] = []

    @property
    def finite(self) -> bool | None:
        """None: no bad number found, but not all could be checked."""
        if self.nonfinite:
            return False
        return None if self.unlooked else True

    def add(self, module: Module) -> None:
        bad = len(self.nonfinite)
        alpha = self._alpha(module.alpha) if module.alpha is not None else None
        if _has_product(module):
            squares, measured = self._product_squares(module, alpha), True
        else:
            halves = (module.down, module.up, *module.factors.values(), *module.others)
            counted = [t for t in halves if t is not None]
            each = {tensor.name: self._squares(tensor) for tensor in counted}
            measured = any(tensor.dtype in FLOATS for tensor in counted)
            squares = sum(each.values())
            if module.factors and len(self.nonfinite) == bad:
                product = product_squares(module, alpha, self._matrix, each)
                squares = squares if product is None else product
        for tensor in module.silent:
            self._squares(tensor)
        finite = len(self.nonfinite) == bad
        if measured or not finite:
            norm = min(math.sqrt(squares), sys.float_info.max) if finite else None
            self.norms[module.name] = norm

    def _alpha(self, tensor: Tensor) -> float | None:
        """A single number; sd-scripts writes it as an integer if alpha was one."""
        self._squares(tensor)
        if tensor.items != 1 or tensor.dtype not in _NUMBERS:
            return None
        value = float(self._reader.numbers(tensor.begin, tensor.end, tensor.dtype)[0])
        if not math.isfinite(value):
            return None
        self.alphas.append(value)
        return value

    def _squares(self, tensor: Tensor) -> float:
        """The sum of the squares of a tensor's numbers; records it if non-finite."""
        import numpy as np

        if tensor.dtype not in FLOATS:
            if tensor.dtype not in ITEM_BYTES:
                self.unlooked.append((tensor.name, tensor.dtype))
            return 0.0
        total, step = 0.0, CHUNK_ITEMS * ITEM_BYTES[tensor.dtype]
        for at in range(tensor.begin, tensor.end, step):
            numbers = self._reader.numbers(at, min(tensor.end, at + step), tensor.dtype)
            part = float(np.dot(numbers, numbers))
            if not TINY < part < math.inf:
                if not np.isfinite(numbers).all():
                    self.nonfinite.append(tensor.name)
                    return 0.0
                wide = numbers.astype(np.float64)
                part = min(float(np.dot(wide, wide)), sys.float_info.max)
            total += part
        return total

    def _matrix(self, tensor: Tensor) -> Array | None:
        """All numbers in their shape, as f64; None: too many for our memory, or no real numbers."""
        import numpy as np

        if tensor.items * 8 > MATRIX_LIMIT_BYTES or tensor.dtype not in FLOATS - {"C64"}:
            return None
        numbers = self._reader.numbers(tensor.begin, tensor.end, tensor.dtype)
        return numbers.astype(np.float64).reshape(tensor.shape)

    def _product_squares(self, module: Module, alpha: float | None) -> float:
        """The square of the Frobenius norm of (alpha / rank) * up @ down, convolutions flattened."""
        down, up = module.down, module.up
        assert down is not None and up is not None
        rank = down.shape[0]
        # check both, even if the first already has a NaN: each bad tensor is counted
        of_down, of_up = self._gram(down, (rank, -1)), self._gram(up, (-1, rank))
        if of_down is None or of_up is None:
            return 0.0
        scale = (alpha if alpha is not None else rank) / rank
        # rounding can go below zero where up and down cancel out
        return max(0.0, float((of_down * of_up).sum())) * scale * scale

    def _gram(self, tensor: Tensor, shape: tuple[int, int]) -> Array | None:
        """The sums of products of the rank's rows or columns, (rank, rank) as f64; None: non-finite."""
        import numpy as np

        matrix = self._reader.numbers(tensor.begin, tensor.end, tensor.dtype).reshape(shape)
        if shape[0] == -1:
            matrix = matrix.T
        rank, width = matrix.shape
        total: Array = np.zeros((rank, rank))
        step = max(1, PANEL_ITEMS // rank)
        for at in range(0, width, step):
            panel = matrix[:, at : at + step]
            part = panel @ panel.T
            if not TINY < float(part.trace()) < math.inf:
                if not np.isfinite(panel).all():
                    self.nonfinite.append(tensor.name)
                    return None
                panel = panel.astype(np.float64)
                # F64 itself can overflow, and infinities of both signs add up to NaN
                part = np.nan_to_num(panel @ panel.T, nan=HUGE, posinf=HUGE, neginf=-HUGE)
            total += np.clip(part, -HUGE, HUGE)
        return total


def _has_product(module: Module) -> bool:
    if not module.is_lora or module.down is None or module.up is None:
        return False
    halves = (module.down, module.up)
    real = all(half.dtype in FLOATS - {"C64"} for half in halves)
    size_bytes = max(half.items * max(4, ITEM_BYTES.get(half.dtype, 0)) for half in halves)
    return real and module.down.shape[0] <= RANK_LIMIT and size_bytes <= MATRIX_LIMIT_BYTES
