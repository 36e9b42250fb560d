"""Can as many trainer processes start as are asked for?

accelerate 1.6 (_validate_launch_command): --multi_gpu wants two processes and two GPU ids; several
processes meet on port 29500, which a second training or an orphan of an earlier one may hold.
"""

from __future__ import annotations

import socket

from runner.preflight.cures.plasma_toml import key_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned

DEFAULT_PORT = 29500


def look(facts: Facts) -> Finding:
    config = facts.config
    if config.trainer.launcher != "accelerate":
        return skipped("one process", "Python starts the script once.")
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
    cure = key_cure(
        facts.config, "processes", f"use port {free}", "accelerate", {"main_process_port": free}
    )
    if not port:
        detail = "With port 0 the processes of accelerate 1.6 wait for each other for ever."
        return warned("port 0", detail, advice).curable(cure)
    detail = f"Port {port}, on which the processes meet, is in use by another program."
    return failed(f"port {port} in use", detail, advice).curable(cure)


def in_use(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


CHECK = Check("processes", "Processes", look)
