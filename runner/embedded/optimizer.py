"""Optimizer and learning rate schedule by sd-scripts' names."""

from __future__ import annotations

import ast
import importlib
import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

logger = logging.getLogger(__name__)


def create_optimizer(args: Any, groups: list[dict[str, Any]]) -> tuple[str, str, Any]:
    """(name, arguments as text, optimizer). Empty `groups` raise ValueError (torch)."""
    kind = (args.optimizer_type or "AdamW").lower()
    options = keyword_values(args.optimizer_args)
    if kind == "adamw":
        logger.info("use AdamW optimizer | %s", options)
        made: Any = torch.optim.AdamW(groups, lr=args.learning_rate, **options)
    elif kind == "sgdnesterov":
        logger.info("use SGD with Nesterov optimizer | %s", options)
        options.setdefault("momentum", 0.9)
        made = torch.optim.SGD(groups, lr=args.learning_rate, nesterov=True, **options)
    elif kind.endswith("8bit"):
        raise ImportError("No bitsandbytes: the built-in trainer has AdamW and SGDNesterov")
    else:
        made = _by_path(args.optimizer_type, groups, args.learning_rate, options)
    cls = type(made)
    text = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{cls.__module__}.{cls.__name__}", text, made


def _by_path(
    path: str, groups: list[dict[str, Any]], learning_rate: float, options: dict[str, Any]
) -> Any:
    module_name, _, name = path.rpartition(".")
    module = importlib.import_module(module_name) if module_name else torch.optim
    logger.info("use %s | %s", name, options)
    return getattr(module, name)(groups, lr=learning_rate, **options)


def keyword_values(given: Iterable[str] | None) -> dict[str, Any]:
    """`["weight_decay=0.01", "betas=(0.9, 0.99)"]` as keywords with Python values."""
    pairs = (text.partition("=") for text in given or ())
    return {key: ast.literal_eval(value) for key, _, value in pairs}


def create_scheduler(args: Any, optimizer: Any, processes: int) -> Any:
    """The schedule over max_train_steps * processes: accelerate steps it once for each process."""
    total = args.max_train_steps * processes
    warmup = _steps(args.lr_warmup_steps, total)
    options = keyword_values(args.lr_scheduler_args)
    if args.lr_scheduler_type:
        _refuse_warmup(args.lr_scheduler_type, warmup)
        module_name, _, name = args.lr_scheduler_type.rpartition(".")
        module = importlib.import_module(module_name or "torch.optim.lr_scheduler")
        logger.info("use %s | %s as lr_scheduler", args.lr_scheduler_type, options)
        return getattr(module, name)(optimizer, **options)
    return LambdaLR(optimizer, learning_rate_factor(args, total))


def learning_rate_factor(args: Any, total: int) -> Callable[[int], float]:
    """The factor on the learning rate by step. Raises ValueError for an unknown schedule."""
    name = args.lr_scheduler
    warmup = _steps(args.lr_warmup_steps, total)
    if name == "constant":
        _refuse_warmup(name, warmup)
        return lambda step: 1.0
    shapes: dict[str, Callable[[int], float]] = {
        "constant_with_warmup": lambda step: 1.0,
        "linear": lambda step: max(0.0, 1.0 - _share(step, warmup, total)),
        "cosine": lambda step: _half_cosine(_share(step, warmup, total)),
        "cosine_with_restarts": lambda step: _restarts(
            _share(step, warmup, total), args.lr_scheduler_num_cycles
        ),
        "polynomial": lambda step: (
            max(0.0, 1.0 - _share(step, warmup, total)) ** args.lr_scheduler_power
        ),
        "cosine_with_min_lr": lambda step: _above(
            _half_cosine(_share(step, warmup, total)), args.lr_scheduler_min_lr_ratio or 0.0
        ),
        "inverse_sqrt": lambda step: _inverse_sqrt(step, warmup, args.lr_scheduler_timescale),
        "warmup_stable_decay": _stable_decay(args, warmup, total),
    }
    if name not in shapes:
        raise ValueError(f"'{name}' is not a valid SchedulerType, known: {', '.join(shapes)}")
    shape = shapes[name]
    return lambda step: step / max(1, warmup) if step < warmup else shape(step)


def _refuse_warmup(name: str, warmup: int) -> None:
    if warmup:
        raise ValueError(f"{name} does not require `num_warmup_steps`. Set None or 0.")


def _steps(given: int | float, total: int) -> int:
    return int(given * total) if isinstance(given, float) else given


def _share(step: int, warmup: int, total: int) -> float:
    """0 after the warm-up, 1 at the end; further on it grows."""
    return (step - warmup) / max(1, total - warmup)


def _half_cosine(share: float) -> float:
    """Half a wave down; past the end it rises again, as a resumed run shows."""
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * share)))


def _restarts(share: float, cycles: int) -> float:
    if share >= 1.0:
        return 0.0
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((cycles * share) % 1.0))))


def _above(factor: float, lowest: float) -> float:
    return factor * (1.0 - lowest) + lowest


def _inverse_sqrt(step: int, warmup: int, timescale: int | None) -> float:
    scale = timescale or warmup or 10_000
    return 1.0 / math.sqrt((step + scale - warmup) / scale)


def _stable_decay(args: Any, warmup: int, total: int) -> Callable[[int], float]:
    decay = _steps(args.lr_decay_steps, total)
    stable_until = total - decay
    lowest = args.lr_scheduler_min_lr_ratio or 0.0

    def factor(step: int) -> float:
        if step < stable_until:
            return 1.0
        share = min(1.0, (step - stable_until) / max(1, decay))
        return max(lowest, _above(_half_cosine(share), lowest))

    return factor
