"""The results of a run as one frozen type: `show --json` prints it, summary.json adds to it, a comparison and
the screen read it. Pure.

A field is filled from the field of the same name in the status, the spec or the snapshot; KEYS lists those
with another JSON key, or none. A number that is unknown or not finite is null there;
`loss.first_nonfinite_step` reports the latter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct

from runner.history.review.cautions import untrusted_step
from runner.model import (
    Alarm,
    AttemptStatus,
    Cause,
    Checkpoint,
    CheckResult,
    ExitRecord,
    Expectation,
    HardwareUse,
    JobRecord,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
    Waiting,
)
from runner.model.units import duration, finite
from runner.state.lineage import StopCost, current, stop_cost, weights_step

T = TypeVar("T")
#: by type: JSON keys that differ from the field name; "": left out
Keys = Mapping[type, Mapping[str, str]]
KEYS: Keys = {
    Checkpoint: {"size_bytes": "bytes"}
    | dict.fromkeys(("inode", "mtime_ns", "header_sha256", "state_mtime_ns", "unseen"), ""),
    ExitRecord: {"attempt": "", "orphans": ""},
    HardwareUse: {
        "gpu_training_s": "",
        "gpu_name": "gpu",
        "cpu_mean": "cpu_percent_mean",
        "tree_cpu_mean": "training_cpu_percent_mean",
        "tree_memory_max_bytes": "training_memory_max_bytes",
    },
    StopCost: {"kept_step": "", "with_state": ""},
}


class LossResult(Struct, frozen=True, kw_only=True):
    """`last`: of the last step, `average`: the trainer's running average, `smooth`: smoothed here."""

    last: float | None
    average: float | None = None
    smooth: float | None
    first_nonfinite_step: int | None
    exact: bool


