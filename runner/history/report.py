"""The results of a run as one frozen type: `show --json` prints it, summary.json adds to it, a comparison and
the screen read it. Pure.

A field is filled from the field of the same name in the status, the spec or the snapshot; `name=` is its key
in JSON. A number that is not known, or not finite, is null; `loss.first_nonfinite_step` reports the latter.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from runner.history.review.cautions import untrusted_step
from runner.model import (
    Alarm,
    BlockNorm,
    Cause,
    CheckResult,
    Expectation,
    GpuUser,
    HardwareUse,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
)
from runner.model.units import finite
from runner.state.lineage import StopCost, current, stop_cost, weights_step

T = TypeVar("T")


class LossResult(Struct, frozen=True, kw_only=True):
    """`last`: of the last step, `average`: the trainer's running average, `smooth`: smoothed here."""

    last: float | None
    average: float | None = None
    smooth: float | None
    first_nonfinite_step: int | None
    exact: bool


class ExitResult(Struct, frozen=True):
    code: int | None
    signal: int | None
    at: float


class AttemptResult(Struct, frozen=True, kw_only=True):
    attempt: int
    started_at: float
    first_step: int | None
    last_step: int | None
    exit: ExitResult | None


class CheckpointResult(Struct, frozen=True, kw_only=True):
    """See `runner.model.Checkpoint`."""

    name: str
    path: str
    step: int | None
    epoch: int | None
    size_bytes: int | None = field(name="bytes")
    complete: bool | None
    finite: bool | None
    problem: str | None
    state_path: str | None
    state_complete: bool | None
    loss: float | None
    saved_at: float
    attempt: int
    removed: bool
    final: bool
    missing: bool
    replaced: str | None
    state_problem: str | None
    validation_loss: float | None
    rank: int | None
    alpha: float | None
    norm: float | None
    norm_largest: float | None
    norm_change: float | None
    norms: tuple[BlockNorm, ...]
    remark: str | None
    sample_path: str | None
    removed_at_step: int | None
    state_removed_at_step: int | None


class StopResult(Struct, frozen=True):
    """What stopping now would lose: the steps that a resume would train again, and the time they took. None:
    without a status nothing is known."""

    steps: int | None = None
    seconds: float | None = None


class HardwareResult(Struct, frozen=True, kw_only=True):
    """What the machine did for the run: sums over all of its training (Status.hardware), the newest reading,
    and peaks of the readings that still exist."""

    samples: int
    training_s: float
    gpu_name: str | None = field(name="gpu")
    gpu_source: str | None
    gpu_util_max: float | None
    gpu_util_mean: float | None
    gpu_idle_s: float | None
    gpu_memory_max_bytes: int | None
    gpu_memory_run_max_bytes: int | None
    temperature_max_c: float | None
    power_mean_w: float | None
    energy_wh: float | None
    throttled_s: float
    cpu_percent_max: float | None = None
    cpu_mean: float | None = field(name="cpu_percent_mean")
    tree_cpu_mean: float | None = field(name="training_cpu_percent_mean")
    tree_memory_max_bytes: int | None = field(name="training_memory_max_bytes")
    memory_used_max_bytes: int | None = None
    memory_low_bytes: int | None
    swap_used_max_bytes: int | None = None
    swap_grown_bytes: int | None
    disk_free_bytes: int | None = None
    reasons: dict[str, str] = {}
    gpu_users: tuple[GpuUser, ...] = ()


class RunResults(Struct, frozen=True, kw_only=True):
    """The keys of DESIGN §3 and some more. Sizes are bytes, times seconds, steps true steps."""

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
    attempts: tuple[AttemptResult, ...] = ()
    checkpoints: tuple[CheckpointResult, ...] = ()
    lost_if_stopped: StopResult
    hardware: HardwareResult
    preflight: tuple[CheckResult, ...] = ()
    expect: Expectation | None = None
    output_dir: str | None = None
    detached_by: str | None = None
    alarms: tuple[Alarm, ...] = ()
    stop_by: str | None = None
    retry_of: str | None = None
    trained_s: float | None = None
    warnings: int = 0
    unknown_lines: int = 0
    supervisor_alive: bool = False
    problems: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def results_of(snapshot: RunSnapshot) -> RunResults:
    return result(
        RunResults,
        *(snapshot.status, snapshot.spec, snapshot),
        schema=1,
        step=current_step(snapshot),
        loss=_loss(snapshot),
        lost_if_stopped=lost_if_stopped(snapshot),
        hardware=_hardware(snapshot),
    )


