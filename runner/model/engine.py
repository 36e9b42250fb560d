"""Where a run is started: on this machine, or by a cluster; and the job of a cluster as last asked."""

from __future__ import annotations

from runner.model.kinds import SCHEMA, JobPhase
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """`[engine]` of plasma.toml. Empty texts leave the value to the cluster. `extra`: more lines of the batch
    script; `requeue`: continue in another job after a time limit or a preemption; `signal_s`: how long before
    the end of the job the training begins to stop."""

    kind: str = "local"
    partition: str = ""
    gres: str = ""
    time: str = ""
    account: str = ""
    cpus: int | None = None
    memory: str = ""
    extra: tuple[str, ...] = ()
    requeue: bool = False
    signal_s: int = 120

    @property
    def is_local(self) -> bool:
        return self.kind == "local"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """job.json: the job of the newest submitted attempt, replaced by whoever asked the cluster last.

    `id` "": unknown yet, then `token`, which the job carries, finds it. `state`: the cluster's own word;
    `text`: the same in ours. `exit`: code and signal as the cluster gives them. `asked_at`: when the cluster
    last answered; `problem`: why it did not since, one sentence; `note`: why no further job follows this
    one, one sentence, written by the job itself."""

    attempt: int
    token: str
    submitted_at: float
    phase: JobPhase
    id: str = ""
    cluster: str = ""
    state: str = ""
    reason: str = ""
    text: str = ""
    expected_start_at: float | None = None
    began_at: float | None = None
    ends_at: float | None = None
    node: str = ""
    exit: str = ""
    by: str = ""
    asked_at: float = 0.0
    problem: str = ""
    note: str = ""
    schema: int = SCHEMA
