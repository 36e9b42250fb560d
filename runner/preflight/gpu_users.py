"""Who else uses the GPU, or will as soon as it is asked to? Told only: nothing is ever ended from
here.

The table is that of `runner.hardware.users`; here it is asked once, without what GPU sources say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.hardware.command_lines import Process
from runner.hardware.listing import myself, running
from runner.hardware.users import Listing, User, known_users, roots_of
from runner.hardware.users import user_of as any_user_of
from runner.hardware.users_table import Hold
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, short, skipped, some, warned
from runner.registry import live_runs
from runner.units import memory_size


def look(facts: Facts) -> Finding:
    if facts.device_wanted == "cpu":
        return skipped("trains on the CPU", "The GPU is not wanted.")
    return judge(users(processes()))


def judge(found: Sequence[User]) -> Finding:
    if not found:
        return passed("none seen", "No program is known to use the GPU.")
    titles = list(dict.fromkeys(user.title for user in found))
    told = [f"{user.title} (pid {user.pid}{_memory(user)})" for user in found]
    evidence = titles[0] if len(titles) == 1 else f"{titles[0]} +{len(titles) - 1}"
    advice = "; ".join(dict.fromkeys(user.how for user in found))
    return warned(short(evidence), f"Running as well: {some(told, 4)}.", advice)


def _memory(user: User) -> str:
    return f", {memory_size(user.memory_bytes)}" if user.memory_bytes else ""


def processes() -> Iterator[Process]:
    """Everything but our own runs with their trainers, and ourselves."""
    listing = Listing.of(running())
    own = myself() | listing.with_descendants(roots_of(live_runs()))
    return (process for pid, process in listing.processes.items() if pid not in own)


def users(seen: Iterable[Process]) -> list[User]:
    """One entry a program; launchers and their children are one training. A server that holds no model
    until somebody asks for one is no reason to wait."""
    found = known_users(Listing.of(seen), frozenset())
    return [user for user in found if user.hold is not Hold.IDLE]


def user_of(process: Process) -> User | None:
    """The user that this process is by itself, if it holds a model or may."""
    found = any_user_of(process)
    return None if found is None or found.hold is Hold.IDLE else found


CHECK = Check("gpu_users", "GPU users", look)
