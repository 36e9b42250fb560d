"""Can the tokenizers be loaded? sd-scripts takes them from --tokenizer_cache_dir, else from the
hub.

sd-scripts main 48d368fa (strategy_base._load_tokenizer): the folder is the model's name with `_`
for `/`. Offline and with an empty cache it dies before anything else; where it can, it downloads a
few MB once.
"""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight import hub
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.scripts import BYT5, GEMMA2, SD2, wanted_tokenizers

#: one complete set is enough (CLIP: vocabulary and merges; T5 and Gemma: a sentencepiece model)
_FILES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("tokenizer.model",),
)


def look(facts: Facts) -> Finding:
    script = facts.script
    if facts.config.trainer.embedded:
        return skipped("none", "The built-in trainer has its own tokenizer.")
    if script is None:
        return skipped("not known", "What this trainer loads from the hub is not known here.")
    wanted = wanted_tokenizers(script, facts.flags)
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


CHECK = Check("tokenizer", "Tokenizer", look)
