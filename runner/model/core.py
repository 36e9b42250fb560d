"""The words that all parts share: frozen types, no I/O, no clock.

Units are in the names: `_s` seconds, `_bytes` bytes, `_at` seconds since the epoch (wall clock).
"True step" is the number of optimizer steps trained since the beginning of the run, over all its
attempts; "shown step" is what sd-scripts prints, which restarts on a resume.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runner.model.hardware import DiskFree as DiskFree
from runner.model.hardware import GpuSample as GpuSample
from runner.model.hardware import GpuUser as GpuUser
from runner.model.hardware import HardwareSample as HardwareSample
from runner.model.hardware import HardwareUse as HardwareUse

SCHEMA = 1


class RunState(StrEnum):
    """Where a run stands. `LOST` is only ever a reader's verdict."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    LOST = "lost"


class Outcome(StrEnum):
    """How an ended run ended; never taken from the exit code alone."""

    SUCCEEDED = "succeeded"
    DIVERGED = "diverged"
    NOTHING_TRAINED = "nothing_trained"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"


class Phase(StrEnum):
    """What the trainer is doing, as far as its console tells."""

    LAUNCHING = "launching"
    DATASET = "preparing data"
    LOADING = "loading model"
    CACHING = "caching"
    PREPARING = "preparing"
    TRAINING = "training"
    SAVING = "saving"
    SAMPLING = "sampling"
    VALIDATING = "validating"
    FINISHED = "finished"


# --------------------------------------------------------------------------- console events


@dataclass(frozen=True, slots=True)
class ConsoleEvent:
    """Anything the console parser reports. `offset` is the byte just after the text it came from,
    counted from the first byte fed to the parser."""

    offset: int


@dataclass(frozen=True, slots=True)
class DeviceSeen(ConsoleEvent):
    """`accelerator device: X`, the one line that tells what the training runs on."""

    device: str


@dataclass(frozen=True, slots=True)
class BannerSeen(ConsoleEvent):
    """One line of the banner after `running training`. `name` is one of train_images, reg_images,
    validation_images, batches_per_epoch, epochs, batch_size, accumulation, total_steps."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class AttemptSeen(ConsoleEvent):
    """Our own marker line: the output of a new attempt begins here."""

    attempt: int


@dataclass(frozen=True, slots=True)
class SubsetSeen(ConsoleEvent):
    """A subset of the dataset as the trainer read it; `images` counts files, without repeats.
    `is_reg` None: from `found directory D contains N image files`, which does not say so."""

    image_dir: str
    images: int
    repeats: int | None = None
    is_reg: bool | None = None


@dataclass(frozen=True, slots=True)
class PhaseChanged(ConsoleEvent):
    """The trainer does something else now, or the same with a new `detail` (`latents 12/23`)."""

    phase: Phase
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EpochStarted(ConsoleEvent):
    epoch: int
    epochs: int


@dataclass(frozen=True, slots=True)
class StepShown(ConsoleEvent):
    """One state of the bar `steps:`. `total` is None in tqdm's overflow form. `average` is
    `avr_loss` (or the older `loss`), None when the bar carries none, and may be NaN or infinite.
    `values` holds all numbers of the postfix by their own names."""

    shown_step: int
    total: int | None
    average: float | None
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointSaving(ConsoleEvent):
    """`saving checkpoint: PATH`: printed before the write; nothing is printed after it."""

    path: str


@dataclass(frozen=True, slots=True)
class StateSaving(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class StateSaved(ConsoleEvent):
    """`Random states saved in ...`: the last file of a state folder is written."""

    path: str


@dataclass(frozen=True, slots=True)
class CheckpointRemoved(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class StateRemoved(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class SampleStarted(ConsoleEvent):
    shown_step: int | None


@dataclass(frozen=True, slots=True)
class ValidationSeen(ConsoleEvent):
    loss: float
    whole_epoch: bool


@dataclass(frozen=True, slots=True)
class ResumeSeen(ConsoleEvent):
    """What a resumed trainer says of itself. `state_path`: the folder; `state_step`: train_state's
    current_step; `skip_steps`: N of `skipping N steps`. Each event fills what its line told."""

    state_path: str | None = None
    state_step: int | None = None
    state_epoch: int | None = None
    skip_steps: int | None = None


@dataclass(frozen=True, slots=True)
class WarningSeen(ConsoleEvent):
    """A log record of level WARNING or above that is not known to be harmless."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class ExceptionSeen(ConsoleEvent):
    """The last line of a traceback: `Name: message`. CalledProcessError of the launcher included.
    `frames`: names of the functions the traceback went through, the raising one last."""

    name: str
    message: str
    frames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FatalSeen(ConsoleEvent):
    """A line that ends a process without a traceback: argparse errors, `can't open file`, `Killed`,
    a crash of native code, a configuration file that is not there."""

    text: str


