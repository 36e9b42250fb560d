"""A review as one JSON object: summary.json. `docs/summary.schema.json` has its schema. Pure.

All keys of `show --json` are there; what is not known or not finite is null.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runner.history.report import show_json
from runner.history.review.best import validation_near
from runner.history.review.checklist import checklist
from runner.history.review.epochs import EpochRow
from runner.history.review.model import Review
from runner.history.review.sections import attempts_lost
from runner.history.review.version import SUMMARY_VERSION
from runner.history.review.words import headline
from runner.model.units import finite
from runner.store.hiding import hidden_command, hidden_config, hidden_env, scrubbed


def review_json(review: Review) -> dict[str, Any]:
    """Times are seconds since the epoch, `_s` seconds, `bytes` bytes, steps true steps."""
    snapshot = review.snapshot
    spec = snapshot.spec
    base = show_json(snapshot)
    forecast = msgspec.to_builtins(spec.forecast) if spec is not None else None
    if forecast is not None:
        forecast.pop("command", None)
    found = {
        **base,
        "version": SUMMARY_VERSION,
        "headline": headline(snapshot),
        "loss": {**base["loss"], **_losses(review)},
        "attempts": _attempts(review, base["attempts"]),
        "checkpoints": _checkpoints(review, base["checkpoints"]),
        "checklist": [
            {"title": p.title, "status": p.status, "evidence": p.evidence}
            for p in checklist(review)
        ],
        "expected_files": list(review.due),
        "forecast": forecast,
        "happened": _happened(review),
        "steps_per_epoch": review.steps_per_epoch,
        "epoch_table": [_epoch(row) for row in review.epochs],
        "loss_curve": [[p.step, finite(p.mean), finite(p.smooth)] for p in review.curve],
        "best": [_candidate(one) for one in review.candidates],
        "samples": _samples(review),
        "timeline": [
            {"at": one.at, "attempt": one.attempt, "text": one.text} for one in review.timeline
        ],
        "warning_texts": [{"text": text, "count": number} for text, number in review.warnings],
        "settings_before": review.before,
        "settings_changed": [
            {"name": c.name, "before": c.before, "now": c.after} for c in review.changes
        ],
        "repeat": _repeat(review),
        "notes": list(review.notes),
    }
    if spec is not None:
        found["command"] = list(hidden_command(spec.command))
        if spec.forecast is None:
            found["forecast"] = None
    safe: dict[str, Any] = scrubbed(found, review.secrets)
    return safe


def _losses(review: Review) -> dict[str, Any]:
    """Of the rows that count; where steps.jsonl could not be read, what show --json tells stays."""
    facts = review.losses
    if not facts.rows:
        return {}
    return {
        "last": finite(facts.last),
        "last_step": facts.last_step,
        "last_exact": facts.last_exact,
        "smooth": finite(facts.smooth),
        "lowest_smooth": finite(facts.lowest_smooth),
        "lowest_smooth_step": facts.lowest_smooth_step,
        "rows": facts.rows,
        "finite_rows": facts.finite,
        "nonfinite_rows": facts.nonfinite,
        "unknown_rows": facts.unknown,
        "exact_rows": facts.exact,
        "missing_steps": facts.missing_steps,
    }


def _attempts(review: Review, base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    more = {one.attempt: one for one in review.attempts}
    lost = attempts_lost(review)
    found = []
    for at, entry in enumerate(base):
        one = more.get(entry["attempt"])
        if one is None:
            found.append(entry)
            continue
        found.append(
            {
                **entry,
                "ended_at": one.ended_at,
                "how": one.how,
                "trained_steps": one.trained_steps,
                "replayed_steps": one.replayed_steps,
                "replayed_s": finite(one.replayed_s),
                "startup_s": finite(one.startup_s),
                "idle_s": finite(one.idle_s),
                "source": one.source,
                "changes": list(one.changes),
                "lost": lost[at] if at < len(lost) and at + 1 < len(base) else None,
            }
        )
    return found


def _checkpoints(review: Review, base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`loss` is the smoothed loss over all attempts at that step; `place` its rank; `validation_step` the true
    step of `validation_loss`, null where only the console's own was heard."""
    losses = {one.path: one.loss for one in review.checkpoints}
    heard = {one.path: one.validation_loss for one in review.checkpoints}
    steps = {
        one.path: validation_near(one, review.checkpoints, review.validations)
        for one in review.checkpoints
    }
    places = {one.checkpoint.path: one.place for one in review.candidates}
    return [
        {
            **entry,
            "loss": finite(losses.get(entry["path"], entry["loss"])),
            "validation_loss": finite(heard.get(entry["path"], entry["validation_loss"])),
            "validation_step": steps.get(entry["path"]),
            "place": places.get(entry["path"]),
            "bytes_now": review.sizes_now.get(entry["path"]),
        }
        for entry in base
    ]


def _happened(review: Review) -> dict[str, Any]:
    kept = [c for c in review.checkpoints if not c.removed and not c.missing]
    sizes = [c.size_bytes for c in kept if c.size_bytes is not None]
    return {
        "images": review.images,
        "reg_images": review.reg_images,
        "batches_per_epoch": review.banner.get("batches_per_epoch"),
        "epochs": review.banner.get("epochs"),
        "planned_steps": review.banner.get("total_steps"),
        "files_written": len(review.checkpoints),
        "files_kept": len(kept),
        "bytes_kept": sum(sizes) if sizes else None,
        "sample_images": review.samples.count if review.samples is not None else None,
    }


def _epoch(row: EpochRow) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row)
    return {
        key: finite(value) if isinstance(value, float) else value for key, value in plain.items()
    }


def _candidate(one: Any) -> dict[str, Any]:
    return {
        "place": one.place,
        "name": one.checkpoint.name,
        "path": one.checkpoint.path,
        "step": one.checkpoint.step,
        "reasons": list(one.reasons),
        "cautions": list(one.cautions),
        "sample_path": one.sample_path,
    }


def _samples(review: Review) -> dict[str, Any] | None:
    found = review.samples
    if found is None:
        return None
    return {
        "count": found.count,
        "bytes": found.size_bytes,
        "folders": list(found.folders),
        "steps": list(found.steps),
        "unplaced": found.unplaced,
        "prompts": list(found.prompts),
    }


def _repeat(review: Review) -> dict[str, Any] | None:
    spec, base, dataset = review.snapshot.spec, review.base, review.dataset
    if spec is None:
        return None
    return {
        "cwd": spec.cwd,
        "env": hidden_env(spec.env),
        "host": spec.host,
        "trainer": spec.trainer,
        "versions": dict(spec.versions),
        "config_path": spec.config_path,
        "config_text": hidden_config(spec.config_text) if spec.config_text else None,
        "base_model": None if base is None else {
            "name": base.name,
            "path": base.path,
            "bytes": base.size_bytes,
            "modified_at": base.modified_at,
        },
        "dataset": None if dataset is None else {
            "then": dict(dataset.then),
            "now": dict(dataset.now),
            "same": dataset.same,
            "why": dataset.why,
        },
        "metadata_of": review.metadata_of,
        "metadata": dict(review.metadata),
    }  # fmt: skip
