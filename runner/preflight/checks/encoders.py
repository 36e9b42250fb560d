"""What a base model does not bring along: VAE, text encoders, tokenizers."""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight import hub
from runner.preflight.checks.base_model import inspect, look_at
from runner.preflight.cures.settings import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.header import kind_of, read_model
from runner.preflight.model import Finding, check, failed, passed, short, skipped, some, warned
from runner.trainers.sd_scripts.scripts import BYT5, GEMMA2, SD2, wanted_tokenizers

#: the flag that names the VAE, by script's need
_FLAGS = ("vae", "ae")


@check("vae", "VAE", order=90, builtin=("none", "The built-in trainer learns in pixels."))
def vae(facts: Facts) -> Finding:
    """Is the VAE there and whole, and will it stay finite?

    A VAE in half precision overflows for some SDXL images; since v0.10 the not-a-numbers go into the
    cache unnoticed (sd-scripts main, strategy_base.py).
    """
    named = [flag for flag in _FLAGS if facts.text(flag)]
    for flag in named:
        found = look_at(str(facts.flags[flag]), facts, flag)
        if found.status != "pass":
            return found
        if wrong := _wrong_kind(facts, flag):
            return wrong
    needed = [flag for flag in _FLAGS if facts.script and flag in facts.script.needs]
    absent = [flag for flag in needed if flag not in named]
    if absent and not facts.flags_elsewhere:
        detail = f"{absent[0]} is not set, and this script needs it."
        return failed(f"no {absent[0]}", detail, f"add {absent[0]} to [train]")
    return _precision(facts, named)


def _wrong_kind(facts: Facts, flag: str) -> Finding | None:
    header = read_model(facts.path(flag))
    kind = kind_of(header) if header else None
    if kind is None or kind.name == "vae" or (kind.in_channels is not None and kind.whole):
        return None  # a whole checkpoint holds a VAE as well
    detail = f"{facts.path(flag)} is a {kind.title}, not a VAE."
    return failed(short(f"a {kind.title}"), detail, f"correct {flag}")


def _precision(facts: Facts, named: list[str]) -> Finding:
    half = facts.text("mixed_precision") == "fp16"
    sdxl = facts.script is not None and "sdxl" in facts.script.kinds
    if half and sdxl and not named and not facts.on("no_half_vae"):
        detail = "The VAE of SDXL overflows in fp16: images become not-a-number."
        cure = flag_cure(facts.config, "vae", "keep the VAE in float32", {"no_half_vae": True})
        return warned("fp16 overflows", detail, "no_half_vae = true", cure)
    if named:
        return passed(short(str(facts.flags[named[0]]).rpartition("/")[2]), "It is complete.")
    return passed("in the base model", "The base model's own VAE is used.")


_VAE = ("vae", "ae")


@check(
    "encoders", "Encoders", order=100,
    builtin=("none", "The built-in trainer reads its captions itself."),
    unknown_script=("not known", "Which text encoders this trainer needs is not known here."),
)  # fmt: skip
def encoders(facts: Facts) -> Finding:
    """Are the text encoders there that a script wants as files of their own?"""
    script = facts.known_script
    flags = [flag for flag in (*script.needs, *script.may_need) if flag not in _VAE]
    if not flags:
        return passed("in the base model", "The text encoders are part of the base model.")
    absent = [flag for flag in script.needs if flag in flags and not facts.text(flag)]
    if absent and not facts.flags_elsewhere:
        detail = f"Not set, and needed by this script: {some(absent)}."
        return failed(f"no {absent[0]}", detail, f"add {absent[0]} to [train]")
    given = [flag for flag in flags if facts.text(flag)]
    for flag in given:
        path = facts.path(flag)
        if path is not None and path.is_dir():
            continue  # a folder of transformers
        found = inspect(path, flag) if path else look_at(str(facts.flags[flag]), facts, flag)
        if found.status == "fail":
            return found
    if not given and not facts.flags_elsewhere:
        return _in_checkpoint(facts)
    return passed(count(len(given), "encoder"), f"Complete: {some(given)}.")


def _in_checkpoint(facts: Facts) -> Finding:
    """SD 3 checkpoints may hold theirs (`text_encoders.`)."""
    header = facts.base_model()
    if header is None:
        return skipped("header unread")
    if any(name.startswith("text_encoders.") for name in header.shapes):
        return passed("in the base model", "The base model holds its text encoders.")
    detail = "Neither clip_l, clip_g and t5xxl are set nor are they in the base model."
    return failed("none given", detail, "add clip_l, clip_g and t5xxl to [train]")


#: one complete set is enough (CLIP: vocabulary and merges; T5 and Gemma: a sentencepiece model)
_FILES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("tokenizer.model",),
)


@check(
    "tokenizer", "Tokenizer", order=110, foresees=("tokenizer_unavailable",),
    builtin=("none", "The built-in trainer has its own tokenizer."),
    unknown_script=("not known", "What this trainer loads from the hub is not known here."),
)  # fmt: skip
def tokenizer(facts: Facts) -> Finding:
    """Can the tokenizers be loaded? sd-scripts takes them from --tokenizer_cache_dir, else from the
    hub.

    sd-scripts main 48d368fa (strategy_base._load_tokenizer): the folder is the model's name with `_`
    for `/`. Offline and with an empty cache it dies before anything else; where it can, it downloads a
    few MB once.
    """
    wanted = wanted_tokenizers(facts.known_script, facts.flags)
    if not wanted:
        return skipped("none needed", "This script loads no tokenizer from the hub.")
    absent = [name for name in wanted if not _there(name, facts)]
    if not absent:
        return passed("on this disk", f"{some(list(wanted))}: no download is needed.")
    return _absent(facts, absent)


def _absent(facts: Facts, absent: list[str]) -> Finding:
    env = facts.environment()
    detail = f"{some(absent)}: neither in tokenizer_cache_dir nor in {hub.hub_cache(env)}."
    advice = "start once with a connection, or set tokenizer_cache_dir to a folder that holds it"
    forbidden = hub.offline(env)
    if forbidden:
        return failed("not here, offline", f"{detail} {forbidden} forbids the download.", advice)
    if facts.hub_reachable() is False:
        return failed("not here, no hub", f"{detail} The hub cannot be reached from here.", advice)
    told = f"{detail} The trainer will download it at its start."
    return warned(f"{count(len(absent), 'download')}", told, advice)


def _there(name: str, facts: Facts) -> bool:
    folder = facts.path("tokenizer_cache_dir")
    local = folder / name.replace("/", "_") if folder else None
    if local is not None and local.exists():
        return _complete(local, name)
    found = hub.snapshot(hub.hub_folder(name, facts.environment()))
    if found is None and folder is not None and name == GEMMA2:
        # the script for Lumina takes the folder for a cache in the hub's own layout
        found = hub.snapshot(hub.folder_in(folder, name))
    return found is not None and _complete(found / "tokenizer" if name == SD2 else found, name)


def _complete(folder: Path, name: str) -> bool:
    """ByT5 reads bytes and has no vocabulary."""
    sets = (("tokenizer_config.json",),) if name == BYT5 else _FILES
    return any(all((folder / file).exists() for file in files) for files in sets)