@dataclass(frozen=True, slots=True)
class NothingToTrain(ConsoleEvent):
    """`No data found...`: sd-scripts says it and leaves with exit code 0."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelSaved(ConsoleEvent):
    """`model saved.`: the loop ran to its end and the final file was written."""


# --------------------------------------------------------------------------- run folder


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How the trainer's process ended. `code` is None when a signal ended it; both None: nobody
    could see it (the keeper itself was killed)."""

    attempt: int
    code: int | None
    signal: int | None
    at: float
    #: exit of processes that outlived the launcher: (pid, code or -signal)
    orphans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the preflight checklist. `fix`: a cure plasma-tui has, for `check --fix NAME`."""

    name: str
    status: str  # pass, warn, fail, skip
    evidence: str
    fix: str | None = None
    title: str = ""
    #: one whole sentence; `evidence` is the few words that fit the panel
    detail: str = ""
    #: what a person can do about it, in words or as a command
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedCheckpoint:
    """A file the training will write. `step` is the true step, `epoch` counts from 1.
    `removed_at_step`, `state_removed_at_step`: when save_last_n_* deletes it again, None: it stays."""

    name: str
    step: int
    epoch: int | None = None
    state_name: str | None = None
    removed_at_step: int | None = None
    state_removed_at_step: int | None = None


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


@dataclass(frozen=True, slots=True)
class KeeperRecord:
    """keeper.json: who runs the attempt. `console_offset`: where its bytes begin in console.log;
    `launcher_exit`: set while processes of the group outlive a launcher that a signal ended."""

    attempt: int
    keeper_pid: int
    pid: int
    pgid: int
    started_at: float
    console_offset: int = 0
    launcher_exit: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptStatus:
    """One launch of the trainer within a run; steps are true steps."""

    attempt: int
    started_at: float
    first_step: int | None = None
    last_step: int | None = None
    exit: ExitRecord | None = None


@dataclass(frozen=True, slots=True)
class BlockNorm:
    """Norms of the trained weights in one block of the network, over its `modules`. For a LoRA module it
    is the Frobenius norm of what it adds to the base weight, (alpha / rank) * up @ down: sd-scripts' own
    "key norm" (networks/lora.py, apply_max_norm_regularization); else of the module's tensors."""

    block: str
    mean: float
    largest: float
    modules: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file of weights that the trainer wrote. None: not known (yet). `loss`: smoothed at its step.

    `norm`, `norm_largest`: of all modules (see BlockNorm), `norm_change`: of `norm` against the checkpoint
    before, as a share (0.05: five percent more). `remark`: what the weights show that a person should
    know, a blow-up or a dead network. `removed_at_step`, `state_removed_at_step`: the true step at which
    save_last_n_* deletes it. `missing`: it is gone, and not by the trainer's own deleting."""

    name: str
    path: str
    step: int | None
    epoch: int | None
    attempt: int
    saved_at: float
    size_bytes: int | None = None
    complete: bool | None = None
    finite: bool | None = None
    problem: str | None = None
    state_path: str | None = None
    state_complete: bool | None = None
    loss: float | None = None
    removed: bool = False
    final: bool = False
    validation_loss: float | None = None
    rank: int | None = None
    alpha: float | None = None
    norms: tuple[BlockNorm, ...] = ()
    norm: float | None = None
    norm_largest: float | None = None
    norm_change: float | None = None
    remark: str | None = None
    sample_path: str | None = None
    removed_at_step: int | None = None
    state_removed_at_step: int | None = None
    state_problem: str | None = None
    missing: bool = False
    #: which file it is that was verified, see runner.store.identity; `state_mtime_ns`: newest file of its state
    inode: int | None = None
    mtime_ns: int | None = None
    header_sha256: str | None = None
    state_mtime_ns: int | None = None
    #: `replaced by run X`: another file lies under its name; `missing` is set as well
    replaced: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it ended so; `key` is one of the catalogue's names. `fix`: the first change that helps, as
    FLAG=VALUE. `changes`: all that belongs to that cure, what `retry` applies; `env.NAME=VALUE` is a variable
    of the environment, `accelerate.NAME=VALUE` a flag of the launcher."""

    key: str
    evidence: str
    advice: str = ""
    fix: str | None = None
    changes: tuple[str, ...] = ()


class AlarmKind(StrEnum):
    """What the guard looks for while a training runs."""

    NONFINITE = "nonfinite"  # the exact loss is not finite and stays so
    ONE_BAD_STEP = "one_bad_step"  # it was not, for a step or two, and is again
    DIVERGING = "diverging"  # far above what it was
    FROZEN = "frozen"  # the same number step after step
    STALLED = "stalled"  # no step, far longer than this phase takes
    SLOW = "slow"  # steps take longer than this run's own
    WRONG_DEVICE = "wrong_device"  # it trains on the CPU of a machine with a GPU
    GPU_IDLE = "gpu_idle"  # it should train on the GPU, and the GPU does nothing
    MEMORY_LOW = "memory_low"  # near the edge: swap grows, pressure, the OOM killer
    GPU_MEMORY_LOW = "gpu_memory_low"  # near the card's limit, or spilling over it
    DISK_LOW = "disk_low"  # the next saves will not fit
    GPU_TROUBLE = "gpu_trouble"  # lost, restarted, wrong driver


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person should look at now, or should have. `text`: one sentence; `step`: the first
    true step it is about; `good_step`: of the newest checkpoint before that; `over_at`: when it ended."""

    kind: AlarmKind
    since_at: float
    text: str
    step: int | None = None
    good_step: int | None = None
    over_at: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """status.json: the supervisor's last word, replaced at most once a second."""

    state: RunState
    attempt: int
    heartbeat_at: float
    phase: Phase = Phase.LAUNCHING
    phase_detail: str = ""
    phase_since: float = 0.0
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    cause: Cause | None = None
    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    batches_per_epoch: int | None = None
    device: str | None = None
    loss: float | None = None
    average: float | None = None
    first_nonfinite_step: int | None = None
    seconds_per_step: float | None = None
    eta_s: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    trained_s: float = 0.0
    saving_since: float | None = None
    stop_after_save: bool = False
    safe_step: int = 0
    offset: int = 0
    supervisor_pid: int | None = None
    keeper_pid: int | None = None
    trainer_pid: int | None = None
    trainer_created_at: float | None = None
    pgid: int | None = None
    attempts: tuple[AttemptStatus, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    warnings: int = 0
    last_warning: str | None = None
    unknown_lines: int = 0
    schema: int = SCHEMA
    alarms: tuple[Alarm, ...] = ()
    #: who ordered the stop that is under way or was carried out: a user's name, or "guard"
    stop_by: str | None = None
    hardware: HardwareUse = field(default_factory=HardwareUse)
    #: the newest reading with everything; hardware.jsonl has the numbers alone
    sample: HardwareSample | None = None
    #: what keeps the machine awake, or why nothing does
    awake: str | None = None
    #: other users of the GPU, seen lately
    gpu_users: tuple[GpuUser, ...] = ()
    #: what the supervisor does besides watching, with how far it is: `verifying checkpoints: 12 of 100`
    evaluating: str = ""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One line of events.jsonl. `offset`: console byte it was derived from, None if from elsewhere."""

    at: float
    kind: str
    attempt: int
    offset: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


# --------------------------------------------------------------------------- what readers hand out


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


@dataclass(frozen=True, slots=True)
class LossSeries:
    """The loss of a whole run in a bounded number of buckets, ordered by true step.
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
    """Everything a front end may show of one run, read at one moment."""

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
    #: as given by a person (label.json); `name` above already is the person's, if there is one
    tags: tuple[str, ...] = ()
    note: str = ""
    #: what runs are grouped by: the folder of plasma.toml, else of the output
    project: str = ""
    ended_at: float | None = None
    #: as in RunSpec: "", inspected, imported
    origin: str = ""
    smoke: bool = False
    device: str | None = None
    #: the smoothed loss at the end, where a summary tells it
    smooth: float | None = None
    size_bytes: int | None = None
