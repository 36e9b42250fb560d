"""The norm of what a LyCORIS module adds to its base weight, from its factors. Pure.

Its factors alone say little: an untrained LoHa or LoKr has large ones whose product is 0. The products, as
LyCORIS has them (functional/loha.py, lokr.py, general.py: rebuild_tucker), times alpha / rank:

    LoHa    (w1_a @ w1_b) * (w2_a @ w2_b), element by element
    LoKr    kron(w1, w2), each of them one matrix or w_a @ w_b; without such halves there is no alpha / rank
    LoCon   up @ mid @ down for each place of the kernel (`lora_mid`)

With a Tucker core `t` (rank, rank, kernel) a half w is the sum of t[i, j] * w_a[i] * w_b[j].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runner.checkpoints.weight_modules import Module
from runner.files.header import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

#: of an element-by-element product so many rows are computed, evenly spread: it is a fifth of a second for the
#: largest layer of FLUX, and next to a training
ROWS = 256
RANK_LIMIT = 1024
_HUGE = 1e300
Load = Callable[[Tensor], Array | None]
#: (out, rank), (rank, in)
_Half = tuple[Array, Array]


class _NoProductError(ValueError):
    """The shapes fit no known method, or the matrices are too large."""


def product_squares(
    module: Module, alpha: float | None, load: Load, squares: Mapping[str, float]
) -> float | None:
    """The square of the Frobenius norm of what is added; None: unknown. `squares`: of each tensor by name."""
    import numpy as np

    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found, scaled = _squares(module, load, squares)
    except (_NoProductError, ValueError):  # of numpy: the shapes do not fit
        return None
    rank = module.rank if scaled else None
    scale = alpha / rank if alpha is not None and rank else 1.0
    return (
        max(0.0, float(np.nan_to_num(found, nan=_HUGE, posinf=_HUGE, neginf=0.0))) * scale * scale
    )


def _squares(module: Module, load: Load, squares: Mapping[str, float]) -> tuple[float, bool]:
    """Without alpha / rank, and whether that counts."""
    names = module.factors
    if "lora_mid" in names:
        return _of_mid(module, load), True
    if any(name.startswith("hada_") for name in names):
        return _of_hadamard(
            _half(names, "hada_w1", "hada_t1", load), _half(names, "hada_w2", "hada_t2", load)
        ), True
    product, decomposed = 1.0, False
    for name, core in (("lokr_w1", ""), ("lokr_w2", "lokr_t2")):
        if name in names:
            product *= squares[names[name].name]
        else:
            left, right = _half(names, name, core, load)
            product *= _of_pair(left, right)
            decomposed = True
    return product, decomposed


def _loaded(tensor: Tensor | None, load: Load) -> Array:
    found = load(tensor) if tensor is not None and len(tensor.shape) >= 2 else None
    if found is None or not found.size:
        raise _NoProductError
    return found


def _half(names: Mapping[str, Tensor], name: str, core: str, load: Load) -> _Half:
    left, right = _loaded(names.get(f"{name}_a"), load), _loaded(names.get(f"{name}_b"), load)
    right = right.reshape(len(right), -1)
    if core not in names:
        return left.reshape(len(left), -1), right
    mid = _loaded(names[core], load)
    i, j = mid.shape[:2]
    spread = mid.reshape(i, j, -1).transpose(0, 2, 1) @ right  # (i, kernel, in)
    return left.reshape(len(left), -1).T, spread.reshape(i, -1)


def _of_pair(left: Array, right: Array) -> float:
    """|left @ right|^2, by the Gram matrices."""
    if len(right) > RANK_LIMIT:
        raise _NoProductError
    return float(((left.T @ left) * (right @ right.T)).sum())


def _of_mid(module: Module, load: Load) -> float:
    down, up = _loaded(module.down, load), _loaded(module.up, load)
    mid = _loaded(module.factors["lora_mid"], load)
    if max(mid.shape[:2]) > RANK_LIMIT:
        raise _NoProductError
    down, up = down.reshape(len(down), -1), up.reshape(len(up), -1)
    cores = mid.reshape(*mid.shape[:2], -1).transpose(2, 0, 1)  # (kernel, rank, rank)
    inner = cores @ (down @ down.T) @ cores.transpose(0, 2, 1)
    return float((inner * (up.T @ up)).sum())


def _of_hadamard(first: _Half, second: _Half) -> float:
    (a, b), (c, d) = first, second
    rows = min(len(a), ROWS)
    chosen = [row * len(a) // rows for row in range(rows)]
    total = sum(float((((a[at] @ b) * (c[at] @ d)) ** 2).sum()) for at in chosen)
    return total * len(a) / rows
