"""Everything known of a run, read from its folder and the files next to it. Blocking.

A part that cannot be read is listed in `Review.notes` and does not affect other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from runner.analysis.expected import expected_files
from runner.config.hiding import secret_values
from runner.files.regular_file import open_regular
from runner.history.review import places
from runner.history.review.attempts import attempts_of
from runner.history.review.best import Candidate, rank, validation_near
from runner.history.review.epochs import curve, epoch_rows, smooth_at
from runner.history.review.journal_facts import moments, read_journal, validations
from runner.history.review.model import Review
from runner.history.run_settings import difference
from runner.history.validation import exact_validations
from runner.ingest.console.imported import ImportedLog
from runner.ingest.console.parser import ConsoleParser
from runner.model import Checkpoint, RunSnapshot, RunSpec, Status
from runner.model.events import StepShown, SubsetSeen
from runner.state.evidence import Images
from runner.state.lineage import superseded
from runner.state.losses import LossFacts, StepTable, loss_facts, read_steps
from runner.store.own_files import as_recorded
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer
from runner.trainers.registry import program_of_run
from runner.trainers.sd_scripts.config_file import effective_flags
from runner.trainers.sd_scripts.steps import steps_per_epoch

T = TypeVar("T")
CONSOLE_HEAD_BYTES = 1 << 20


def review_of(path: Path, final: Status | None = None, *, dataset: bool = True) -> Review:
    """The run in `path`, live or ended. `final`: its last status, if not written yet.
    `dataset` False: its images and captions are not read again. Raises WrittenByNewer."""
    refuse_newer(RunDir(path))
    snapshot = RunReader(path, console=False).read_all()
    if final is not None:
        final = as_recorded(final)
        snapshot = replace(snapshot, status=final, state=final.state, outcome=final.outcome)
    looks = _Looks()
    review = _inside(RunDir(path), snapshot, looks)
    spec = snapshot.spec
    if spec is not None:
        review = _beside(review, spec, looks, dataset)
    return replace(review, notes=tuple(looks.notes))


def bare_review(snapshot: RunSnapshot, note: str = "") -> Review:
    """From the snapshot only: used if the full review failed."""
    status, spec, series = snapshot.status, snapshot.spec, snapshot.loss
    rows, bad = sum(b.count for b in series.buckets), sum(b.nonfinite for b in series.buckets)
    return Review(
        snapshot=snapshot,
        losses=LossFacts(
            rows=rows,
            finite=rows - bad,
            nonfinite=bad,
            first_step=series.first_step,
            last_step=series.last_step,
            last=series.last,
            last_exact=series.exact,
            smooth=series.smooth,
            first_nonfinite_step=series.first_nonfinite_step,
        ),
        attempts=attempts_of(snapshot, StepTable(), ()),
        checkpoints=status.checkpoints if status is not None else (),
        secrets=secrets_of(Path(snapshot.path), spec) if spec is not None else (),
        notes=(note,) if note else (),
    )


def secrets_of(path: Path, spec: RunSpec) -> tuple[str, ...]:
    """Secrets of the run's command, configuration and changes, longest first."""
    found = {*secret_values(spec.command, spec.env, spec.config_text)}
    for plan in places.plans_of(RunDir(path)):
        found |= {*secret_values(plan.command, plan.env, None)}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


