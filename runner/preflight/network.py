"""Is it said what is to be trained? --network_module has no default, and sd-scripts dies without
it.

--network_weights must be a whole file of the same rank (sd-scripts main: `size mismatch` otherwise,
unless --dim_from_weights).
"""

from __future__ import annotations

from pathlib import Path

from runner.preflight.base_model import inspect
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.header import Header, read_model
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.trainers.sd_scripts.script_output import TRAINED, no_lora

FLAG = "network_module"
#: --network_dim when it is not set (networks.lora)
DEFAULT_RANK = 4
#: network_alpha / rank scales what is learnt; sd-scripts' alpha is 1 when it is not set
DEFAULT_ALPHA = 1.0


def look(facts: Facts) -> Finding:
    if facts.config.trainer.embedded:
        return passed("LoRA", f"The built-in trainer makes a LoRA of rank {rank_of(facts)}.")
    module = facts.text(FLAG)
    if module is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", f"{FLAG} may stand in config_file.")
        name = Path(facts.config.trainer.script).name
        if no := no_lora(name):
            return passed(TRAINED[name].split(" ", 1)[1], f"{no}.")
        if not name.endswith("train_network.py"):
            return skipped("not known", f"What {name} trains is not known here.")
        return _missing(facts)
    if facts.on("dim_from_weights") and facts.text("network_weights") is None:
        detail = "dim_from_weights needs network_weights."
        return failed("no network_weights", detail, "set network_weights")
    if found := _weights(facts):
        return found
    if found := _other_module(facts, module):
        return found
    rank, alpha = rank_of(facts), facts.number("network_alpha")
    told = f"{module} of rank {rank}, alpha {(DEFAULT_ALPHA if alpha is None else alpha):g}"
    return passed(short(f"{module.split('.')[-1]} rank {rank}"), f"{told}.")


def rank_of(facts: Facts) -> int:
    return int(facts.number("network_dim") or DEFAULT_RANK)


def _missing(facts: Facts) -> Finding:
    module = facts.script.network_module if facts.script else "networks.lora"
    detail = f"{FLAG} is not set, and the trainer dies without it."
    cure = flag_cure(facts.config, "network", f"train {module}", {FLAG: module})
    return failed("no network_module", detail, f'{FLAG} = "{module}"').curable(cure)


def _other_module(facts: Facts, module: str) -> Finding | None:
    """networks.lora finds nothing to train in FLUX, and the reverse."""
    script = facts.script
    own = ("networks.lora", "networks.lora_fa", "networks.dylora", "networks.oft")
    if script is None or not module.startswith("networks.lora"):
        return None
    wanted = script.network_module
    if module == wanted or (wanted == "networks.lora" and module in own):
        return None
    name = Path(facts.config.trainer.script).name
    detail = f"{module} is not for {name}: it is {wanted} that finds the layers of {script.title}."
    cure = flag_cure(facts.config, "network", f"train {wanted}", {FLAG: wanted})
    return warned(short(module.split(".")[-1]), detail, f'{FLAG} = "{wanted}"').curable(cure)


def _weights(facts: Facts) -> Finding | None:
    path = facts.path("network_weights")
    if path is None:
        return None
    found = inspect(path, "network_weights")
    if found.status == "fail":
        return found
    header = read_model(path)
    rank = rank_in(header) if header else None
    if rank is not None and rank != rank_of(facts) and not facts.on("dim_from_weights"):
        detail = f"{path.name} has rank {rank}, but network_dim is {rank_of(facts)}."
        cure = flag_cure(facts.config, "network", f"train rank {rank}", {"network_dim": rank})
        return failed(
            f"rank {rank}, not {rank_of(facts)}", detail, f"network_dim = {rank}"
        ).curable(cure)
    return None


def rank_in(header: Header) -> int | None:
    """Of a LoRA file: the rows of its first `lora_down`. None: it is none."""
    for name, shape in header.shapes.items():
        if name.endswith((".lora_down.weight", ".lora_A.weight")) and shape:
            return shape[0]
    return None


CHECK = Check("network", "Network", look)
