"""Numbers of a safetensors file, block by block through buffers of a fixed size.

A file is read, not mapped: the trainer may cut or replace it at any moment, and a mapped page that is
gone ends the process.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from runner.files.header import ITEM_BYTES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

#: numbers that are looked at together: with their copy as f32 they stay in a core's own cache
CHUNK_ITEMS = 1 << 16
#: numbers of a matrix whose part of the Gram matrix is computed together
PANEL_ITEMS = 1 << 19
#: bytes read at once; the largest panel has to fit
WINDOW_BYTES = PANEL_ITEMS * 8
#: numbers that lie at a multiple of this many bytes in the data lie so in memory
ALIGNED = 64
#: a sum of squares in f32 below this may have lost what is there
TINY = 1e-28
#: products of two such sums still fit into f64
HUGE = 1e150

#: dtype: (unsigned type of its bits, the bits that are all ones in NaN and infinity). F8_E4M3 is the
#: "fn" form: no infinity, NaN is all ones
_BITS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000), "F32": ("<u4", 0x7F80_0000), "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80), "F8_E5M2": ("u1", 0x7C), "F8_E4M3": ("u1", 0x7F),
    "C64": ("<u4", 0x7F80_0000),
}  # fmt: skip
#: small floats as f32: the bits as a signed number, shifted so that exponent and fraction lie where
#: f32 has them, the copies of the sign masked out, the exponent's bias corrected by a factor
_WIDEN = {
    "F16": ("<i2", 13, 0x8FFF_E000, 2.0**112),
    "F8_E5M2": ("i1", 21, 0x8FE0_0000, 2.0**112),
    "F8_E4M3": ("i1", 20, 0x87F0_0000, 2.0**120),
}
FLOATS = frozenset(_BITS)
_WHOLE = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "U16": "<u2"}


class CutShort(OSError):
    """The file ended while it was read: somebody is writing it."""


@dataclass(frozen=True, slots=True)
class Panel:
    """`height` rows of a matrix, their bytes one after the other; `turned`: meant the other way round."""

    raw: Array
    height: int
    turned: bool = False


class Reader:
    """One open file. Arrays that are handed out are good until the next call."""

    def __init__(self, stream: BinaryIO, data_start: int) -> None:
        import numpy as np

        self._stream, self._start = stream, data_start
        self._buffer = np.empty(WINDOW_BYTES + ALIGNED, np.uint8)
        self._memory = self._buffer.data
        self._wide = np.empty(PANEL_ITEMS, np.float32)
        self._begin = self._end = 0  # what the buffer holds, in bytes of the data
        self._size = stream.seek(0, 2) - data_start

    # ----------------------------------------------------------------- bytes

    def span(self, begin: int, end: int) -> Array:
        """The bytes from `begin` to `end` of the data. Raises OSError, CutShort."""
        if begin < self._begin or end > self._end or self._end == self._begin:
            self._begin, self._end = begin, max(end, min(begin + WINDOW_BYTES, self._size))
            # numbers that lie aligned in the file's data lie aligned in memory
            self._read(begin, begin % ALIGNED, self._end - begin)
        at = self._begin % ALIGNED + begin - self._begin
        return self._buffer[at : at + end - begin]

    def _read(self, begin: int, at: int, length: int) -> None:
        self._stream.seek(self._start + begin)
        while length > 0:
            got = self._stream.readinto(self._memory[at : at + length])  # type: ignore[attr-defined]
            if not got:
                self._begin = self._end = 0
                raise CutShort(0, "the file became shorter while it was read")
            at, length = at + got, length - got

    # ----------------------------------------------------------------- numbers

    def number(self, tensor: Tensor) -> float | None:
        """The value of a tensor of one number; None for a dtype that is no number here."""
        import numpy as np

        raw = self.span(tensor.begin, tensor.end)
        if tensor.dtype in FLOATS:
            return float(self._numbers(raw, tensor.dtype)[0])
        kind = _WHOLE.get(tensor.dtype)
        return None if kind is None else float(np.frombuffer(raw.tobytes(), kind)[0])

    def squares(self, begin: int, end: int, dtype: str) -> float | None:
        """The sum of the squares of at most PANEL_ITEMS numbers; None: one of them is not finite."""
        import numpy as np

        raw = self.span(begin, end)
        numbers = self._numbers(raw, dtype)
        total = float(np.dot(numbers, numbers))
        if (dtype in _WIDEN or not math.isfinite(total)) and not _all_finite(raw, dtype):
            return None
        if TINY < total < math.inf:
            return total
        wide = numbers.astype(np.float64)
        return min(float(np.dot(wide, wide)), sys.float_info.max)

    def gram(self, panel: Panel, dtype: str) -> Array | None:
        """panel @ panel^T as f64; None: a number is not finite."""
        import numpy as np

        numbers = self._numbers(panel.raw, dtype).reshape(panel.height, -1)
        matrix = numbers.T if panel.turned else numbers
        product = matrix @ matrix.T
        trace = float(product.trace())
        if (dtype in _WIDEN or not math.isfinite(trace)) and not _all_finite(panel.raw, dtype):
            return None
        if not TINY < trace < math.inf:
            wide = matrix.astype(np.float64)
            # F64 itself can overflow, and infinities of both signs add up to NaN
            product = np.nan_to_num(wide @ wide.T, nan=HUGE, posinf=HUGE, neginf=-HUGE)
            product = np.clip(product, -HUGE, HUGE)
        found: Array = product.astype(np.float64)
        return found

    def product_squares(self, down: Tensor, up: Tensor, rank: int) -> float | None:
        """The square of the norm of up @ down, for what fits the buffers and is neither tiny nor huge,
        as nearly all modules are; None: it must be looked at with care."""
        import numpy as np

        if down.items > PANEL_ITEMS or up.items > PANEL_ITEMS:
            return None
        raw = self.span(down.begin, down.end)
        if down.dtype in _WIDEN and not _all_finite(raw, down.dtype):
            return None
        matrix = self._numbers(raw, down.dtype).reshape(rank, -1)
        of_down = matrix @ matrix.T
        raw = self.span(up.begin, up.end)
        if up.dtype in _WIDEN and not _all_finite(raw, up.dtype):
            return None
        matrix = self._numbers(raw, up.dtype).reshape(-1, rank)
        # NaN and infinity anywhere in either make this NaN or infinite
        squares = float(np.multiply(of_down, matrix.T @ matrix, dtype=np.float64).sum())
        return squares if TINY < squares < math.inf else None

    def _numbers(self, raw: Array, dtype: str) -> Array:
        """As f32, F64 as it is; NaN and infinity of the small floats become some finite number."""
        import numpy as np

        if dtype == "F64":
            return np.frombuffer(raw, "<f8")
        if dtype in ("F32", "C64"):
            return np.frombuffer(raw, "<f4")
        items = len(raw) // ITEM_BYTES[dtype]
        wide = self._wide[:items]
        if dtype == "BF16":
            bits = wide.view(np.uint32)
            np.copyto(bits, np.frombuffer(raw, "<u2"))
            np.left_shift(bits, 16, out=bits)
            return wide
        kind, shift, mask, factor = _WIDEN[dtype]
        signed = wide.view(np.int32)
        np.copyto(signed, np.frombuffer(raw, kind))
        np.left_shift(signed, shift, out=signed)
        np.bitwise_and(wide.view(np.uint32), np.uint32(mask), out=wide.view(np.uint32))
        np.multiply(wide, np.float32(factor), out=wide)
        return wide

    # ----------------------------------------------------------------- matrices

    def rows(self, tensor: Tensor, width: int) -> Iterator[Panel]:
        """A matrix of `width` columns in panels of whole rows, each turned: (width, rows)."""
        item = ITEM_BYTES[tensor.dtype]
        step = max(1, PANEL_ITEMS // width) * width * item
        for at in range(tensor.begin, tensor.end, step):
            raw = self.span(at, min(tensor.end, at + step))
            yield Panel(raw, len(raw) // (width * item), turned=True)

    def columns(self, tensor: Tensor, height: int) -> Iterator[Panel]:
        """A matrix of `height` rows in panels of some of its columns."""
        if tensor.items <= PANEL_ITEMS:
            yield Panel(self.span(tensor.begin, tensor.end), height)
            return
        item = ITEM_BYTES[tensor.dtype]
        row, step = tensor.items // height * item, PANEL_ITEMS // height * item
        for left in range(0, row, step):
            width = min(step, row - left)
            self._begin = self._end = 0
            for number in range(height):
                self._read(tensor.begin + number * row + left, number * width, width)
            yield Panel(self._buffer[: height * width], height)


def _all_finite(raw: Array, dtype: str) -> bool:
    """By the bits themselves, block by block."""
    import numpy as np

    kind, ones = _BITS[dtype]
    bits = np.frombuffer(raw, kind)
    mask = bits.dtype.type(ones)
    return not any(
        ((bits[at : at + CHUNK_ITEMS] & mask) == mask).any()
        for at in range(0, len(bits), CHUNK_ITEMS)
    )
