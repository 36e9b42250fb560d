"""What was asked: spec.json, the plan of an attempt, approvals, and what a person noted."""

from __future__ import annotations

from dataclasses import field

from runner.model.checkpoint import ExpectedCheckpoint
from runner.model.checks import CheckResult
from runner.model.kinds import SCHEMA
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will be trained and written, by sd-scripts' own arithmetic. None: could not be told."""

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
    #: of `steps`, those that this run trains itself: fewer when it goes on from a state or a step
    trained_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """`[expect]` of plasma.toml: what the verdict holds a run to. None: no demand."""

    device: str | None = None
    images: int | None = None
    steps: int | None = None
    checkpoint_mb: tuple[float, float] | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's yes to the long run after a smoke test, or the reason for going without one."""

    by: str
    at: float
    settings_key: str
    smoke_run: str | None = None
    reason: str = ""
    verdict: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A person's yes to overwriting files of an earlier training. `files`: their names in output_dir, as they
    existed at the start."""

    by: str
    at: float
    reason: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """`[guard]` of plasma.toml: what is done about each alarm, besides telling it. One of `tell`,
    `stop` (at once, as by a person's order) and `after_save` (after the next whole checkpoint)."""

    nonfinite: str = "tell"
    diverging: str = "tell"
    frozen: str = "tell"
    stalled: str = "tell"
    slow: str = "tell"


@dataclass(frozen=True, slots=True)
class NotifyRules:
    """`[notify]` of plasma.toml as far as anybody may read it: which events are told (`on`), how the screen
    tells them (`bell`, `terminal`: auto, osc9, osc777, osc99, off), and how many alarms an hour are sent at
    most (ends of a run always are). `gate`: a passed smoke test waits for a person. Where notices go to is
    in notify.json (runner/config/channels.py)."""

    on: tuple[str, ...] = ("finished", "failed", "diverged", "killed", "stalled", "waiting")
    bell: bool = True
    terminal: str = "auto"
    per_hour: int = 12
    gate: bool = False


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What was asked for: spec.json, written once."""

    id: str
    name: str
    command: tuple[str, ...]
    cwd: str
    #: what differs from our own environment; None: taken out of it
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
    #: what a smoke test and the run it is for have in common; see runner.control.gate
    settings_key: str | None = None
    #: the approval that let this run start, or why it was forced
    approval: Approval | None = None
    guard: GuardSettings = field(default_factory=GuardSettings)
    #: the run that this one tries again with other settings
    retry_of: str | None = None
    #: "": started by plasma-tui; `inspected`: made of a console log; `imported`: made of files that an
    #: earlier training left. Such a run is read-only: nothing was or will be started for it
    origin: str = ""
    #: the log or folder that it was made of
    origin_path: str | None = None
    #: by choice, the summary is written beside the checkpoints as well
    summary_beside: bool = False
    notify: NotifyRules = field(default_factory=NotifyRules)
    #: what the files that it trains on were at the start; names: see runner.trainers.sd_scripts.fingerprint
    fingerprints: dict[str, str] = field(default_factory=dict)
    #: the dataset configuration as it was at the start; None: not kept (older runs), or there is none
    dataset_text: str | None = None
    #: who agreed that files of an earlier training are overwritten; None: there were none
    overwrite: Overwrite | None = None

    @property
    def first_plan(self) -> AttemptPlan:
        """Of a run without a file of its first attempt: not launched yet, or never launched by plasma-tui."""
        return AttemptPlan(
            1, self.command, self.env, self.cwd, self.output_dir, self.output_name,
            logging_dir=self.logging_dir,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """label.json: what a person calls a run. The run's own files are never changed for it. `name` None:
    the name of the configuration."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """attempt-N.json: the command of one attempt. `base_step` is the true step it continues from.

    `origin_step`: the true step that the trainer's own step 0 stands for; above 0 where it knows nothing of
    what came before (started from weights, or a script that does not track steps).
    `expected`: what this attempt will write, by true step, under the names that the files get when they
    are placed beside the others; empty: as in the run's forecast. `weights_path`: the checkpoint it starts
    from where there is no state. `changes`: flags that differ from the first attempt, in words.
    `nice`: how far the trainer stands back for others on the CPU, 0 (not at all) to 19.
    `stop_step`: the planned last step (true), where the trainer by itself would train past it; the run is
    complete with the file of this step, and the supervisor stops the trainer once that file is verified."""

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
    #: who agreed to settings that differ from those the run was approved with
    approval: Approval | None = None
    stop_step: int | None = None
