"""Will a training that ends early be able to resume where it was? Without a state only its weights can."""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned
from runner.trainers.sd_scripts.script_output import no_lora

COST = "optimizer and learning rate schedule start again"


def look(facts: Facts) -> Finding:
    if facts.smoke:
        return skipped("smoke test", "A smoke test is not resumed.")
    if facts.flags_elsewhere:
        return skipped("in config_file", "save_state may stand in config_file.")
    files = facts.forecast().checkpoints
    before_the_end = sum(file.state_name is not None for file in files[:-1])
    if before_the_end or (facts.on("save_state") and not files):
        told = f"{count(before_the_end, 'state')} before the end" if files else "save_state is set"
        return passed(
            "states saved", f"{told}: a training that ends early resumes from the newest."
        )
    if not facts.on("save_state"):
        detail = (
            f"save_state is not set. A training that ends early resumes from weights only: {COST}."
        )
        found = warned("no state saved", detail, "save_state = true")
        if no_lora(
            facts.config.trainer.script
        ):  # a state of a full model takes many times its size
            return found
        return found.curable(flag_cure(facts.config, "state", "save states", {"save_state": True}))
    detail = (
        "A state is saved together with a checkpoint, and no checkpoint is written before the end. A "
        f"training that ends early starts from the beginning: {COST}."
    )
    return warned(
        "no state before the end", detail, "set save_every_n_steps or save_every_n_epochs"
    )


CHECK = Check("state", "States", look)
