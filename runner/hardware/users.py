"""Who else uses the GPU, or will on its next request? Pure: processes and readings in, texts out.

Command lines also show idle servers with a loaded model or about to load one; GPU sources show programs
missing from the table. Reporting only: nothing is ever stopped from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.hardware.programs import Hold, Process, Rule, never, port_of, rule_of
from runner.model import GpuSample, GpuUser, RunSnapshot

#: a CUDA context alone takes 300 to 600 MB; a known program with more than this has loaded something
HOLDING_BYTES = 1 << 30
#: below it, a browser's GPU use is just drawing its window
ACTIVE_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class User:
    """Another user of the GPU. `title`: the program's name; `name`: the process's own, untrusted text;
    `memory_bytes`: main memory; `gpu_memory_bytes`, `gpu_percent`: from a GPU source, None without one;
    `hold`: None for an unknown program; `how`: how to free the GPU, as text; `on_gpu`: seen by a GPU source;
    `outside`: not a process of this container or machine."""

    pid: int | None
    title: str
    name: str = ""
    how: str = ""
    hold: Hold | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    gpu_percent: float | None = None
    since_at: float | None = None
    port: int | None = None
    on_gpu: bool = False
    outside: bool = False


def _user(process: Process, rule: Rule) -> User:
    return User(
        process.pid, rule.title, process.name, rule.how, rule.hold, process.memory_bytes or None,
        since_at=process.since_at, port=port_of(process.argv, rule.port),
    )  # fmt: skip


# ------------------------------------------------------------------------- all processes together


@dataclass(frozen=True, slots=True)
class Listing:
    """All processes of the machine at one moment; `rules`: the known ones."""

    processes: Mapping[int, Process]
    rules: Mapping[int, Rule]

    @classmethod
    def of(cls, processes: Iterable[Process]) -> Listing:
        found = {process.pid: process for process in processes}
        rules = {pid: rule for pid, process in found.items() if (rule := rule_of(process))}
        return cls(found, rules)

    def ancestors(self, pid: int) -> list[int]:
        """Nearest first; ends at an unlisted process or a cycle."""
        found: list[int] = []
        process = self.processes.get(pid)
        while process is not None and process.parent_pid not in (None, pid, *found):
            found.append(process.parent_pid or 0)
            process = self.processes.get(found[-1])
        return found

    def with_descendants(self, roots: Iterable[int]) -> frozenset[int]:
        """`roots` and everything below them."""
        top = frozenset(roots)
        below = (pid for pid in self.processes if not top.isdisjoint(self.ancestors(pid)))
        return top.union(below) if top else top


def known_users(listing: Listing, excluded: frozenset[int]) -> list[User]:
    """The programs of the table, each once: not its forked workers, nor the launcher of a listed child."""
    rules = listing.rules.items()
    found = {pid: rule for pid, rule in rules if pid not in excluded and not rule.active_only}
    dropped: set[int] = set()
    for pid, rule in found.items():
        for above in listing.ancestors(pid):
            other = found.get(above)
            if other is not None and other.title == rule.title:
                # a forked worker has its parent's command line; otherwise it is the part that does the work
                dropped.add(pid if other is rule or rule.launcher else above)
    users = []
    for pid in (pid for pid in found if pid not in dropped):
        process = listing.processes[pid]
        if found[pid].launcher:  # of an unknown script: its largest process
            below = listing.with_descendants((pid,)) - {pid}
            children = (listing.processes[child] for child in sorted(below))
            process = max(children, key=lambda child: child.memory_bytes, default=process)
        users.append(_user(process, found[pid]))
    return users


def other_users(
    listing: Listing, gpus: Sequence[GpuSample], excluded: frozenset[int] = frozenset()
) -> tuple[User, ...]:
    """Command lines and GPU sources combined, most GPU memory first. `excluded`: the run's own processes;
    their children are left out too."""
    own = listing.with_descendants(excluded)
    users: dict[object, User] = {user.pid: user for user in known_users(listing, own)}
    for gpu in gpus:
        for seen in gpu.users:
            if seen.ours or seen.pid in own:
                continue
            key: object = ("outside", gpu.key, seen.name)
            if seen.pid is not None:  # the listed program that it belongs to, else itself
                line = (seen.pid, *listing.ancestors(seen.pid))
                key = next((pid for pid in line if pid in users), seen.pid)
            if (user := users.get(key) or _unknown(listing, seen)) is not None:
                users[key] = _with_gpu(user, seen)
    return tuple(sorted(users.values(), key=_weight, reverse=True))


def _unknown(listing: Listing, seen: GpuUser) -> User | None:
    """A process on the GPU that is not a listed user; None if not worth reporting."""
    if seen.outside or seen.pid is None:
        where = "a process outside this container"
        return User(seen.pid, where, seen.name, since_at=seen.since_at, outside=True)
    process = listing.processes.get(seen.pid) or Process(seen.pid, seen.name)
    if never(process.name) or never(seen.name):
        return None
    rule = listing.rules.get(seen.pid) or rule_of(Process(seen.pid, seen.name))
    if rule is not None:
        idle = rule.active_only and (seen.percent or 0.0) <= ACTIVE_PERCENT
        return None if idle else _user(process, rule)
    name = process.name or seen.name
    return User(
        seen.pid, name or "an unnamed program", name, "close it if you do not need it", None,
        process.memory_bytes or None, since_at=process.since_at,
    )  # fmt: skip


def _with_gpu(user: User, seen: GpuUser) -> User:
    """The same, with one device's figures added: memory adds up over devices and children; the busiest share
    counts."""
    memory = user.gpu_memory_bytes
    if seen.memory_bytes is not None:
        memory = (memory or 0) + seen.memory_bytes
    shares = [share for share in (user.gpu_percent, seen.percent) if share is not None]
    holds = user.hold is not None and (memory or 0) >= HOLDING_BYTES
    return replace(
        user,
        gpu_memory_bytes=memory,
        gpu_percent=max(shares, default=None),
        hold=Hold.MODEL if holds else user.hold,
        since_at=user.since_at if user.since_at is not None else seen.since_at,
        on_gpu=True,
    )


def _weight(user: User) -> tuple[float, ...]:
    return (
        user.on_gpu,
        user.gpu_memory_bytes or 0,
        user.gpu_percent or 0.0,
        user.hold is not Hold.IDLE,
        user.memory_bytes or 0,
    )


def as_gpu_users(users: Iterable[User]) -> tuple[GpuUser, ...]:
    """For `Status.gpu_users`. `memory_bytes` is GPU memory: None if only the command line is known."""
    return tuple(
        GpuUser(
            user.pid, user.title, user.gpu_memory_bytes, user.gpu_percent,
            outside=user.outside, since_at=user.since_at,
        )
        for user in users
    )  # fmt: skip


def roots_of(snapshots: Iterable[RunSnapshot]) -> frozenset[int]:
    """The processes that runs were started with; all others of a run descend from them."""
    statuses = (snapshot.status for snapshot in snapshots)
    return frozenset(
        pid
        for status in statuses
        if status is not None
        for pid in (status.supervisor_pid, status.keeper_pid, status.trainer_pid)
        if pid is not None
    )
