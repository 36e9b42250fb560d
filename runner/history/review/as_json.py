"""A review as one JSON object: summary.json. `docs/summary.schema.json` has its schema. Pure.

All keys of `show --json` exist; what is not known or not finite is null.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from runner.config.hiding import hidden_command, hidden_config, hidden_env, scrubbed
from runner.history.report import (
    CheckpointResult,
    LossResult,
    RunResults,
    plain,
    result,
    results_of,
)
from runner.history.review.best import validation_near
from runner.history.review.checklist import checklist
from runner.history.review.epochs import EpochRow
from runner.history.review.model import AttemptReview, BaseModel, DatasetFacts, Review
from runner.history.review.sections import attempts_lost
from runner.history.review.words import SUMMARY_VERSION, headline


class SummaryLoss(LossResult, frozen=True, kw_only=True):
    """Of the rows that count; absent where steps.jsonl could not be read."""

    last_step: int | UnsetType | None = UNSET
    last_exact: bool | UnsetType = UNSET
    lowest_smooth: float | UnsetType | None = UNSET
    lowest_smooth_step: int | UnsetType | None = UNSET
    rows: int | UnsetType = UNSET
    finite: int | UnsetType = field(name="finite_rows", default=UNSET)
    nonfinite: int | UnsetType = field(name="nonfinite_rows", default=UNSET)
    unknown: int | UnsetType = field(name="unknown_rows", default=UNSET)
    exact_rows: int | UnsetType = UNSET
    missing_steps: int | UnsetType = UNSET


class SummaryCheckpoint(CheckpointResult, frozen=True, kw_only=True):
    """`loss`: smoothed over all attempts at that step; `place`: its rank; `validation_step`: the true step of
    `validation_loss`, null where only the console's own was heard; `bytes_now`: as it lies there now."""

    validation_step: int | None
    place: int | None
    bytes_now: int | None


class SummaryPoint(Struct, frozen=True):
    title: str
    status: str
    evidence: str


class Happened(Struct, frozen=True, kw_only=True):
    """What became of the forecast. `planned_steps`: of the trainer's banner."""

    images: int | None
    reg_images: int | None
    batches_per_epoch: int | None
    epochs: int | None
    planned_steps: int | None
    files_written: int
    files_kept: int
    bytes_kept: int | None
    sample_images: int | None


class BestResult(Struct, frozen=True, kw_only=True):
    place: int
    name: str
    path: str
    step: int | None
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    sample_path: str | None


class SamplesResult(Struct, frozen=True):
    count: int
    size_bytes: int = field(name="bytes")
    folders: tuple[str, ...]
    steps: tuple[int, ...]
    unplaced: int
    prompts: tuple[str, ...]


class TimelineResult(Struct, frozen=True):
    at: float
    attempt: int
    text: str


class WarningText(Struct, frozen=True):
    text: str
    count: int


class SettingChange(Struct, frozen=True):
    name: str
    before: str | None
    after: str | None = field(name="now")


class Repeat(Struct, frozen=True, kw_only=True):
    """What has to be the same for the same result."""

    cwd: str
    env: dict[str, str | None]
    host: str
    trainer: str
    versions: dict[str, str]
    config_path: str | None
    config_text: str | None
    base_model: BaseModel | None
    dataset: DatasetFacts | None
    metadata_of: str | None
    metadata: dict[str, str]


class Summary(RunResults, frozen=True, kw_only=True):
    """Times are seconds since the epoch, `_s` seconds, `bytes` bytes, steps true steps."""

    loss: SummaryLoss
    attempts: tuple[AttemptReview, ...]
    checkpoints: tuple[SummaryCheckpoint, ...]
    version: str = SUMMARY_VERSION
    headline: str
    checklist: tuple[SummaryPoint, ...]
    expected_files: tuple[str, ...]
    forecast: dict[str, Any] | None
    happened: Happened
    steps_per_epoch: int | None
    epoch_table: tuple[EpochRow, ...]
    loss_curve: tuple[tuple[int, float | None, float | None], ...]
    best: tuple[BestResult, ...]
    samples: SamplesResult | None
    timeline: tuple[TimelineResult, ...]
    warning_texts: tuple[WarningText, ...]
    settings_before: str | None
    settings_changed: tuple[SettingChange, ...]
    repeat: Repeat | None
    notes: tuple[str, ...]


