"""Who else uses the GPU, or will as soon as it is asked to? Told only: nothing is ever ended from
here.

Three things show it: the table of known command lines, what the GPU's driver says of processes on it, and who
listens where ComfyUI does.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.hardware.board import default_sources, read_once
from runner.hardware.command_lines import Process
from runner.hardware.listing import myself, running
from runner.hardware.ports import port_users
from runner.hardware.users import Listing, User, other_users, roots_of
from runner.hardware.users import user_of as any_user_of
from runner.hardware.users_table import COMFY, Hold
from runner.model import GpuSample
from runner.model.units import memory_size
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, short, skipped, some, warned
from runner.store.registry import live_runs

#: a driver that takes longer is not waited for
_DRIVER_S = 1.5


def look(facts: Facts) -> Finding:
    if facts.device_wanted == "cpu":
        return skipped("trains on the CPU", "The GPU is not wanted.")
    runs = roots_of(live_runs())
    return judge(users(others(), read_once(default_sources(), _DRIVER_S), runs))


def others() -> Listing:
    """Every process but ourselves and the shells that we were called from."""
    mine = myself()
    return Listing.of(process for process in running() if process.pid not in mine)


def judge(found: Sequence[User]) -> Finding:
    if not found:
        return passed("none seen", "No program is known to use the GPU.")
    found = sorted(
        found, key=lambda user: user.title != COMFY
    )  # the one that can be asked to free it
    titles = list(dict.fromkeys(user.title for user in found))
    told = [f"{user.title}{_details(user)}" for user in found]
    evidence = titles[0] if len(titles) == 1 else f"{titles[0]} +{len(titles) - 1}"
    advice = "; ".join(dict.fromkeys(filter(None, (user.how for user in found))))
    return warned(short(evidence), f"Running as well: {some(told, 4)}.", advice)


def _details(user: User) -> str:
    """` (pid 71, 3.0 GB on the GPU)`; memory of the GPU where the driver tells it, else main memory."""
    parts = [f"pid {user.pid}"] if user.pid is not None else []
    if user.gpu_memory_bytes:
        parts.append(f"{memory_size(user.gpu_memory_bytes)} on the GPU")
    elif user.memory_bytes:
        parts.append(memory_size(user.memory_bytes))
    return f" ({', '.join(parts)})" if parts else ""


def users(
    listing: Listing, gpus: Sequence[GpuSample] = (), runs: frozenset[int] = frozenset()
) -> list[User]:
    """One entry a program; launchers and their children are one training. A server that holds no model
    until somebody asks for one is no reason to wait. `runs`: the processes of our runs; what they have
    started is left out as well."""
    found = other_users(listing, gpus, runs)
    found = (*found, *port_users(listing, found, own=listing.with_descendants(runs)))
    return [user for user in found if user.hold is not Hold.IDLE]


def user_of(process: Process) -> User | None:
    """The user that this process is by itself, if it holds a model or may."""
    found = any_user_of(process)
    return None if found is None or found.hold is Hold.IDLE else found


CHECK = Check("gpu_users", "GPU users", look)
