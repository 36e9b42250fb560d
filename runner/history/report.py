"""A run as one JSON object: what `show --json` prints and `summary.json` holds. Pure.

Numbers that are not known, or not finite, are null; `loss.first_nonfinite_step` tells the latter.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runner.history.review.cautions import untrusted_step
from runner.model import Cause, Checkpoint, HardwareUse, RunSnapshot
from runner.model.units import finite
from runner.state.lineage import StopCost, current, stop_cost, weights_step


def current_step(snapshot: RunSnapshot) -> int:
    """The true step that is done. The journal is ahead of status.json, except that an attempt which
    has not trained yet will train the older attempt's last steps again."""
    status, journaled = snapshot.status, snapshot.loss.last_step or 0
    if status is None:
        return journaled
    if status.attempts and status.attempts[-1].first_step is None:
        return status.step
    return max(status.step, journaled)


def show_json(snapshot: RunSnapshot) -> dict[str, Any]:
    """The keys of DESIGN §3 and some more. Sizes are bytes, times seconds, steps true steps."""
    spec, status = snapshot.spec, snapshot.status
    return {
        "schema": 1,
        "id": snapshot.id,
        "path": snapshot.path,
        "name": spec.name if spec is not None else None,
        "state": str(snapshot.state),
        "outcome": str(snapshot.outcome) if snapshot.outcome is not None else None,
        "reasons": list(status.reasons) if status is not None else [],
        "cause": cause_json(status.cause) if status is not None else None,
        "phase": str(status.phase) if status is not None else None,
        "attempt": status.attempt if status is not None else None,
        "step": current_step(snapshot),
        "total_steps": status.total_steps if status is not None else None,
        "epoch": status.epoch if status is not None else None,
        "epochs": status.epochs if status is not None else None,
        "batches_per_epoch": status.batches_per_epoch if status is not None else None,
        "device": status.device if status is not None else None,
        "loss": _loss(snapshot),
        "seconds_per_step": finite(status.seconds_per_step) if status is not None else None,
        "eta_s": finite(status.eta_s) if status is not None else None,
        "started_at": status.started_at if status is not None else None,
        "ended_at": status.ended_at if status is not None else None,
        "attempts": _attempts(snapshot),
        "checkpoints": [checkpoint_json(c) for c in status.checkpoints] if status else [],
        "lost_if_stopped": lost_if_stopped(snapshot),
        "hardware": hardware_json(snapshot),
        "preflight": msgspec.to_builtins(snapshot.preflight),
        "expect": msgspec.to_builtins(spec.expect) if spec is not None else None,
        "output_dir": spec.output_dir if spec is not None else None,
        "detached_by": spec.detached_by if spec is not None else None,
        "alarms": msgspec.to_builtins(status.alarms) if status is not None else [],
        "stop_by": status.stop_by if status is not None else None,
        "retry_of": spec.retry_of if spec is not None else None,
        "trained_s": status.trained_s if status is not None else None,
        "warnings": status.warnings if status is not None else 0,
        "unknown_lines": status.unknown_lines if status is not None else 0,
        "supervisor_alive": snapshot.supervisor_alive,
        "problems": list(snapshot.problems),
        "command": list(spec.command) if spec is not None else [],
    }


