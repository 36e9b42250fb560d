"""What was requested: spec.json, the plan of an attempt, approvals, and labels."""

from __future__ import annotations

from dataclasses import field

from runner.model.checkpoint import ExpectedCheckpoint
from runner.model.checks import CheckResult
from runner.model.engine import Engine
from runner.model.kinds import SCHEMA
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will be trained and written, by sd-scripts' own arithmetic. None: unknown."""

    images: int | None = None
    reg_images: int | None = None
    batches_per_epoch: int | None = None
    epochs: int | None = None
    steps: int | None = None
    checkpoints: tuple[ExpectedCheckpoint, ...] = ()
    final: str | None = None
    size_bytes: int | None = None
    command: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    #: sample images that will be drawn
    samples: int | None = None
    checkpoint_bytes: int | None = None
    state_bytes: int | None = None
    seconds_per_step: float | None = None
    duration_s: float | None = None
    memory_bytes: int | None = None
    #: where each number comes from, by field name
    sources: dict[str, str] = field(default_factory=dict)
    #: of `steps`, those that this run trains itself: fewer if it resumes from a state or a step
    trained_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """`[expect]` of plasma.toml: checked by the verdict. None: no expectation."""

    device: str | None = None
    images: int | None = None
    steps: int | None = None
    checkpoint_mb: tuple[float, float] | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """The user's approval of the full run after a smoke test, or the reason to skip it."""

    by: str
    at: float
    settings_key: str
    smoke_run: str | None = None
    reason: str = ""
    verdict: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Overwrite:
    """The user's consent to overwrite files of an earlier training. `files`: their names in output_dir, as
    they existed at the start."""

    by: str
    at: float
    reason: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """`[guard]` of plasma.toml: the action on each alarm besides reporting it. One of `tell` (report only),
    `stop` (at once, like a user's stop) and `after_save` (after the next complete checkpoint)."""

    nonfinite: str = "tell"
    diverging: str = "tell"
    frozen: str = "tell"
    stalled: str = "tell"
    slow: str = "tell"


@dataclass(frozen=True, slots=True)
class NotifyRules:
    """`[notify]` of plasma.toml without secrets: which events are reported (`on`), how the screen signals
    them (`bell`, `terminal`: auto, osc9, osc777, osc99, off), and the maximum number of alarms sent per hour
    (ends of runs are always sent). `gate`: a passed smoke test waits for approval. Destinations are in
    notify.json (runner/config/channels.py)."""

    on: tuple[str, ...] = ("finished", "failed", "diverged", "killed", "stalled", "waiting")
    bell: bool = True
    terminal: str = "auto"
    per_hour: int = 12
    gate: bool = False


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The request: spec.json, written once."""

    id: str
    name: str
    command: tuple[str, ...]
    cwd: str
    #: differences from our own environment; None: removed from it
    env: dict[str, str | None]
    created_at: float
    host: str
    output_dir: str | None = None
    output_name: str | None = None
    logging_dir: str | None = None
    config_path: str | None = None
    config_text: str | None = None
    launcher: str = "python"
    detached_by: str = "own session"
    forecast: Forecast | None = None
    expect: Expectation = field(default_factory=Expectation)
    versions: dict[str, str] = field(default_factory=dict)
    #: patience after SIGINT and after SIGTERM before the next, harder signal
    stop_grace_s: tuple[float, float] = (15.0, 5.0)
    smoke: bool = False
    trainer: str = "sd-scripts"
    schema: int = SCHEMA
    #: shared by a smoke test and its full run; see runner.control.gate
    settings_key: str | None = None
    #: the approval of this run's start, or why it was forced
    approval: Approval | None = None
    guard: GuardSettings = field(default_factory=GuardSettings)
    #: the run that this one retries with other settings
    retry_of: str | None = None
    #: "": started by plasma-tui; `inspected`: from a console log; `imported`: from files of an earlier
    #: training. Such a run is read-only: it was not and cannot be started
    origin: str = ""
    #: the log or folder it was imported from
    origin_path: str | None = None
    #: optionally, the summary is also written next to the checkpoints
    summary_beside: bool = False
    notify: NotifyRules = field(default_factory=NotifyRules)
    #: fingerprints of its training files at the start; names: see runner.trainers.sd_scripts.fingerprint
    fingerprints: dict[str, str] = field(default_factory=dict)
    #: the dataset configuration at the start; None: not stored (older runs), or none
    dataset_text: str | None = None
    #: who agreed to overwrite files of an earlier training; None: there were none
    overwrite: Overwrite | None = None
    #: the runs of one sweep share it; "": it belongs to none
    group: str = ""
    #: where it is started
    engine: Engine = field(default_factory=Engine)

    @property
    def first_plan(self) -> AttemptPlan:
        """For a run without a file of its first attempt: not launched yet, or never launched by
        plasma-tui."""
        return AttemptPlan(
            1, self.command, self.env, self.cwd, self.output_dir, self.output_name,
            logging_dir=self.logging_dir,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """label.json: the user's label of a run. The run's own files are never changed for it. `name` None:
    the name of the configuration."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """attempt-N.json: the command of one attempt. `base_step` is the true step it continues from.

    `origin_step`: the true step of the trainer's own step 0; above 0 if it ignores earlier steps (started
    from weights, or a script that does not track steps). `expected`: what this attempt will write, by true
    step, under the final file names; empty: as in the run's forecast. `weights_path`: the checkpoint it
    starts from without a state. `changes`: flags that differ from the first attempt, as text. `nice`: lowers
    the trainer's CPU priority, 0 (not at all) to 19. `stop_step`: the planned last step (true), if the
    trainer on its own would train past it; the run is complete with the file of this step, and the supervisor
    stops the trainer once that file is verified."""

    attempt: int
    command: tuple[str, ...]
    env: dict[str, str | None]
    cwd: str
    output_dir: str | None
    output_name: str | None
    base_step: int = 0
    state_path: str | None = None
    skip: bool = False
    logging_dir: str | None = None
    schema: int = SCHEMA
    origin_step: int = 0
    expected: tuple[ExpectedCheckpoint, ...] = ()
    weights_path: str | None = None
    changes: tuple[str, ...] = ()
    nice: int = 0
    #: who agreed to settings that differ from the approved ones
    approval: Approval | None = None
    stop_step: int | None = None
