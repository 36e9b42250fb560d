"""What readers return."""

from __future__ import annotations

from dataclasses import field

from runner.model.checks import CheckResult
from runner.model.engine import JobRecord
from runner.model.hardware import HardwareSample
from runner.model.kinds import Outcome, RunState
from runner.model.lean import dataclass
from runner.model.run import AttemptPlan, RunSpec
from runner.model.status import JournalEvent, Status, Waiting


@dataclass(frozen=True, slots=True)
class LossBucket:
    """`count` neighbouring steps folded into one: bounds and mean of the finite raw losses, the
    smoothed loss at the bucket's end, and how many losses were not finite."""

    first_step: int
    last_step: int
    low: float | None
    high: float | None
    mean: float | None
    smooth: float | None
    count: int
    nonfinite: int
    #: seconds since the run's `created_at` when the last step was trained; None: not recorded
    elapsed_s: float | None = None
    #: learning rate at the last step; None: not recorded
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class LossSeries:
    """The loss of a run in a bounded number of buckets, ordered by true step.
    `exact`: the values are the trainer's exact losses (TensorBoard); else its running average."""

    buckets: tuple[LossBucket, ...] = ()
    first_step: int | None = None
    last_step: int | None = None
    last: float | None = None
    smooth: float | None = None
    first_nonfinite_step: int | None = None
    rows: int = 0
    exact: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Everything a front end may show of one run, at one moment."""

    id: str
    path: str
    read_at: float
    state: RunState
    spec: RunSpec | None = None
    status: Status | None = None
    outcome: Outcome | None = None
    loss: LossSeries = field(default_factory=LossSeries)
    hardware: tuple[HardwareSample, ...] = ()
    preflight: tuple[CheckResult, ...] = ()
    events: tuple[JournalEvent, ...] = ()
    console: tuple[str, ...] = ()
    console_version: int = 0
    supervisor_alive: bool = False
    read_fraction: float = 1.0
    problems: tuple[str, ...] = ()
    #: of the newest attempt
    plan: AttemptPlan | None = None
    #: the user's label (label.json), "": none
    label: str = ""
    #: that a newer version wrote it, one sentence; then little else is known of it. "": this version reads it
    newer: str = ""
    #: of a cluster, as last asked; None: it was started without one
    job: JobRecord | None = None

    @property
    def without_status(self) -> bool:
        """Its status.json exists, and cannot be read: its files and its end are unknown."""
        damaged = any(problem.startswith("status.json") for problem in self.problems)
        return self.status is None and (bool(self.newer) or damaged)


@dataclass(frozen=True, slots=True)
class RunListing:
    """One line of the list of runs."""

    id: str
    name: str
    state: RunState
    outcome: Outcome | None
    created_at: float
    step: int
    total_steps: int | None
    loss: float | None
    checkpoints: int
    duration_s: float | None
    host: str = ""
    problem: str | None = None
    #: from label.json; `name` above is already the label's, if there is one
    tags: tuple[str, ...] = ()
    note: str = ""
    #: the grouping key: the folder of plasma.toml, else of the output
    project: str = ""
    ended_at: float | None = None
    #: as in RunSpec: "", inspected, imported
    origin: str = ""
    smoke: bool = False
    device: str | None = None
    #: the smoothed loss at the end, from the summary
    smooth: float | None = None
    size_bytes: int | None = None
    #: as in RunSpec
    group: str = ""
    #: of a queued run
    waiting: Waiting | None = None
    #: when it is expected to end, Unix time; None: unknown, or it has ended
    ends_at: float | None = None
    #: of a queued or live run: how long it trains, by its forecast
    forecast_s: float | None = None
    #: the host that reported it, by ssh's name; "": a run of this machine
    remote: str = ""

    @property
    def key(self) -> str:
        """Unlike an id, unique over all machines; no id and no host's name has a line end."""
        return f"{self.remote}\n{self.id}" if self.remote else self.id
