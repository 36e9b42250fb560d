"""Will the training fit into the memory of its device? As a range, against what is free now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psutil

from runner.analysis.diagnosis.needs import Platform, ruled_out
from runner.config.flags import merged, whole
from runner.hardware.board import default_sources, read_once
from runner.preflight.cures.model import Fix
from runner.preflight.cures.settings import plain
from runner.preflight.facts import Facts
from runner.preflight.memory_load import between, gb, load_of
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.prior_runs import PriorRun
from runner.preflight.probe import Device
from runner.trainers.sd_scripts.file_sizes import optimizer_name
from runner.trainers.sd_scripts.memory import Load, Need, memory_need
from runner.trainers.sd_scripts.memory_figures import figures_of

#: do not wait longer for a driver
_DRIVER_S = 1.5


@check(
    "memory_need", "Memory need", 525, slow=True, needs="script",
    foresees=("cuda_out_of_memory", "mps_out_of_memory"),
)  # fmt: skip
def need(facts: Facts) -> Finding:
    """Will the training fit? Measured by an earlier run with the same settings, else estimated from the model,
    image size, batch, LoRA, optimizer and the flags that save memory."""
    load = _load(facts)
    try:
        found = memory_need(load) if load is not None else None
    except ValueError as error:  # a flag that is no number: reported where it is used
        return skipped("unknown", f"{error}.")
    if load is None or found is None:
        title = facts.script.title if facts.script else facts.script_name
        return skipped("unknown", f"There is no estimate for {title}; a smoke test measures it.")
    room = room_of(facts, load.on_gpu)
    if room is None:
        words = f"The training needs about {span(found)}; the free GPU memory is unknown."
        return skipped(f"about {span(found)}", words)
    prior = facts.prior()
    if prior is not None and (prior.memory_of == "GPU memory") is load.on_gpu:
        found = learnt(found, prior)
    judged = judge_need(found, room, prior.source if prior and found.when == _MEASURED else "")
    if judged.status == "pass" and (run := facts.ran_out_of_memory()):
        words = f"The last run with these settings ran out of memory ({run}). {judged.detail}"
        judged = warned("ran out before", words)
    if judged.status not in ("warn", "fail"):
        return judged
    changes = less(load, room.free_bytes, facts.platform, _allowed(facts))
    small = Fix("smaller batches", {"batch_size": 1}, "dataset")
    fixes = [Fix("use less memory", changes)] * bool(changes) + [small] * (load.batch > 1)
    advice = "; ".join(fix.words for fix in fixes) or "close other programs, or use smaller images"
    return replace(judged, advice=advice).fixed_by(*fixes)


@dataclass(frozen=True, slots=True)
class Room:
    """`name`: of the GPU, or `memory` for main memory."""

    name: str
    free_bytes: int
    total_bytes: int


_MAIN = "memory"
_MEASURED = "measured"


def learnt(found: Need, prior: PriorRun) -> Need:
    """A smoke test may not have seen the largest images."""
    if not prior.memory_bytes:
        return found
    high = prior.memory_bytes * (1.15 if prior.smoke else 1.05)
    return Need(prior.memory_bytes, int(high), found.certain_bytes, (), _MEASURED)


def judge_need(found: Need, room: Room, source: str = "") -> Finding:
    """`source`: of a measurement, `run 2026...`."""
    what = f"The {source} with these settings used" if source else "The training needs about"
    place = "" if room.name == _MAIN else f" on the {room.name}"
    free = f"{gb(room.free_bytes)} of {gb(room.total_bytes)} GB are free{place}"
    if room.free_bytes == room.total_bytes:
        free = f"the {room.name} has {gb(room.total_bytes)} GB"
    detail = f"{what} {span(found)}; {free}."
    if found.parts:
        parts = (
            f"{one.name} {between(one.low, one.high)}" for one in found.parts if one.high > _TINY
        )
        detail += f" Estimated while {found.when}: {', '.join(parts)}."
    evidence = f"{span(found)}, {gb(room.free_bytes)} free"
    # main memory is swapped, and other programs give theirs back
    if found.certain_bytes > (room.total_bytes if room.name == _MAIN else room.free_bytes):
        sure = f"Weights and optimizer alone are {gb(found.certain_bytes)} GB."
        return failed(evidence, f"{detail} {sure}")
    if found.high_bytes > room.free_bytes:
        likely = found.low_bytes > room.free_bytes
        more = "It will probably run out of memory." if likely else "It may run out of memory."
        return warned(evidence, f"{detail} {more}")
    return passed(f"{span(found)} of {gb(room.total_bytes)} GB".replace(" GB of", " of"), detail)


def span(found: Need) -> str:
    return between(found.low_bytes, found.high_bytes)


_TINY = 50_000_000


# ----------------------------------------------------------------- what is trained, and where


def _load(facts: Facts) -> Load | None:
    """Raises DatasetError."""
    buckets = [
        (bucket.resolution, min(one.spec.batch_size, bucket.count or 1))
        for one in facts.plan().datasets
        for bucket in one.buckets
    ]
    batches = buckets or [(s.resolution, s.batch_size) for s in facts.specs() if s.resolution]
    on_gpu = _device(facts) not in ("cpu", "mps")
    return load_of(facts.config, facts.flags, facts.base_model(), batches, on_gpu)


def _probed(facts: Facts) -> Device:
    """As the training would get it, if its Python can be asked."""
    found = facts.interpreter()
    absent = {"torch", "accelerate"} & set(found.missing())
    return Device() if found.problem or absent else facts.device()


def _device(facts: Facts) -> str | None:
    return _probed(facts).kind or facts.device_wanted or ("cuda" if facts.cards() else None)


def room_of(facts: Facts, on_gpu: bool) -> Room | None:
    """Of the GPU that will be used: with several processes the fullest, with several possible ones the
    emptiest; all of its memory for a run that waits until it is free. A Mac's GPU uses main memory. None:
    unknown."""
    if not on_gpu:
        memory = psutil.virtual_memory()
        return Room(_MAIN, memory.available, memory.total)
    processes = facts.config.processes
    keys = set(_probed(facts).keys[:processes]) or {card.key for card in facts.cards()}
    gpus = read_once(default_sources(), _DRIVER_S)
    rooms = [
        Room(
            gpu.name or "GPU",
            gpu.memory_total_bytes if facts.waits else gpu.memory_left_bytes,
            gpu.memory_total_bytes,
        )
        for gpu in [gpu for gpu in gpus if gpu.key in keys] or gpus
        if gpu.memory_left_bytes is not None and gpu.memory_total_bytes is not None
    ]
    choose = min if processes > 1 else max
    return choose(rooms, key=lambda room: room.free_bytes, default=None)


# ----------------------------------------------------------------- using less

Changes = Mapping[str, Any]


def less(
    load: Load, free_bytes: int, platform: Platform, allowed: Callable[[str], bool]
) -> dict[str, Any]:
    """The fewest changes with which it fits, the most effective first; those that change no result come
    before those that cost speed or precision. All of them if that is not enough."""
    made: dict[str, Any] = {}
    for group in (_harmless(load), _costly(load)):
        possible = [
            one for one in group
            if all(allowed(name) and not ruled_out(f"{name}={plain(value)}", platform)
                   for name, value in one.items())
        ]  # fmt: skip
        for changes in sorted(possible, key=lambda one: _high(load, made | dict(one))):
            if _high(load, made) <= free_bytes:
                return made
            if _high(load, made | dict(changes)) < _high(load, made) * 0.99:
                made |= changes
    return made


def _high(load: Load, changes: Changes) -> int:
    found = memory_need(replace(load, flags=merged(load.flags, changes)))
    return found.high_bytes if found is not None else 0


def _harmless(load: Load) -> Iterator[Changes]:
    flags = load.flags
    if not flags.get("gradient_checkpointing"):
        yield {"gradient_checkpointing": True}
    if not flags.get("cache_latents") and not flags.get("cache_latents_to_disk"):
        yield {"cache_latents": True}
    if not any(flags.get(name) for name in ("sdpa", "xformers", "mem_eff_attn")):
        yield {"sdpa": True}
    if flags.get("network_train_unet_only") and not flags.get("cache_text_encoder_outputs"):
        yield {"cache_text_encoder_outputs": True}


#: steps of --blocks_to_swap, as in the docs of sd-scripts
_SWAPS = (8, 16, 22, 28)


def _costly(load: Load) -> Iterator[Changes]:
    flags, figures = load.flags, figures_of(load.kind, load.numbers)
    half = flags.get("mixed_precision") in ("fp16", "bf16")
    if optimizer_name(flags).lower() == "adamw" and load.on_gpu:
        yield {"optimizer_type": "AdamW8bit"}
    if figures is None:
        return
    if figures.fp8 and half and load.on_gpu:
        yield {"fp8_base": True}
    if figures.block and load.on_gpu and not flags.get("cpu_offload_checkpointing"):
        now = whole(flags, "blocks_to_swap") or 0
        most = int(0.9 * figures.numbers / figures.block)
        yield from ({"blocks_to_swap": n} for n in _SWAPS if now < n <= most)


def _allowed(facts: Facts) -> Callable[[str], bool]:
    """What the dataset rules out, as sd-scripts asserts it: no cached latents with augmentation of images, no
    cached text encoder outputs with captions that change."""
    subsets: Iterable[Any] = facts.subsets()
    images = any(s.color_aug or s.random_crop or s.face_crop_aug_range for s in subsets)
    captions = any(
        s.shuffle_caption or s.caption_dropout_rate or s.caption_tag_dropout_rate
        or s.token_warmup_step or s.enable_wildcard for s in subsets
    )  # fmt: skip
    saved = facts.script is not None and facts.script.text_cache_suffix is not None

    def allowed(name: str) -> bool:
        if name == "cache_latents":
            return not images
        return name != "cache_text_encoder_outputs" or (saved and not captions)

    return allowed
