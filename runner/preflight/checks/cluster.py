"""What a Slurm job needs, asked before the start: a request that can be met, and files that the node sees."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from runner.engines.slurm import client
from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.printed import Partition, seconds_of
from runner.engines.slurm.script import options
from runner.model import Engine
from runner.model.units import count, duration
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.store.rundir import home

#: of one machine alone
LOCAL_TYPES = frozenset(
    ("tmpfs", "ramfs", "devtmpfs", "overlay", "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat",
     "exfat", "ntfs", "apfs", "hfs")
)  # fmt: skip
_SCRIPT = "#!/bin/bash\n{extra}exit 0\n"


@check("slurm", "Slurm", 405)
def slurm(facts: Facts) -> Finding:
    """Can Slurm ever start this job? It is asked with the request itself, without submitting it."""
    engine = facts.config.engine
    if engine.is_local:
        return skipped("not used", "The training runs on this machine: [engine] kind is not set.")
    chosen: list[Partition] = []
    try:
        known = client.partitions()
        names = engine.partition.split(",")
        chosen = [one for one in known if (one.name in names if engine.partition else one.usual)]
        if engine.partition and not chosen:
            return unknown_partition(engine, sorted(one.name for one in known))
        given = options(engine, name="plasma-tui-check", token="plasma-tui check", log="/dev/null")
        text = _SCRIPT.format(extra="".join(f"{line}\n" for line in engine.extra))
        starts_at = client.test(given, text)
    except SlurmError as error:
        return judge_error(error, chosen)
    return judge_request(engine, starts_at, chosen, time.time())


def unknown_partition(engine: Engine, known: Sequence[str]) -> Finding:
    detail = f"Slurm has no partition {engine.partition}; it has {', '.join(known[:12]) or 'none'}."
    return failed("unknown partition", detail, "correct [engine] partition")


def judge_error(error: SlurmError, chosen: Sequence[Partition] = ()) -> Finding:
    """`chosen`: the partitions that the job may get."""
    if error.absent:
        advice = "start from a login node of the cluster, or remove kind from [engine]"
        return failed("no Slurm here", f"{error}.", advice)
    if error.silent:
        return failed(
            "no answer", f"{error}.", "try again later: `sinfo` shows when Slurm responds"
        )
    away, nodes = sum(one.nodes_away for one in chosen), sum(one.nodes for one in chosen)
    if away and "configuration is not available" in str(error):
        detail = (
            f"No node can start this job now: {error}. Down or drained: {away} of {nodes} nodes. The job may "
            "have to wait for them; Slurm refuses it at the start if it needs more than any node has."
        )
        return warned(f"{count(away, 'node')} away", detail)
    detail = f"Slurm refuses this job: {error}."
    advice = "correct gres, time, cpus, memory, account or extra in [engine]"
    return failed("refused", detail, advice)


def judge_request(
    engine: Engine, starts_at: float | None, chosen: Sequence[Partition], now: float
) -> Finding:
    """`chosen`: the partitions that the job may get."""
    asked_s, limits = seconds_of(engine.time), [one.limit_s for one in chosen]
    limit_s = None if None in limits else max((one for one in limits if one), default=None)
    if asked_s is not None and limit_s is not None and asked_s > limit_s:
        detail = (
            f"[engine] time is {duration(asked_s)}, and the partition allows {duration(limit_s)}: "
            "the job would wait for ever."
        )
        return failed("time too long", detail, "lower [engine] time, and set requeue = true")
    ends_s = asked_s if asked_s is not None else limit_s
    if ends_s is not None and engine.signal_s >= ends_s:
        detail = (
            f"A job lasts {duration(ends_s)}, and the training begins to stop {engine.signal_s} s before "
            "its end: no time is left to train."
        )
        return failed("no time to train", detail, "raise [engine] time, or lower signal_s")
    if chosen and all(one.state != "up" for one in chosen):
        names = ", ".join(f"{one.name} ({one.state})" for one in chosen)
        detail = f"The job would wait until its partition is up again: {names}."
        return warned("partition down", detail)
    if not engine.gres and not any("gpu" in line for line in engine.extra):
        detail = "The job asks for no GPU: [engine] gres is not set."
        return warned("no GPU asked", detail, 'gres = "gpu:1" under [engine]')
    when = "now"
    if starts_at is not None and starts_at > now + 60:
        when = f"in {duration(starts_at - now)}"
    return passed(f"starts {when}", f"Slurm would start this job {when}, as things are.")


@check("shared_files", "Shared files", 406)
def shared_files(facts: Facts) -> Finding:
    """Does the node see the run folder and the output? Only the file system's type is known here: one that
    belongs to this machine alone is not seen elsewhere."""
    config = facts.config
    if config.engine.is_local:
        return skipped("not used", "The training runs on this machine.")
    places = {"PLASMA_HOME": home(), "the project": config.base_dir}
    if isinstance(folder := facts.flags.get("output_dir"), str) and folder:
        places["output_dir"] = config.trainer_cwd / folder
    try:
        nodes = len(client.nodes(config.engine.partition))
    except SlurmError:
        nodes = 0
    kinds = {name: file_system(path) for name, path in places.items()}
    return judge_places(places, kinds, nodes)


def judge_places(
    places: dict[str, Path], kinds: dict[str, str], nodes: int, here: str | None = None
) -> Finding:
    """`kinds`: file system types by name of the place, "" if unknown; `nodes`: that the job may get,
    0: unknown."""
    alone = [name for name, kind in kinds.items() if kind in LOCAL_TYPES]
    if not alone:
        known = ", ".join(sorted({kind for kind in kinds.values() if kind})) or "type unknown"
        return passed(
            known, "Run folder, project and output are on a network file system, as far as known."
        )
    where = ", ".join(f"{name} ({places[name]}, {kinds[name]})" for name in alone)
    host = here or socket.gethostname()
    detail = f"On a file system of {host} alone: {where}."
    if nodes == 1:
        return passed("one node", f"{detail} There is one node, so that may be right.")
    which = f"any of {nodes} nodes" if nodes else "another machine"
    detail += f" The job may get {which}, which would not see it."
    advice = "set PLASMA_HOME, and output_dir, to folders on a file system that all nodes share"
    memory = any(kinds[name] in ("tmpfs", "ramfs") for name in alone)
    # a disk can be exported to the nodes by NFS: its type on this machine does not prove the opposite
    return (failed if memory else warned)("not shared?", detail, advice)


def file_system(path: Path) -> str:
    """The type of the one that holds `path`, "": unknown."""
    found = os.path.realpath(path)
    mounts = [(one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=True)]
    fitting = [
        (len(point), kind)
        for point, kind in mounts
        if found == point or found.startswith(point.rstrip("/") + "/")
    ]
    return max(fitting, default=(0, ""))[1]
