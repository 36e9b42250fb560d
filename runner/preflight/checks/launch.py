"""How the trainer is launched: accelerate's configuration, processes, environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from runner.preflight.cures.accelerate import own_config_cure, user_config_cure
from runner.preflight.cures.settings import REMOVED, key_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, short, warned
from runner.trainers.accelerate import (
    DISTRIBUTED_TYPES,
    AccelerateConfig,
    config_path,
    read_config,
)


@check(
    "accelerate", "Accelerate", order=400, cures=("accelerate_file",),
    unlaunched=("not launched by it", "The script is started by Python itself."),
)  # fmt: skip
def accelerate(facts: Facts) -> Finding:
    """Does the launcher's configuration take the training away from its device?

    accelerate 1.6: `distributed_type: MPS` of configurations before 0.20 stops the launch, `use_cpu:
    true` (which `accelerate config default` writes on a Mac) sends the training to the CPU without a
    word.
    """
    config = facts.config
    if config.accelerate.get("cpu") and facts.device_wanted not in (None, "cpu"):
        detail = "[accelerate] cpu is set, so the training would run on the CPU."
        cure = key_cure(config, "accelerate", "let it use the GPU", "accelerate", {"cpu": REMOVED})
        return failed("cpu is set", detail, "take cpu out of [accelerate]", cure)
    path = config_path(config, facts.environment())
    found = read_config(path)
    if found is None:
        if "config_file" in config.accelerate:
            detail = f"{path} does not exist, and accelerate refuses to start without it."
            advice = "correct [accelerate] config_file"
            return failed("no config_file", detail, advice, own_config_cure(facts))
        return passed("no file", f"There is no {path}; every setting is given on the command line.")
    return judge_accelerate(facts, found)


def judge_accelerate(facts: Facts, found: AccelerateConfig) -> Finding:
    cures = (own_config_cure(facts), user_config_cure(facts, found))
    if found.problem:
        detail = f"{found.path} cannot be read: {found.problem}."
        return failed("not readable", detail, "use a configuration of its own", cures[0])
    kind = found.distributed_type
    if kind is None:
        detail = f"{found.path} has no distributed_type, and accelerate refuses such a file."
        return failed("incomplete", detail, "add distributed_type: 'NO'", *cures)
    if kind not in DISTRIBUTED_TYPES:
        detail = f"{found.path} says distributed_type: {kind}, which accelerate no longer knows."
        evidence = short(f"type {kind}")
        return failed(evidence, detail, f"set distributed_type: 'NO' in {found.path}", *cures)
    if found.use_cpu and facts.device_wanted != "cpu":
        detail = f"{found.path} says use_cpu: true, so the training would run on the CPU."
        advice = f"set use_cpu: false in {found.path}"
        if facts.device_wanted is None:
            advice += ', or device = "cpu" in [expect]'
            return warned("use_cpu is true", detail, advice, *cures)
        return failed("use_cpu is true", detail, advice, *cures)
    if kind != "NO" and facts.config.processes == 1:
        detail = f"{found.path} says distributed_type: {kind}, and one process is started."
        return warned(short(f"type {kind}"), detail, "set distributed_type: 'NO'", *cures)
    device = "the CPU" if found.use_cpu else "the GPU where there is one"
    return passed("no conflict", f"{found.path} lets the training use {device}.")


DEFAULT_PORT = 29500


@check(
    "processes", "Processes", order=410, foresees=("accelerate_arguments", "port_in_use"),
    unlaunched=("one process", "Python starts the script once."),
)  # fmt: skip
def processes(facts: Facts) -> Finding:
    """Can as many trainer processes start as are asked for?

    accelerate 1.6 (_validate_launch_command): --multi_gpu wants two processes and two GPU ids; several
    processes meet on port 29500, which a second training or an orphan of an earlier one may hold.
    """
    config = facts.config
    processes, flags = config.processes, config.accelerate
    if flags.get("multi_gpu") and processes < 2:
        advice = "num_processes = 2 or more, or take multi_gpu out of [accelerate]"
        return failed("multi_gpu, 1 process", "multi_gpu needs at least two processes.", advice)
    ids = [one for one in str(flags.get("gpu_ids") or "all").split(",") if one]
    if processes > 1 and ids != ["all"] and len(ids) < 2:
        detail = f"{processes} processes share the one GPU of gpu_ids = {ids[0]}."
        return failed("one gpu_id", detail, f"name {processes} GPUs in gpu_ids")
    if processes < 2:
        return passed("one process", "One trainer process will be started.")
    if facts.device_wanted == "mps":
        detail = f"{processes} processes cannot share the one GPU of a Mac."
        return failed("several processes", detail, "num_processes = 1 in [accelerate]")
    return _port(facts, processes)


def _port(facts: Facts, processes: int) -> Finding:
    asked = facts.config.accelerate.get("main_process_port", DEFAULT_PORT)
    port = asked if isinstance(asked, int) else DEFAULT_PORT
    if port and not in_use(port):
        return passed(f"{processes} processes", f"{processes} processes meet on port {port}.")
    after = (port or DEFAULT_PORT) + 1
    free = next(one for one in (*range(after, 65536), *range(1024, after)) if not in_use(one))
    advice = f"main_process_port = {free} in [accelerate]"
    changes = {"main_process_port": free}
    cure = key_cure(facts.config, "processes", f"use port {free}", "accelerate", changes)
    if not port:
        detail = "With port 0 the processes of accelerate 1.6 wait for each other forever."
        return warned("port 0", detail, advice, cure)
    detail = f"Port {port}, on which the processes meet, is in use by another program."
    return failed(f"port {port} in use", detail, advice, cure)


def in_use(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


_RANK = "LOCAL_RANK"
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


@check("environment", "Environment", order=420)
def environment(facts: Facts) -> Finding:
    """Does the environment hold what leads a training astray?

    What another launcher left behind makes accelerate wait for processes that never come; ACCELERATE_*
    decides the device over every configuration; an empty CUDA_VISIBLE_DEVICES hides every GPU;
    PYTHONHOME and a PYTHONPATH of another Python break imports (accelerate 1.6, torch 2.x).
    """
    return judge_environment(facts.environment(), facts.device_wanted, facts.config.processes)


def judge_environment(env: Mapping[str, str], wanted: str | None, processes: int) -> Finding:
    leaked = [name for name in (_RANK, *_SIZES) if _several(name, env.get(name))]
    if leaked and processes == 1:
        detail = f"{', '.join(leaked)} is set, so accelerate waits for other processes."
        return failed(short(f"{leaked[0]} is set"), detail, f"unset {' '.join(leaked)}")
    if _true(env.get("ACCELERATE_USE_CPU")) and wanted not in (None, "cpu"):
        detail = "ACCELERATE_USE_CPU is set: the training would run on the CPU."
        return failed("forced to the CPU", detail, "unset ACCELERATE_USE_CPU")
    forced = env.get("ACCELERATE_TORCH_DEVICE")
    if forced and wanted and forced.split(":")[0] != wanted:
        detail = f"ACCELERATE_TORCH_DEVICE={forced} decides the device over everything else."
        return failed(short(f"forced to {forced}"), detail, "unset ACCELERATE_TORCH_DEVICE")
    visible = env.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1") and wanted == "cuda":
        detail = f'CUDA_VISIBLE_DEVICES="{visible}" hides every GPU from the training.'
        return failed("GPUs are hidden", detail, "unset CUDA_VISIBLE_DEVICES")
    if env.get("PYTHONHOME"):
        detail = f"PYTHONHOME={env['PYTHONHOME']}: the trainer's Python would use foreign modules."
        return warned("PYTHONHOME is set", detail, "unset PYTHONHOME")
    return passed("clean", "No variable of another launcher is set.")


def _several(name: str, value: str | None) -> bool:
    """A rank at all, or a world of more than one process."""
    try:
        number = int(value or "-1")
    except ValueError:
        return False
    return number >= 0 if name == _RANK else number > 1


def _true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on")
