"""How the trainer is launched: accelerate's configuration, processes, environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from runner.preflight.cures.accelerate import own_config_cure, user_config_cure
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, warned
from runner.trainers.accelerate import (
    DISTRIBUTED_TYPES,
    AccelerateConfig,
    config_path,
    read_config,
)

SECTION = "accelerate"


@check("accelerate", "Accelerate", 400, needs="launcher", cures=("accelerate_file",))
def accelerate(facts: Facts) -> Finding:
    """Does the launcher's configuration move the training to another device?

    accelerate 1.6: `distributed_type: MPS` of configurations before 0.20 stops the launch, `use_cpu:
    true` (which `accelerate config default` writes on a Mac) silently moves the training to the CPU.
    """
    config = facts.config
    if config.accelerate.get("cpu") and facts.device_wanted not in (None, "cpu"):
        detail = "[accelerate] cpu is set, so the training would run on the CPU."
        return failed(
            "cpu is set", detail, "", Fix("let it use the GPU", {"cpu": REMOVED}, SECTION)
        )
    path = config_path(config, facts.environment())
    found = read_config(path)
    if found is not None:
        return judge_accelerate(facts, found)
    if "config_file" in config.accelerate:
        detail = f"{path} does not exist, and accelerate refuses to start without it."
        advice = "correct [accelerate] config_file"
        return failed("no config_file", detail, advice, own_config_cure(facts))
    return passed("no file", f"No {path}; all settings are on the command line.")


def judge_accelerate(facts: Facts, found: AccelerateConfig) -> Finding:
    file, kind = found.path, found.distributed_type
    cures = (own_config_cure(facts), user_config_cure(facts, found))
    advice = f"set distributed_type: 'NO' in {file}"
    if found.problem:
        detail = f"{file} cannot be read: {found.problem}."
        return failed("not readable", detail, "use a separate configuration", *cures)
    if kind is None:
        detail = f"{file} has no distributed_type, and accelerate rejects such a file."
        return failed("incomplete", detail, advice, *cures)
    if kind not in DISTRIBUTED_TYPES:
        detail = f"{file} sets distributed_type: {kind}, which accelerate no longer supports."
        return failed(f"type {kind}", detail, advice, *cures)
    if found.use_cpu and facts.device_wanted != "cpu":
        detail = f"{file} sets use_cpu: true, so the training would run on the CPU."
        advice = f"set use_cpu: false in {file}"
        if facts.device_wanted:
            return failed("use_cpu is true", detail, advice, *cures)
        advice += ', or device = "cpu" in [expect]'
        return warned("use_cpu is true", detail, advice, *cures)
    if kind != "NO" and facts.config.processes == 1:
        detail = f"{file} sets distributed_type: {kind}, but only one process is started."
        return warned(f"type {kind}", detail, advice, *cures)
    device = "the CPU" if found.use_cpu else "the GPU if there is one"
    return passed("no conflict", f"{file} lets the training use {device}.")


DEFAULT_PORT = 29500


@check(
    "processes", "Processes", 410, needs="launcher",
    foresees=("accelerate_arguments", "port_in_use"),
)  # fmt: skip
def processes(facts: Facts) -> Finding:
    """Can the requested number of trainer processes start?

    accelerate 1.6 (_validate_launch_command): --multi_gpu needs two processes and two GPU ids; several
    processes communicate on port 29500, which a second training or an orphan of an earlier one may use.
    """
    processes, flags = facts.config.processes, facts.config.accelerate
    ids = [one for one in str(flags.get("gpu_ids") or "all").split(",") if one]
    if processes < 2:
        if not flags.get("multi_gpu"):
            return passed("one process", "One trainer process will be started.")
        advice = "num_processes = 2 or more, or remove multi_gpu from [accelerate]"
        return failed("multi_gpu, 1 process", "multi_gpu needs at least two processes.", advice)
    if ids != ["all"] and len(ids) < 2:
        detail = f"{processes} processes share the one GPU of gpu_ids = {ids[0]}."
        return failed("one gpu_id", detail, f"set {processes} GPUs in gpu_ids")
    if facts.device_wanted == "mps":
        detail = f"{processes} processes cannot share the one GPU of a Mac."
        return failed("several processes", detail, "num_processes = 1 in [accelerate]")
    asked = flags.get("main_process_port", DEFAULT_PORT)
    port = asked if isinstance(asked, int) else DEFAULT_PORT
    if port and not in_use(port):
        return passed(f"{processes} processes", f"{processes} processes use port {port}.")
    after = (port or DEFAULT_PORT) + 1
    free = next(one for one in (*range(after, 65536), *range(1024, after)) if not in_use(one))
    fix = Fix(f"use port {free}", {"main_process_port": free}, SECTION)
    if not port:
        detail = "With port 0 the processes of accelerate 1.6 wait for each other forever."
        return warned("port 0", detail, "", fix)
    detail = f"Port {port}, needed by the processes, is in use by another program."
    return failed(f"port {port} in use", detail, "", fix)


def in_use(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


_RANK = "LOCAL_RANK"
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


@check("environment", "Environment", 420)
def environment(facts: Facts) -> Finding:
    """Does the environment have harmful variables? Leftovers of another launcher make accelerate wait for
    processes that never start; ACCELERATE_* decides the device over every configuration; an empty
    CUDA_VISIBLE_DEVICES hides every GPU; PYTHONHOME and a PYTHONPATH of another Python break imports
    (accelerate 1.6, torch 2.x).
    """
    return judge_environment(facts.environment(), facts.device_wanted, facts.config.processes)


def judge_environment(env: Mapping[str, str], wanted: str | None, processes: int) -> Finding:
    leaked = [name for name in (_RANK, *_SIZES) if _several(name, env.get(name))]
    if leaked and processes == 1:
        detail = f"{', '.join(leaked)} is set, so accelerate waits for other processes."
        return failed(f"{leaked[0]} is set", detail, f"unset {' '.join(leaked)}")
    forced = env.get("ACCELERATE_TORCH_DEVICE", "")
    on_cpu = env.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "on")
    hidden = env.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1")
    for name, astray, evidence in (
        ("ACCELERATE_USE_CPU", on_cpu and wanted not in (None, "cpu"), "forced to the CPU"),
        (
            "ACCELERATE_TORCH_DEVICE",
            forced.split(":")[0] not in ("", wanted),
            f"forced to {forced}",
        ),
        ("CUDA_VISIBLE_DEVICES", hidden and wanted == "cuda", "GPUs are hidden"),
    ):
        if astray and wanted:
            detail = f'{name}="{env[name]}" keeps the training from {wanted}.'
            return failed(evidence, detail, f"unset {name}")
    if env.get("PYTHONHOME"):
        detail = f"PYTHONHOME={env['PYTHONHOME']}: the trainer's Python would use another Python's modules."
        return warned("PYTHONHOME is set", detail, "unset PYTHONHOME")
    return passed("clean", "No variable of another launcher is set.")


def _several(name: str, value: str | None) -> bool:
    """A rank at all, or a world of more than one process."""
    try:
        return int(value or "-1") > (-1 if name == _RANK else 1)
    except ValueError:
        return False
