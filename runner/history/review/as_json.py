"""A review as one JSON object: summary.json. `docs/summary.schema.json` has its schema. Pure.

Contains all keys of `show --json`, and more; unknown or non-finite is null.
"""

from __future__ import annotations

from typing import Any

from runner.config.hiding import hidden_command, hidden_config, hidden_env, scrubbed
from runner.history.report import KEYS, headline, plain, show_json
from runner.history.review.best import validation_near
from runner.history.review.checklist import checklist
from runner.history.review.model import SUMMARY_VERSION, BaseModel, Moment, Review, SampleFacts
from runner.model import Forecast
from runner.model.preview import FlagChange
from runner.state.losses import LossFacts

_KEYS = {
    **KEYS,
    Forecast: {"command": ""},
    SampleFacts: {"size_bytes": "bytes", "by_step": "", "names": ""},
    Moment: {"weight": ""},
    FlagChange: {"after": "now", "why": ""},
    #: absent if steps.jsonl could not be read
    LossFacts: {"first_step": "", "first_nonfinite_step": ""}
    | {name: f"{name}_rows" for name in ("finite", "nonfinite", "unknown", "exact")},
    BaseModel: {"size_bytes": "bytes"},
}


def review_json(review: Review) -> dict[str, Any]:
    """summary.json, without the secrets of the run."""
    spec = review.snapshot.spec
    base = show_json(review.snapshot)
    more = {
        "version": SUMMARY_VERSION,
        "headline": headline(review.snapshot),
        "loss": base["loss"] | (plain(review.losses, _KEYS) if review.losses.rows else {}),
        "attempts": review.attempts,
        "checkpoints": _checkpoints(review),
        "checklist": [_picked(one, "name title status evidence") for one in checklist(review)],
        "expected_files": review.due,
        "forecast": spec.forecast if spec is not None else None,
        "happened": _happened(review),
        "steps_per_epoch": review.steps_per_epoch,
        "epoch_table": review.epochs,
        "loss_curve": [(p.step, p.mean, p.smooth) for p in review.curve],
        "best": [
            _picked(one.checkpoint, "name path step")
            | _picked(one, "place reasons cautions sample_path")
            for one in review.candidates
        ],
        "samples": review.samples,
        "timeline": review.timeline,
        "warning_texts": [{"text": text, "count": count} for text, count in review.warnings],
        "settings_before": review.before,
        "settings_changed": review.changes,
        "repeat": _repeat(review),
        "notes": review.notes,
        "command": hidden_command(spec.command) if spec is not None else (),
    }
    safe: dict[str, Any] = scrubbed(base | plain(more, _KEYS), review.secrets)
    return safe


def _picked(one: object, names: str) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names.split()}


def _checkpoints(review: Review) -> list[dict[str, Any]]:
    """`loss`: smoothed over all attempts at that step; `place`: its rank; `validation_step`: the true step of
    `validation_loss`, null if only the console's own is known; `bytes_now`: its current size."""
    places = {one.checkpoint.path: one.place for one in review.candidates}
    return [
        plain(one, _KEYS)
        | {
            "validation_step": validation_near(one, review.checkpoints, review.validations),
            "place": places.get(one.path),
            "bytes_now": review.sizes_now.get(one.path),
        }
        for one in review.checkpoints
    ]


def _happened(review: Review) -> dict[str, int | None]:
    """Forecast and result. `planned_steps`: from the trainer's banner."""
    sizes = [c.size_bytes for c in review.kept if c.size_bytes is not None]
    return {
        "images": review.images,
        "reg_images": review.reg_images,
        "batches_per_epoch": review.banner.get("batches_per_epoch"),
        "epochs": review.banner.get("epochs"),
        "planned_steps": review.banner.get("total_steps"),
        "files_written": len(review.checkpoints),
        "files_kept": len(review.kept),
        "bytes_kept": sum(sizes) if sizes else None,
        "sample_images": review.samples.count if review.samples is not None else None,
    }


def _repeat(review: Review) -> dict[str, object] | None:
    """What must be identical to reproduce the result."""
    spec = review.snapshot.spec
    if spec is None:
        return None
    return {
        "cwd": spec.cwd,
        "env": hidden_env(spec.env),
        "host": spec.host,
        "trainer": spec.trainer,
        "versions": spec.versions,
        "config_path": spec.config_path,
        "config_text": hidden_config(spec.config_text) if spec.config_text else None,
        "base_model": review.base,
        "dataset": review.dataset,
        "metadata_of": review.metadata_of,
        "metadata": review.metadata,
    }
