"""Everything that can be told of a run, read from its folder and from what lies beside it. Blocking.

A part that cannot be looked at is named in `Review.notes`; it costs no other part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from runner.analysis.due import due_names
from runner.config.hiding import secret_values
from runner.history.review.attempts import attempts_of
from runner.history.review.epochs import curve, epoch_rows, smooth_at
from runner.history.review.journal_facts import JournalFacts, moments, read_events, validations
from runner.history.review.model import DatasetFacts, Review
from runner.history.review.places import (
    base_model,
    dataset_facts,
    metadata_in,
    plans_of,
    run_before,
    sample_facts,
    sizes_now,
)
from runner.model import AttemptPlan, AttemptStatus, Checkpoint, RunSnapshot, RunSpec, Status
from runner.state.lineage import superseded
from runner.state.losses import LossFacts, StepTable, loss_facts, read_steps
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.trainers.registry import program_of_run
from runner.trainers.sd_scripts.steps import steps_per_epoch

if TYPE_CHECKING:
    from runner.history.review.best import Candidate

T = TypeVar("T")
CONSOLE_HEAD_BYTES = 1 << 20


def review_of(path: Path, final: Status | None = None, *, dataset: bool = True) -> Review:
    """The run in `path`, living or ended. `final`: its last status, where that is not written yet.
    `dataset` False: its images and captions are not looked at again."""
    snapshot = RunReader(path, console=False).read_all()
    if final is not None:
        snapshot = replace(snapshot, status=final, state=final.state, outcome=final.outcome)
    return _Gatherer(snapshot, dataset).review()


def bare_review(snapshot: RunSnapshot, note: str = "") -> Review:
    """From the snapshot alone: what is written where the whole look has failed."""
    status, spec, series = snapshot.status, snapshot.spec, snapshot.loss
    finite = sum(b.count - b.nonfinite for b in series.buckets)
    return Review(
        snapshot=snapshot,
        losses=LossFacts(
            rows=sum(b.count for b in series.buckets),
            finite=finite,
            nonfinite=sum(b.nonfinite for b in series.buckets),
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
    """Of the run's command and configuration, and of what its attempts changed; the longest first."""
    found = {*secret_values(spec.command, spec.env, spec.config_text)}
    for plan in plans_of(RunDir(path)):
        found |= {*secret_values(plan.command, plan.env, None)}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