class RunResults(Struct, frozen=True, kw_only=True):
    """All keys of `show --json`. Sizes are bytes, times seconds, steps true steps. `lost_if_stopped`:
    None without a status; `hardware`: see `_hardware`."""

    schema: int = 1
    id: str
    path: str
    name: str | None = None
    state: RunState
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    cause: Cause | None = None
    phase: Phase | None = None
    attempt: int | None = None
    step: int
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    batches_per_epoch: int | None = None
    device: str | None = None
    loss: LossResult
    seconds_per_step: float | None = None
    eta_s: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: tuple[AttemptStatus, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    lost_if_stopped: StopCost | None
    hardware: dict[str, Any]
    preflight: tuple[CheckResult, ...] = ()
    expect: Expectation | None = None
    output_dir: str | None = None
    detached_by: str | None = None
    alarms: tuple[Alarm, ...] = ()
    stop_by: str | None = None
    job: JobRecord | None = None
    retry_of: str | None = None
    trained_s: float | None = None
    warnings: int = 0
    unknown_lines: int = 0
    supervisor_alive: bool = False
    problems: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def results_of(snapshot: RunSnapshot) -> RunResults:
    status, series = snapshot.status, snapshot.loss
    bad = status.first_nonfinite_step if status is not None else None
    loss = result(
        LossResult,
        *(status, series),
        last=status.loss if series.last is None and status is not None else series.last,
        first_nonfinite_step=bad if bad is not None else series.first_nonfinite_step,
    )
    return result(
        RunResults,
        *(status, snapshot.spec, snapshot),
        schema=1,
        step=current_step(snapshot),
        loss=loss,
        lost_if_stopped=stop_cost_of(snapshot) if status is not None else None,
        hardware=_hardware(snapshot),
    )


def result(kind: type[T], *sources: object, **given: object) -> T:
    """A `kind` from same-named fields of the sources (later ones win) and the given ones."""
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    found = {name: getattr(one, name) for one in sources for name in names if hasattr(one, name)}
    return kind(**(found | given))


def plain(value: Any, keys: Keys = KEYS) -> Any:
    """`value` as JSON's own types. JSON has no NaN: it becomes null."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(one, keys) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, keys) for one in value]
    names = getattr(value, "__struct_fields__", None) or getattr(value, "__match_args__", ())
    if not names:
        return value
    own = keys.get(type(value), {})
    pairs = ((own.get(name, name), name) for name in names)
    return {key: plain(getattr(value, name), keys) for key, name in pairs if key}


def show_json(snapshot: RunSnapshot) -> dict[str, Any]:
    """What `show --json` prints, including the run's secrets."""
    found: dict[str, Any] = plain(results_of(snapshot))
    found["lost_if_stopped"] = found["lost_if_stopped"] or {"steps": None, "seconds": None}
    if snapshot.state is RunState.QUEUED and snapshot.status is not None:
        found["waiting"] = plain(snapshot.status.waiting or Waiting())
    return found


def headline(snapshot: RunSnapshot) -> str:
    """`succeeded, 920 of 920 steps in 41 min`."""
    status = snapshot.status
    word = str(snapshot.outcome or snapshot.state).replace("_", " ")
    if status is None:
        return word
    total = f" of {status.total_steps}" if status.total_steps is not None else ""
    took = f" in {duration(status.took_s)}" if status.took_s is not None else ""
    return f"{word}, {status.step}{total} steps{took}"


def current_step(snapshot: RunSnapshot) -> int:
    """The last completed true step. The journal is ahead of status.json, except that an attempt without steps
    will train the previous attempt's last steps again."""
    status, journaled = snapshot.status, snapshot.loss.last_step or 0
    if status is None:
        return journaled
    if status.attempts and status.attempts[-1].first_step is None:
        return status.step
    return max(status.step, journaled)


def steps_per_epoch_of(snapshot: RunSnapshot) -> float | None:
    """Optimizer steps per epoch, as in the summary's epoch table: batches / accumulation, rounded up; with
    the accumulation that puts the last step into the last epoch."""
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    total = (status.total_steps if status else None) or (forecast.steps if forecast else None)
    epochs = (status.epochs if status else None) or (forecast.epochs if forecast else None)
    batches = status.batches_per_epoch if status else None
    if not total or not epochs:
        return float(batches) if batches else None
    for accumulation in range(1, (batches or 0) + 1):
        steps = -(-(batches or 0) // accumulation)
        if -(-total // steps) == epochs:
            return float(steps)
    return float(-(-total // epochs))


def kept_step(snapshot: RunSnapshot) -> int:
    """The true step of the newest checkpoint that counts, is complete and finite, and was saved before the
    loss became NaN; 0: none."""
    status = snapshot.status
    if status is None:
        return 0
    return weights_step(current(status.checkpoints, status.attempts), untrusted_step(snapshot))


def stop_cost_of(snapshot: RunSnapshot) -> StopCost:
    """What stopping now would cost."""
    status = snapshot.status
    pace = finite(status.seconds_per_step) if status is not None else None
    state = status.safe_step if status is not None else 0
    return stop_cost(current_step(snapshot), state, kept_step(snapshot), pace)


def _hardware(snapshot: RunSnapshot) -> dict[str, Any]:
    """Hardware use of the run: sums over all of its training (Status.hardware), the newest reading,
    and peaks of the readings that still exist."""
    status, samples = snapshot.status, snapshot.hardware
    use = status.hardware if status is not None else HardwareUse()
    newest = samples[-1] if samples else None

    def peak(name: str) -> float | None:
        return max((v for s in samples if (v := getattr(s, name)) is not None), default=None)

    found: dict[str, Any] = plain(use)
    known_peaks = {
        "gpu_util_max": "gpu_percent",
        "gpu_memory_max_bytes": "gpu_memory_used_bytes",
        "training_memory_max_bytes": "tree_memory_bytes",
    }
    for key, name in known_peaks.items():
        found[key] = peak(name) if found[key] is None else found[key]
    return found | {
        "samples": use.samples or len(samples),
        "cpu_percent_max": peak("cpu_percent"),
        "memory_used_max_bytes": peak("memory_used_bytes"),
        "swap_used_max_bytes": peak("swap_used_bytes"),
        "disk_free_bytes": newest.disk_free_bytes if newest is not None else None,
        "reasons": newest.reasons if newest is not None else {},
        "gpu_users": status.gpu_users if status is not None else (),
    }
