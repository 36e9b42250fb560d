"""Are the text encoders there that a script wants as files of their own?"""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.base_model import inspect, look_at
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some

_VAE = ("vae", "ae")


def look(facts: Facts) -> Finding:
    script = facts.script
    if facts.config.trainer.embedded:
        return skipped("none", "The built-in trainer reads its captions itself.")
    if script is None:
        return skipped("not known", "Which text encoders this trainer needs is not known here.")
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
    return passed(count(len(given), "encoder"), f"Whole: {some(given)}.")


def _in_checkpoint(facts: Facts) -> Finding:
    """SD 3 checkpoints may hold theirs (`text_encoders.`)."""
    header = facts.base_model()
    if header is None:
        return skipped("header unread")
    if any(name.startswith("text_encoders.") for name in header.shapes):
        return passed("in the base model", "The base model holds its text encoders.")
    detail = "Neither clip_l, clip_g and t5xxl are set nor are they in the base model."
    return failed("none given", detail, "add clip_l, clip_g and t5xxl to [train]")


CHECK = Check("encoders", "Encoders", look)