def cause_json(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {
        "key": cause.key,
        "evidence": cause.evidence,
        "advice": cause.advice,
        "fix": cause.fix,
        "changes": list(cause.changes),
    }


def _loss(snapshot: RunSnapshot) -> dict[str, Any]:
    status, series = snapshot.status, snapshot.loss
    last = series.last if series.last is not None else (status.loss if status else None)
    bad = status.first_nonfinite_step if status is not None else None
    return {
        "last": finite(last),
        "average": finite(status.average) if status is not None else None,
        "smooth": finite(series.smooth),
        "first_nonfinite_step": bad if bad is not None else series.first_nonfinite_step,
        "exact": series.exact,
    }


def _attempts(snapshot: RunSnapshot) -> list[dict[str, Any]]:
    if snapshot.status is None:
        return []
    found = []
    for attempt in snapshot.status.attempts:
        ended = attempt.exit
        found.append(
            {
                "attempt": attempt.attempt,
                "started_at": attempt.started_at,
                "first_step": attempt.first_step,
                "last_step": attempt.last_step,
                "exit": None
                if ended is None
                else {"code": ended.code, "signal": ended.signal, "at": ended.at},
            }
        )
    return found


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "name": checkpoint.name,
        "path": checkpoint.path,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "bytes": checkpoint.size_bytes,
        "complete": checkpoint.complete,
        "finite": checkpoint.finite,
        "problem": checkpoint.problem,
        "state_path": checkpoint.state_path,
        "state_complete": checkpoint.state_complete,
        "loss": finite(checkpoint.loss),
        "saved_at": checkpoint.saved_at,
        "attempt": checkpoint.attempt,
        "removed": checkpoint.removed,
        "final": checkpoint.final,
        "missing": checkpoint.missing,
        "replaced": checkpoint.replaced,
        "state_problem": checkpoint.state_problem,
        "validation_loss": finite(checkpoint.validation_loss),
        "rank": checkpoint.rank,
        "alpha": finite(checkpoint.alpha),
        "norm": finite(checkpoint.norm),
        "norm_largest": finite(checkpoint.norm_largest),
        "norm_change": finite(checkpoint.norm_change),
        "norms": msgspec.to_builtins(checkpoint.norms),
        "remark": checkpoint.remark,
        "sample_path": checkpoint.sample_path,
        "removed_at_step": checkpoint.removed_at_step,
        "state_removed_at_step": checkpoint.state_removed_at_step,
    }


def lost_if_stopped(snapshot: RunSnapshot) -> dict[str, Any]:
    """What stopping now would cost: the steps that a resume would train again, and the time they took."""
    cost = stop_cost_of(snapshot)
    return {"steps": cost.steps if cost else None, "seconds": cost.seconds if cost else None}


def stop_cost_of(snapshot: RunSnapshot) -> StopCost | None:
    """None: without a status nothing is known."""
    status = snapshot.status
    if status is None:
        return None
    pace = finite(status.seconds_per_step)
    return stop_cost(current_step(snapshot), status.safe_step, kept_step(snapshot), pace)


def kept_step(snapshot: RunSnapshot) -> int:
    """The true step of the newest checkpoint that counts, is complete and finite, and was saved before the loss
    became NaN; 0: none."""
    status = snapshot.status
    if status is None:
        return 0
    return weights_step(current(status.checkpoints, status.attempts), untrusted_step(snapshot))


def hardware_json(snapshot: RunSnapshot) -> dict[str, Any]:
    """What the machine did for the run: sums over all of its training (Status.hardware), the newest reading,
    and peaks of the readings that are still there. Null for what no source gave."""
    samples = snapshot.hardware
    use = snapshot.status.hardware if snapshot.status is not None else HardwareUse()
    newest = samples[-1] if samples else None

    def peak(name: str) -> Any:
        values = [getattr(s, name) for s in samples if getattr(s, name) is not None]
        return max(values) if values else None

    return {
        "samples": use.samples or len(samples),
        "training_s": use.training_s,
        "gpu": use.gpu_name,
        "gpu_source": use.gpu_source,
        "gpu_util_max": _first(use.gpu_util_max, peak("gpu_percent")),
        "gpu_util_mean": use.gpu_util_mean,
        "gpu_idle_s": use.gpu_idle_s,
        "gpu_memory_max_bytes": _first(use.gpu_memory_max_bytes, peak("gpu_memory_used_bytes")),
        "gpu_memory_run_max_bytes": use.gpu_memory_run_max_bytes,
        "temperature_max_c": use.temperature_max_c,
        "power_mean_w": use.power_mean_w,
        "energy_wh": use.energy_wh,
        "throttled_s": use.throttled_s,
        "cpu_percent_max": peak("cpu_percent"),
        "cpu_percent_mean": use.cpu_mean,
        "training_cpu_percent_mean": use.tree_cpu_mean,
        "training_memory_max_bytes": _first(use.tree_memory_max_bytes, peak("tree_memory_bytes")),
        "memory_used_max_bytes": peak("memory_used_bytes"),
        "memory_low_bytes": use.memory_low_bytes,
        "swap_used_max_bytes": peak("swap_used_bytes"),
        "swap_grown_bytes": use.swap_grown_bytes,
        "disk_free_bytes": newest.disk_free_bytes if newest is not None else None,
        "reasons": newest.reasons if newest is not None else {},
        "gpu_users": msgspec.to_builtins(snapshot.status.gpu_users) if snapshot.status else [],
    }


def _first(one: Any, other: Any) -> Any:
    return one if one is not None else other