def review_json(review: Review) -> dict[str, Any]:
    """summary.json, without the secrets of the run."""
    safe: dict[str, Any] = scrubbed(plain(summary_of(review)), review.secrets)
    return safe


def summary_of(review: Review) -> Summary:
    spec, base, found = review.snapshot.spec, results_of(review.snapshot), review.samples
    forecast = msgspec.to_builtins(spec.forecast) if spec is not None else None
    if forecast is not None:
        forecast.pop("command", None)
    return result(
        Summary,
        *(review, base),
        headline=headline(review.snapshot),
        loss=_loss(review, base.loss),
        attempts=_attempts(review),
        checkpoints=_checkpoints(review, base),
        checklist=[result(SummaryPoint, one) for one in checklist(review)],
        expected_files=review.due,
        forecast=forecast,
        happened=_happened(review),
        epoch_table=review.epochs,
        loss_curve=[(p.step, p.mean, p.smooth) for p in review.curve],
        best=[result(BestResult, one.checkpoint, one) for one in review.candidates],
        samples=result(SamplesResult, found) if found is not None else None,
        warning_texts=[WarningText(*one) for one in review.warnings],
        settings_before=review.before,
        settings_changed=review.changes,
        repeat=_repeat(review),
        command=hidden_command(base.command),
    )


def _loss(review: Review, base: LossResult) -> SummaryLoss:
    facts = review.losses
    if not facts.rows:
        return result(SummaryLoss, base)
    given = {"exact": base.exact, "exact_rows": facts.exact}
    bad = base.first_nonfinite_step
    return result(SummaryLoss, base, facts, first_nonfinite_step=bad, **given)


def _attempts(review: Review) -> list[AttemptReview]:
    lost = attempts_lost(review)[: max(0, len(review.attempts) - 1)]
    return [
        msgspec.structs.replace(one, lost=words)
        for one, words in zip_longest(review.attempts, lost)
    ]


def _checkpoints(review: Review, base: RunResults) -> list[SummaryCheckpoint]:
    seen = {one.path: one for one in review.checkpoints}
    steps = {
        path: validation_near(one, review.checkpoints, review.validations)
        for path, one in seen.items()
    }
    places = {one.checkpoint.path: one.place for one in review.candidates}
    return [
        result(
            SummaryCheckpoint,
            one,
            loss=seen.get(one.path, one).loss,
            validation_loss=seen.get(one.path, one).validation_loss,
            validation_step=steps.get(one.path),
            place=places.get(one.path),
            bytes_now=review.sizes_now.get(one.path),
        )
        for one in base.checkpoints
    ]


def _happened(review: Review) -> Happened:
    sizes = [c.size_bytes for c in review.kept if c.size_bytes is not None]
    return result(
        Happened,
        review,
        batches_per_epoch=review.banner.get("batches_per_epoch"),
        epochs=review.banner.get("epochs"),
        planned_steps=review.banner.get("total_steps"),
        files_written=len(review.checkpoints),
        files_kept=len(review.kept),
        bytes_kept=sum(sizes) if sizes else None,
        sample_images=review.samples.count if review.samples is not None else None,
    )


def _repeat(review: Review) -> Repeat | None:
    spec = review.snapshot.spec
    if spec is None:
        return None
    text = hidden_config(spec.config_text) if spec.config_text else None
    given = {"env": hidden_env(spec.env), "config_text": text, "base_model": review.base}
    return result(Repeat, spec, review, **given)
