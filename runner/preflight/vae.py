"""Is the VAE there and whole, and will it stay finite?

A VAE in half precision overflows for some SDXL images; since v0.10 the not-a-numbers go into the
cache unnoticed (sd-scripts main, strategy_base.py).
"""

from __future__ import annotations

from runner.preflight.base_model import look_at
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.header import read_model
from runner.preflight.kinds import kind_of
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned

#: the flag that names the VAE, by script's need
_FLAGS = ("vae", "ae")


def look(facts: Facts) -> Finding:
    if facts.config.trainer.embedded:
        return skipped("none", "The built-in trainer learns in pixels.")
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
        return warned("fp16 overflows", detail, "no_half_vae = true").curable(cure)
    if named:
        return passed(short(str(facts.flags[named[0]]).rpartition("/")[2]), "It is whole.")
    return passed("in the base model", "The base model's own VAE is used.")


CHECK = Check("vae", "VAE", look)