def result(kind: type[T], *sources: object, **given: object) -> T:
    """A `kind` of the fields that the sources have by the same name (the later ones win), and of the given
    ones. Raises msgspec.ValidationError for a field of another type."""
    found: dict[str, Any] = {}
    encoded = {one.name: one.encode_name for one in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
    for source in sources:
        found |= {key: getattr(source, n) for n, key in encoded.items() if hasattr(source, n)}
    found |= {encoded[name]: value for name, value in given.items()}
    return msgspec.convert(found, kind, from_attributes=True)


def plain(value: object) -> Any:
    """`value` as JSON's own types. JSON has no NaN: it becomes null."""

    def known(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: known(inner) for key, inner in one.items()}
        if isinstance(one, list | tuple):
            return [known(inner) for inner in one]
        return finite(one) if isinstance(one, float) else one

    return known(msgspec.to_builtins(value))


def show_json(snapshot: RunSnapshot) -> dict[str, Any]:
    """What `show --json` prints, with the run's secrets still in it."""
    found: dict[str, Any] = plain(results_of(snapshot))
    return found


def current_step(snapshot: RunSnapshot) -> int:
    """The true step that is done. The journal is ahead of status.json, except that an attempt which
    has not trained yet will train the older attempt's last steps again."""
    status, journaled = snapshot.status, snapshot.loss.last_step or 0
    if status is None:
        return journaled
    if status.attempts and status.attempts[-1].first_step is None:
        return status.step
    return max(status.step, journaled)


def steps_per_epoch_of(snapshot: RunSnapshot) -> float | None:
    """Optimizer steps an epoch: of the plan, else batches as the trainer counted them."""
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    total = (status.total_steps if status else None) or (forecast.steps if forecast else None)
    epochs = (status.epochs if status else None) or (forecast.epochs if forecast else None)
    batches = status.batches_per_epoch if status else None
    if total and epochs:
        return total / epochs
    return float(batches) if batches else None


def kept_step(snapshot: RunSnapshot) -> int:
    """The true step of the newest checkpoint that counts, is complete and finite, and was saved before the loss
    became NaN; 0: none."""
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


def lost_if_stopped(snapshot: RunSnapshot) -> StopResult:
    cost = stop_cost_of(snapshot) if snapshot.status is not None else None
    return StopResult(cost.steps, cost.seconds) if cost is not None else StopResult()


def _loss(snapshot: RunSnapshot) -> LossResult:
    status, series = snapshot.status, snapshot.loss
    bad = status.first_nonfinite_step if status is not None else None
    return result(
        LossResult,
        *(status, series),
        last=status.loss if series.last is None and status is not None else series.last,
        first_nonfinite_step=bad if bad is not None else series.first_nonfinite_step,
    )


def _hardware(snapshot: RunSnapshot) -> HardwareResult:
    status, samples = snapshot.status, snapshot.hardware
    use = status.hardware if status is not None else HardwareUse()
    newest = samples[-1] if samples else None

    def peak(name: str, known: float | None = None) -> float | None:
        values = [value for s in samples if (value := getattr(s, name)) is not None]
        return known if known is not None else max(values, default=None)

    return result(
        HardwareResult,
        use,
        samples=use.samples or len(samples),
        gpu_util_max=peak("gpu_percent", use.gpu_util_max),
        gpu_memory_max_bytes=peak("gpu_memory_used_bytes", use.gpu_memory_max_bytes),
        cpu_percent_max=peak("cpu_percent"),
        tree_memory_max_bytes=peak("tree_memory_bytes", use.tree_memory_max_bytes),
        memory_used_max_bytes=peak("memory_used_bytes"),
        swap_used_max_bytes=peak("swap_used_bytes"),
        disk_free_bytes=newest.disk_free_bytes if newest is not None else None,
        reasons=newest.reasons if newest is not None else {},
        gpu_users=status.gpu_users if status is not None else (),
    )