class _Gatherer:
    """One look at one run."""

    def __init__(self, snapshot: RunSnapshot, dataset: bool) -> None:
        self.snapshot = snapshot
        self.with_dataset = dataset
        self.run = RunDir(Path(snapshot.path))
        self.notes: list[str] = []

    def _try(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except Exception as error:  # one part that fails is told, and costs no other
            self.notes.append(f"{what}: {type(error).__name__}: {error}")
            return otherwise

    def review(self) -> Review:
        run = self.run
        journal = read_events(run.events)
        table = read_steps(run.steps)
        snapshot = self.snapshot = replace(self.snapshot, loss=table.series())
        spec, status = snapshot.spec, snapshot.status
        smooth = table.smoothed()
        plans = plans_of(run)
        per_epoch = _steps_per_epoch(journal.banner, snapshot)
        attempts = status.attempts if status is not None else ()
        heard = self._validations(journal, attempts)
        written = status.checkpoints if status is not None else ()
        checkpoints = tuple(
            _with_losses(one, smooth_at(table, smooth, one.step), written, heard)
            if superseded(one, attempts) is None
            else one
            for one in written
        )
        if status is not None:
            status = replace(status, checkpoints=checkpoints)
            snapshot = self.snapshot = replace(snapshot, status=status)
        if table.unreadable_lines:
            self.notes.append(f"steps.jsonl: {table.unreadable_lines} unreadable lines left out")
        if journal.unreadable_lines:
            self.notes.append(f"events.jsonl: {journal.unreadable_lines} unreadable lines left out")
        made = Review(
            snapshot=snapshot,
            losses=loss_facts(table, smooth),
            epochs=epoch_rows(table, smooth, per_epoch, heard),
            validations=heard,
            curve=curve(table, smooth),
            steps_per_epoch=per_epoch,
            attempts=attempts_of(snapshot, table, plans),
            plans=plans,
            due=self._due(plans),
            checkpoints=checkpoints,
            banner=journal.banner,
            timeline=moments(journal.events),
            warnings=tuple(journal.warnings.most_common()),
            secrets=secrets_of(self.run.path, spec) if spec is not None else (),
        )
        return replace(self._beside(made), notes=tuple(self.notes))

    def _due(self, plans: tuple[AttemptPlan, ...]) -> tuple[str, ...]:
        spec, status = self.snapshot.spec, self.snapshot.status
        if spec is None or spec.forecast is None or status is None:
            return ()
        if len(plans) < status.attempt:
            return ()
        return due_names(spec.forecast, plans, status.total_steps)

    def _beside(self, made: Review) -> Review:
        """With what lies outside of the run folder."""
        spec = self.snapshot.spec
        if spec is None:
            return made
        cwd = spec.cwd
        no_flags: dict[str, Any] = {}
        no_metadata: tuple[str | None, dict[str, str]] = (None, {})
        no_images: tuple[int | None, int | None] = (None, None)
        flags = self._try("the command", lambda: _flags(spec, made.plans), no_flags)
        name, metadata = self._try(
            "metadata", lambda: metadata_in(made.checkpoints, cwd), no_metadata
        )
        images, reg = self._try("console.log", lambda: self._images(spec), no_images)
        made = replace(
            made,
            sizes_now=sizes_now(made.checkpoints, cwd),
            images=images,
            reg_images=reg,
            samples=self._try("samples", lambda: sample_facts(self.run.path), None),
            base=self._try("base model", lambda: base_model(flags, Path(cwd)), None),
            dataset=self._try("dataset", lambda: self._dataset(spec, flags), None),
            metadata=metadata,
            metadata_of=name,
        )
        nobody: tuple[Candidate, ...] = ()
        made = replace(made, candidates=self._try("best checkpoint", lambda: _ranked(made), nobody))
        before = self._try("earlier runs", lambda: run_before(self.run.path, spec), None)
        if before is None:
            return made
        changes = self._try("settings", lambda: _difference(before, self.run.path), ())
        return replace(made, before=before.name, changes=changes)

    def _validations(
        self, journal: JournalFacts, attempts: Sequence[AttemptStatus]
    ) -> dict[int, float]:
        """Exact ones out of the event files, else as the console showed them, with three digits. The files of
        a long run take seconds: they are opened only where something was validated."""
        shown = validations(journal.events, attempts)
        status = self.snapshot.status
        noted = any(
            c.validation_loss is not None
            for c in (status.checkpoints if status is not None else ())
        )
        if not (shown or noted):
            return {}

        def look() -> dict[int, float]:
            from runner.history.validation import exact_validations

            return exact_validations(self.run.path, status)

        return self._try("validation losses", look, {}) or shown

    def _dataset(self, spec: RunSpec, flags: dict[str, Any]) -> DatasetFacts | None:
        return dataset_facts(spec, flags, Path(spec.cwd)) if self.with_dataset else None

    def _images(self, spec: RunSpec) -> tuple[int | None, int | None]:
        """(training, regularisation) image files, as the trainer's first attempt has found them."""
        from runner.ingest.console.parser import ConsoleParser
        from runner.model.events import StepShown, SubsetSeen

        found: dict[bool, dict[str, int]] = {False: {}, True: {}}
        vocabulary = program_of_run(spec).vocabulary
        parser, left = ConsoleParser(vocabulary=vocabulary), CONSOLE_HEAD_BYTES
        try:
            stream = self.run.console.open("rb")
        except OSError:
            return None, None
        with stream:
            while left > 0 and (block := stream.read(min(left, 1 << 16))):
                left -= len(block)
                for event in parser.feed(block):
                    if isinstance(event, StepShown) and event.shown_step:
                        left = 0
                        break
                    if isinstance(event, SubsetSeen) and event.is_reg is not None:
                        found[event.is_reg][event.image_dir] = event.images
        if not found[False]:
            return None, None
        return sum(found[False].values()), sum(found[True].values())


def _flags(spec: RunSpec, plans: tuple[AttemptPlan, ...]) -> dict[str, Any]:
    from runner.trainers.sd_scripts.config_file import effective_flags

    plan = plans[0] if plans else spec.first_plan
    return effective_flags(plan) if plan.command else {}


def _ranked(made: Review) -> tuple[Candidate, ...]:
    from runner.history.review.best import rank

    status = made.snapshot.status
    return rank(
        made.checkpoints,
        validation=made.validations,
        samples=made.samples.by_step if made.samples is not None else None,
        series=made.snapshot.loss,
        attempts=status.attempts if status is not None else (),
    )


def _difference(before: Path, after: Path) -> tuple[Any, ...]:
    from runner.history.run_settings import difference

    return difference(before, after)


def _with_losses(
    one: Checkpoint, loss: float | None, all_of: Sequence[Checkpoint], heard: dict[int, float]
) -> Checkpoint:
    """The status holds the newest validation before the file; what ranks it is the nearest one."""
    from runner.history.review.best import validation_near

    if one.replaced is not None:
        return one  # the loss at its step is that of a file that does not exist any more
    near = validation_near(one, all_of, heard)
    known = heard[near] if near is not None else None
    return replace(
        one,
        loss=one.loss if loss is None else loss,
        validation_loss=known if heard else one.validation_loss,
    )


def _steps_per_epoch(banner: dict[str, int], snapshot: RunSnapshot) -> int | None:
    """Optimizer steps: batches / accumulation, rounded up."""
    batches = banner.get("batches_per_epoch")
    if batches is None and snapshot.status is not None:
        batches = snapshot.status.batches_per_epoch
    if batches:
        return steps_per_epoch(batches, banner.get("accumulation"))
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    if forecast is not None and forecast.steps and forecast.epochs:
        return -(-forecast.steps // forecast.epochs)
    return None
