"""Caches of an earlier training next to the images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import move_cure
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, some, warned
from runner.preflight.npz import NotNpz, read_npz
from runner.trainers.sd_scripts.scripts import Script

#: (width, height) that cached latents must have; None: cached text encoder outputs
Side = tuple[int, int] | None
#: (cache, its source, the required latents)
Cached = tuple[Path, Path, Side]
#: files of a copied folder get their times in any order
_SLACK_S = 60.0


@check("latents", "Caches", 230, needs="script", foresees=("nan_from_first_step",))
def latents(facts: Facts) -> Finding:
    """Are cached latents and text encoder outputs of an earlier training still valid? Existing ones are used
    unchecked.

    sd-scripts main 48d368fa: `--cache_latents_to_disk` writes one .npz next to each image, named after the
    image's size. Caches of SD and SDXL are accepted for any resolution; since v0.10 NaN is not detected; with
    flip_aug the flipped latents must exist, else the file is written again.
    """
    script, used = facts.script, facts.on("cache_latents_to_disk")
    texts = script and script.text_cache_suffix and facts.on("cache_text_encoder_outputs_to_disk")
    if script is None or not (texts or used):
        return passed("not used", "Nothing is cached on disk.")
    planned = list(_latent_caches(facts, script)) if used else []
    if not script.keyed_by_size and (shared := _shared(planned)):
        detail = (
            f"One file for latents of several sizes: {some(shared)}. The first dataset's latents would be used "
            "in all."
        )
        fix = Fix("cache in memory", {"cache_latents_to_disk": False, "cache_latents": True})
        return failed(f"{len(shared)} shared", detail, "", fix)
    found = dict.fromkeys(one for one in planned if one[0].is_file())
    found |= dict.fromkeys(_text_caches(facts, script) if texts else ())
    if not found:
        return passed("none yet", "The trainer creates them at its start.")
    bad = [(one[0], problem) for one in found if (problem := _problem(facts, *one))]
    if not bad:
        caches = count(len(found), "cache")
        return passed(f"{len(found)} fit", f"{caches} are finite and fit their images.")
    problems = [f"{path.name}: {problem}" for path, problem in bad]
    detail = f"In {bad[0][0].parent}: {some(problems)}. The trainer would use them unchecked."
    nan = sum("NaN" in problem for problem in problems)
    broken = sum("damaged" in problem for problem in problems)
    cure = move_cure("latents", "move the stale caches away", [path for path, _ in bad])
    advice = "move these files away; the trainer creates new ones"
    if nan or broken:
        return failed(f"{nan} NaN" if nan else f"{broken} damaged", detail, advice, cure)
    return warned(f"{len(bad)} stale", detail, advice, cure)


def _latent_caches(facts: Facts, script: Script) -> Iterator[Cached]:
    """The file that the trainer would use for each image, existing or not; SD and SDXL use an old `NAME.npz`
    first (v0.9 and before)."""
    plan = facts.plan()
    for image in (image for d in (*plan.datasets, *plan.validation) for image in d.images):
        path = facts.config.trainer_cwd / image.path
        width, height = image.size
        old = path.with_suffix(".npz")
        file = Path(f"{path.with_suffix('')}_{width:04d}x{height:04d}{script.cache_suffix}")
        file = old if not script.keyed_by_size and old.is_file() else file
        yield file, path, (image.bucket[0] // script.stride, image.bucket[1] // script.stride)


def _shared(planned: list[Cached]) -> list[str]:
    """Names of files for one image in buckets of several sizes: the same folder in datasets of several
    resolutions. FLUX and later models keep all sizes in one file."""
    sides: dict[Path, set[Side]] = {}
    for file, _, side in planned:
        sides.setdefault(file, set()).add(side)
    return [file.name for file, known in sides.items() if len(known) > 1]


def _text_caches(facts: Facts, script: Script) -> Iterator[Cached]:
    """The cached text encoder outputs of each image that has a caption."""
    for subset in facts.subsets():
        for path in facts.image_paths_of(subset):
            file = Path(f"{path.with_suffix('')}{script.text_cache_suffix}")
            caption = path.with_name(path.stem + subset.caption_extension)
            if file.is_file() and caption.is_file():
                yield file, caption, None


def _problem(facts: Facts, file: Path, source: Path, side: Side) -> str | None:
    if facts.cancelled.is_set():
        return None
    try:
        arrays = read_npz(file)
        older = file.stat().st_mtime + _SLACK_S < source.stat().st_mtime
    except NotNpz as error:
        return str(error)
    except OSError as error:
        return f"damaged: {error.strerror}"
    start = "" if side is None else "latents"
    if any(name.startswith(start) and array.finite is False for name, array in arrays.items()):
        return "contains NaN"
    if side is None:
        return "older than its caption" if older else None
    width, height = side
    latents = arrays.get("latents") or arrays.get(f"latents_{height}x{width}")
    if latents is None:
        return None  # another size or layout: the trainer creates its own
    if latents.shape[-2:] != (height, width):
        return f"made for {latents.shape[-1]}x{latents.shape[-2]} latents, not {width}x{height}"
    return "older than its image" if older else None