@dataclass(slots=True)
class _Looks:
    """Reads one part; a failure is noted and does not affect others."""

    notes: list[str] = field(default_factory=list)

    def at(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except Exception as error:
            self.notes.append(f"{what}: {type(error).__name__}: {error}")
            return otherwise


def _inside(run: RunDir, snapshot: RunSnapshot, looks: _Looks) -> Review:
    """From the run folder."""
    journal, table = read_journal(run.events), read_steps(run.steps)
    for name, bad in (("steps", table.unreadable_lines), ("events", journal.unreadable_lines)):
        if bad:
            looks.notes.append(f"{name}.jsonl: {bad} unreadable lines skipped")
    spec, status, smooth = snapshot.spec, snapshot.status, table.smoothed()
    attempts = status.attempts if status is not None else ()
    per_epoch = _steps_per_epoch(journal.banner, snapshot)
    shown = validations(journal.state, attempts)
    exact = looks.at("validation losses", lambda: _exact(run, status, shown), shown)
    heard = exact or shown
    written: Sequence[Checkpoint] = status.checkpoints if status is not None else ()
    checkpoints = tuple(
        one
        if superseded(one, attempts) is not None
        else _with_losses(one, smooth_at(table, smooth, one.step), written, heard)
        for one in written
    )
    if status is not None:
        status = replace(status, checkpoints=checkpoints)
    snapshot = replace(snapshot, status=status, loss=table.series())
    plans = places.plans_of(run)
    due: tuple[str, ...] = ()
    if spec is not None and spec.forecast is not None and status is not None:
        known = len(plans) >= status.attempt
        due = expected_files(spec.forecast, plans, status.total_steps) if known else ()
    return Review(
        snapshot=snapshot,
        losses=loss_facts(table, smooth),
        epochs=epoch_rows(table, smooth, per_epoch, heard),
        validations=heard,
        curve=curve(table, smooth),
        steps_per_epoch=per_epoch,
        attempts=attempts_of(snapshot, table, plans),
        plans=plans,
        due=due,
        checkpoints=checkpoints,
        banner=journal.banner,
        timeline=moments(journal.events),
        warnings=tuple(journal.warnings.most_common()),
        secrets=secrets_of(run.path, spec) if spec is not None else (),
    )


def _exact(run: RunDir, status: Status | None, shown: Mapping[int, float]) -> dict[int, float]:
    """Validation losses from event files; the console shows only three digits. Files of a long run take
    seconds: they are only opened if there was a validation."""
    written = status.checkpoints if status is not None else ()
    if not shown and all(one.validation_loss is None for one in written):
        return {}
    return exact_validations(run.path, status)


def _with_losses(
    one: Checkpoint, loss: float | None, all_of: Sequence[Checkpoint], heard: Mapping[int, float]
) -> Checkpoint:
    """The status has the newest validation before the file; the ranking uses the nearest one."""
    if one.replaced is not None:
        return one  # the loss at its step belongs to a file that no longer exists
    near = validation_near(one, all_of, heard)
    validation = heard[near] if near is not None else None
    return replace(
        one,
        loss=one.loss if loss is None else loss,
        validation_loss=validation if heard else one.validation_loss,
    )


def _steps_per_epoch(banner: Mapping[str, int], snapshot: RunSnapshot) -> int | None:
    """Optimizer steps: batches / accumulation, rounded up."""
    status = snapshot.status
    batches = banner.get("batches_per_epoch", status.batches_per_epoch if status else None)
    if batches:
        return steps_per_epoch(batches, banner.get("accumulation"))
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    if forecast is not None and forecast.steps and forecast.epochs:
        return -(-forecast.steps // forecast.epochs)
    return None


def _beside(review: Review, spec: RunSpec, looks: _Looks, dataset: bool) -> Review:
    """Adds facts from outside the run folder."""
    run, cwd = RunDir(Path(review.snapshot.path)), Path(spec.cwd)
    no_metadata: tuple[str | None, dict[str, str]] = (None, {})
    no_flags: dict[str, Any] = {}
    flags = looks.at("the command", lambda: _flags(review, spec), no_flags)
    name, metadata = looks.at(
        "metadata", lambda: places.metadata_in(review.checkpoints, spec.cwd), no_metadata
    )
    images = looks.at("console.log", lambda: _images(run, spec), Images())
    found = replace(
        review,
        sizes_now=places.sizes_now(review.checkpoints, spec.cwd),
        images=images.described,
        reg_images=images.regularisation if images.described is not None else None,
        samples=looks.at("samples", lambda: places.sample_facts(run.path), None),
        base=looks.at("base model", lambda: places.base_model(flags, cwd), None),
        dataset=looks.at("dataset", lambda: places.dataset_facts(spec, flags, cwd), None)
        if dataset
        else None,
        metadata=metadata,
        metadata_of=name,
    )
    found = replace(found, candidates=looks.at("best checkpoint", lambda: _ranked(found), ()))
    before = looks.at("earlier runs", lambda: places.run_before(run.path, spec), None)
    if before is None:
        return found
    changes = looks.at("settings", lambda: difference(before, run.path), found.changes)
    return replace(found, before=before.name, changes=changes)


def _images(run: RunDir, spec: RunSpec) -> Images:
    """Image files, as found by the trainer's first attempt before its first step."""
    found, words = Images(), program_of_run(spec).vocabulary
    imported = spec.origin == "inspected"
    parser = ImportedLog(vocabulary=words) if imported else ConsoleParser(vocabulary=words)
    if not run.console.exists():
        return found
    with open_regular(run.console) as stream:
        for _ in range(CONSOLE_HEAD_BYTES >> 16):
            data = stream.read(1 << 16)
            if not data and not imported:
                break
            for event in parser.feed(data) if data else parser.finish():
                if isinstance(event, StepShown) and event.shown_step:
                    return found
                if isinstance(event, SubsetSeen):
                    found.see(event)
            if not data:
                break
    return found


def _flags(review: Review, spec: RunSpec) -> dict[str, Any]:
    plan = review.plans[0] if review.plans else spec.first_plan
    return effective_flags(plan) if plan.command else {}


def _ranked(review: Review) -> tuple[Candidate, ...]:
    status = review.snapshot.status
    return rank(
        review.checkpoints,
        validation=review.validations,
        samples=review.samples.by_step if review.samples is not None else None,
        series=review.snapshot.loss,
        attempts=status.attempts if status is not None else (),
    )
