"""Caches that an earlier training left beside the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import move_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.preflight.npz import Array, NotNpz, read_npz
from runner.trainers.sd_scripts.dataset import DatasetError
from runner.trainers.sd_scripts.scripts import Script

SIDE = tuple[int, int]
TEXTS = "cache_text_encoder_outputs_to_disk"
#: files of a copied folder get their times in any order
_SLACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Cached:
    """One image with its cache and the (width, height) that the latents must have."""

    image: Path
    file: Path
    latents: SIDE


@check(
    "latents", "Caches", order=230, foresees=("nan_from_first_step",),
    builtin=("none", "The built-in trainer caches nothing on disk."),
    unknown_script=("not known", "How this trainer caches latents is not known here."),
)  # fmt: skip
def latents(facts: Facts) -> Finding:
    """Are cached latents and text encoder outputs of an earlier training still right? They are taken as
    they are when they exist.

    sd-scripts main 48d368fa: `--cache_latents_to_disk` writes one .npz beside each image, named after
    the image's size. The caches of SD and SDXL are accepted whatever resolution they were made for;
    since v0.10 nobody looks for not-a-numbers; flipped latents must be there with flip_aug, else the
    file is made anew.
    """
    script = facts.known_script
    latents, texts = facts.on("cache_latents_to_disk"), facts.on(TEXTS)
    if not latents and not (texts and script.text_cache_suffix):
        return passed("not used", "Nothing is cached on disk.")
    try:
        caches = list(_caches(facts, script)) if latents else []
        text_caches = list(_text_caches(facts, script)) if texts else []
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    if not caches and not text_caches:
        return passed("none yet", "The trainer makes them at its start.")
    bad = [(cached.file, problem) for cached in caches if (problem := _problem(facts, cached))]
    bad += [
        (file, problem)
        for file, caption in text_caches
        if (problem := _text_problem(facts, file, caption))
    ]
    if bad:
        return _bad(bad)
    found = len(caches) + len(text_caches)
    return passed(f"{found} fit", f"{count(found, 'cache')} are finite and fit their images.")


def _bad(bad: list[tuple[Path, str]]) -> Finding:
    told = [f"{path.name}: {problem}" for path, problem in bad]
    detail = f"In {bad[0][0].parent}: {some(told)}. The trainer would take them as they are."
    nan = sum("not a number" in problem for _, problem in bad)
    broken = sum("damaged" in problem for _, problem in bad)
    cure = move_cure("latents", "move the stale caches away", [path for path, _ in bad])
    advice = "move these files away; the trainer makes new ones"
    if nan or broken:
        return failed(f"{nan} NaN" if nan else f"{broken} damaged", detail, advice, cure)
    return warned(f"{len(bad)} stale", detail, advice, cure)


def _caches(facts: Facts, script: Script) -> Iterator[Cached]:
    """The files that the trainer would take for the images of its plan."""
    base = facts.config.trainer_cwd
    seen = set()
    for dataset in (*facts.plan().datasets, *facts.plan().validation):
        for image in dataset.images:
            path = base / image.path
            file = _file_for(path, image.size, script)
            wanted = (image.bucket[0] // script.stride, image.bucket[1] // script.stride)
            if (file, wanted) in seen:
                continue
            seen.add((file, wanted))
            if file.is_file():
                yield Cached(path, file, wanted)


def _file_for(image: Path, size: SIDE, script: Script) -> Path:
    """SD and SDXL take an old `NAME.npz` first (v0.9 and before)."""
    stem = image.with_suffix("")
    if not script.keyed_by_size:
        old = Path(f"{stem}.npz")
        if old.is_file():
            return old
    return Path(f"{stem}_{size[0]:04d}x{size[1]:04d}{script.cache_suffix}")


def _text_caches(facts: Facts, script: Script) -> Iterator[tuple[Path, Path]]:
    """(cached text encoder outputs, caption file) of each image that has both."""
    for subset in facts.subsets():
        for path in facts.image_paths_of(subset):
            file = Path(f"{path.with_suffix('')}{script.text_cache_suffix}")
            caption = path.with_name(path.stem + subset.caption_extension)
            if file.is_file() and caption.is_file():
                yield file, caption


def _text_problem(facts: Facts, file: Path, caption: Path) -> str | None:
    if facts.cancelled.is_set():
        return None
    try:
        arrays, older = _read(file, caption)
    except NotNpz as error:
        return str(error)
    if any(array.finite is False for array in arrays.values()):
        return "not a number in it"
    return "older than its caption" if older else None


def _problem(facts: Facts, cached: Cached) -> str | None:
    if facts.cancelled.is_set():
        return None
    try:
        arrays, older = _read(cached.file, cached.image)
    except NotNpz as error:
        return str(error)
    width, height = cached.latents
    latents = arrays.get("latents") or arrays.get(f"latents_{height}x{width}")
    if any(name.startswith("latents") and a.finite is False for name, a in arrays.items()):
        return "not a number in it"
    if latents is None:
        return None  # of another size or layout: the trainer makes its own
    if latents.shape[-2:] != (height, width):
        return f"made for {latents.shape[-1]}x{latents.shape[-2]} latents, not {width}x{height}"
    return "older than its image" if older else None


def _read(file: Path, source: Path) -> tuple[dict[str, Array], bool]:
    """What a cache holds, and whether it is older than what it was made from. Raises NotNpz."""
    try:
        return read_npz(file), file.stat().st_mtime + _SLACK_S < source.stat().st_mtime
    except OSError as error:
        raise NotNpz(f"damaged: {error.strerror}") from error
