"""What a base model may lack: VAE, text encoders, tokenizers."""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight import hub
from runner.preflight.checks.base_model import inspect, look_at, offline
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.header import kind_of, read_model
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.scripts import BYT5, GEMMA2, SD2, wanted_tokenizers

#: the VAE flag, by script requirement
_VAE = ("vae", "ae")


@check("vae", "VAE", 90)
def vae(facts: Facts) -> Finding:
    """Does the VAE exist, is it complete, and will it stay finite? A VAE in half precision overflows for some
    SDXL images; since v0.10 NaN is cached unnoticed (sd-scripts main, strategy_base.py).
    """
    named = {flag: name for flag in _VAE if (name := facts.text(flag))}
    for flag, name in named.items():
        found = look_at(name, facts, flag)
        if found.status != "pass":
            return found
        shapes = read_model(facts.path(flag))
        kind = kind_of(shapes) if shapes else None
        # a complete checkpoint also contains a VAE
        if kind and kind.name != "vae" and not (kind.in_channels is not None and kind.whole):
            detail = f"{facts.path(flag)} is a {kind.title}, not a VAE."
            return failed(f"a {kind.title}", detail, f"correct {flag}")
    if absent := _absent(facts, _VAE):
        return absent
    if named:
        return passed(next(iter(named.values())).rpartition("/")[2], "It is complete.")
    half = facts.text("mixed_precision") == "fp16" and not facts.on("no_half_vae")
    if half and "sdxl" in facts.kinds:
        detail = "The VAE of SDXL overflows in fp16: images become NaN."
        return warned(
            "fp16 overflows", detail, "", Fix("keep the VAE in float32", {"no_half_vae": True})
        )
    return passed("in the base model", "The base model's own VAE is used.")


def _absent(facts: Facts, flags: tuple[str, ...]) -> Finding | None:
    """Flags that the script needs but that are not set."""
    needs = facts.script.needs if facts.script else ()
    absent = [flag for flag in flags if flag in needs and not facts.text(flag)]
    if not absent or facts.flags_elsewhere:
        return None
    detail = f"Not set, but needed by this script: {some(absent)}."
    return failed(f"no {absent[0]}", detail, f"add {absent[0]} to [train]")


@check("encoders", "Encoders", 100, needs="script")
def encoders(facts: Facts) -> Finding:
    """Do the text encoders exist that a script needs as separate files?"""
    wanted = (*facts.script.needs, *facts.script.may_need) if facts.script else ()
    flags = tuple(flag for flag in wanted if flag not in _VAE)
    in_model = passed("in the base model", "The base model contains its text encoders.")
    if not flags:
        return in_model
    if absent := _absent(facts, flags):
        return absent
    given = [flag for flag in flags if facts.text(flag)]
    for flag in given:
        path = facts.path(flag)
        if path is None or path.is_dir():
            continue  # a folder of transformers
        found = inspect(path, flag)
        if found.status == "fail":
            return found
    if given or facts.flags_elsewhere:
        return passed(count(len(given), "encoder"), f"Complete: {some(given)}.")
    shapes = facts.base_model()
    if shapes is None:
        return skipped("header unread")
    # SD 3 checkpoints may contain theirs
    if any(name.startswith("text_encoders.") for name in shapes):
        return in_model
    detail = "clip_l, clip_g and t5xxl are not set and not in the base model."
    return failed("none given", detail, "add clip_l, clip_g and t5xxl to [train]")


#: one complete set is enough (CLIP: vocabulary and merges; T5 and Gemma: a sentencepiece model)
_FILES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("tokenizer.model",),
)


@check("tokenizer", "Tokenizer", 110, needs="script", foresees=("tokenizer_unavailable",))
def tokenizer(facts: Facts) -> Finding:
    """Can the tokenizers be loaded? sd-scripts loads them from --tokenizer_cache_dir, else from the hub.

    sd-scripts main 48d368fa (strategy_base._load_tokenizer): the folder is the model's name with `_`
    for `/`. Offline with an empty cache it fails first thing; online it downloads a few MB once.
    """
    wanted = wanted_tokenizers(facts.script, facts.flags) if facts.script else ()
    if not wanted:
        return skipped("none needed", "This script loads no tokenizer from the hub.")
    absent = [name for name in wanted if not _there(name, facts)]
    if not absent:
        return passed("on this disk", f"{some(list(wanted))}: no download is needed.")
    cache = hub.hub_cache(facts.environment())
    detail = f"{some(absent)}: not in tokenizer_cache_dir or in {cache}."
    advice = "start once with a connection, or set tokenizer_cache_dir to a folder that has it"
    if unreachable := offline(facts, detail, advice):
        return unreachable
    detail += " The trainer will download it at its start."
    return warned(count(len(absent), "download"), detail, advice)


def _there(name: str, facts: Facts) -> bool:
    folder = facts.path("tokenizer_cache_dir")
    local = folder / name.replace("/", "_") if folder else None
    if local is not None and local.exists():
        return _complete(local, name)
    found = hub.snapshot(hub.folder_in(hub.hub_cache(facts.environment()), name))
    if found is None and folder is not None and name == GEMMA2:
        # the Lumina script uses the folder as a cache in the hub's own layout
        found = hub.snapshot(hub.folder_in(folder, name))
    return found is not None and _complete(found / "tokenizer" if name == SD2 else found, name)


def _complete(folder: Path, name: str) -> bool:
    """ByT5 reads bytes and has no vocabulary."""
    sets = (("tokenizer_config.json",),) if name == BYT5 else _FILES
    return any(all((folder / file).exists() for file in files) for files in sets)
