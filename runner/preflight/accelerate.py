"""Does the launcher's configuration take the training away from its device?

accelerate 1.6: `distributed_type: MPS` of configurations before 0.20 stops the launch, `use_cpu:
true` (which `accelerate config default` writes on a Mac) sends the training to the CPU without a
word.
"""

from __future__ import annotations

from runner.preflight.cures.accelerate import own_config_cure, user_config_cure
from runner.preflight.cures.plasma_toml import REMOVED, key_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.trainers.sd_scripts.accelerate_config import (
    DISTRIBUTED_TYPES,
    AccelerateConfig,
    config_path,
    read_config,
)


def look(facts: Facts) -> Finding:
    config = facts.config
    if config.trainer.launcher != "accelerate":
        return skipped("not launched by it", "The script is started by Python itself.")
    if config.accelerate.get("cpu") and facts.device_wanted not in (None, "cpu"):
        detail = "[accelerate] cpu is set, so the training would run on the CPU."
        cure = key_cure(config, "accelerate", "let it use the GPU", "accelerate", {"cpu": REMOVED})
        return failed("cpu is set", detail, "take cpu out of [accelerate]").curable(cure)
    path = config_path(config, facts.environment())
    found = read_config(path)
    if found is None:
        if "config_file" in config.accelerate:
            detail = f"{path} does not exist, and accelerate refuses to start without it."
            finding = failed("no config_file", detail, "correct [accelerate] config_file")
            return finding.curable(own_config_cure(facts))
        return passed("no file", f"There is no {path}; every setting is given on the command line.")
    return judge(facts, found)


def judge(facts: Facts, found: AccelerateConfig) -> Finding:
    cures = (own_config_cure(facts), user_config_cure(facts, found))
    if found.problem:
        detail = f"{found.path} cannot be read: {found.problem}."
        return failed("not readable", detail, "use a configuration of its own").curable(cures[0])
    kind = found.distributed_type
    if kind is None:
        detail = f"{found.path} has no distributed_type, and accelerate refuses such a file."
        return failed("incomplete", detail, "add distributed_type: 'NO'").curable(*cures)
    if kind not in DISTRIBUTED_TYPES:
        detail = f"{found.path} says distributed_type: {kind}, which accelerate no longer knows."
        evidence = short(f"type {kind}")
        return failed(evidence, detail, f"set distributed_type: 'NO' in {found.path}").curable(
            *cures
        )
    if found.use_cpu and facts.device_wanted != "cpu":
        return _cpu(facts, found).curable(*cures)
    if kind != "NO" and facts.config.processes == 1:
        detail = f"{found.path} says distributed_type: {kind}, and one process is started."
        return warned(short(f"type {kind}"), detail, "set distributed_type: 'NO'").curable(*cures)
    device = "the CPU" if found.use_cpu else "the GPU where there is one"
    return passed("nothing in the way", f"{found.path} lets the training use {device}.")


def _cpu(facts: Facts, found: AccelerateConfig) -> Finding:
    detail = f"{found.path} says use_cpu: true, so the training would run on the CPU."
    advice = f"set use_cpu: false in {found.path}"
    if facts.device_wanted is None:
        return warned("use_cpu is true", detail, f'{advice}, or device = "cpu" in [expect]')
    return failed("use_cpu is true", detail, advice)


CHECK = Check("accelerate", "Accelerate", look)
