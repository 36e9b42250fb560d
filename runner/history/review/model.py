"""Everything a review knows of a run, as frozen types. No I/O. Steps are true steps, times Unix seconds, `_s`
seconds, `_bytes` bytes; None is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.history.review.attempts import AttemptReview
from runner.history.review.best import Candidate
from runner.history.review.epochs import CurvePoint, EpochRow
from runner.model import OVER, AttemptPlan, Checkpoint, Expectation, RunSnapshot
from runner.model.preview import FlagChange
from runner.state.lineage import current
from runner.state.losses import LossFacts

#: version of the summary's format, docs/summary.md: a new key raises the second number, a removed or changed
#: key the first
SUMMARY_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline. `weight`: 0 is dropped first if there are too many."""

    at: float
    attempt: int
    text: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """Sample images by their count; `steps` are those with samples; `unplaced`: their step is unknown."""

    count: int = 0
    folders: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    unplaced: int = 0
    prompts: tuple[str, ...] = ()
    size_bytes: int = 0
    #: path of the first image of each step
    by_step: dict[int, str] = field(default_factory=dict)
    #: (step, file name), the newest last
    names: tuple[tuple[int | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The base model's file as it is now."""

    name: str
    path: str | None = None
    size_bytes: int | None = None
    modified_at: float | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """`then`: RunSpec.fingerprints; `now`: the same for the current files, empty if unknown. `same`: None:
    unknown, `why` says why."""

    then: dict[str, str] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)
    same: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """`checkpoints`: as in the status, with the smoothed loss at their steps; `sizes_now`: bytes by path,
    None: missing; `due`: names of expected files; `banner`: the plan that the trainer printed; `images`:
    files that it found; `warnings`: (text, how often); `metadata`: of the `metadata_of` file; `secrets`:
    never shown; `notes`: what could not be read."""

    snapshot: RunSnapshot
    losses: LossFacts = field(default_factory=LossFacts)
    epochs: tuple[EpochRow, ...] = ()
    #: validation loss by true step, of valid steps
    validations: dict[int, float] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    steps_per_epoch: int | None = None
    attempts: tuple[AttemptReview, ...] = ()
    plans: tuple[AttemptPlan, ...] = ()
    due: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    sizes_now: dict[str, int | None] = field(default_factory=dict)
    banner: dict[str, int] = field(default_factory=dict)
    images: int | None = None
    reg_images: int | None = None
    candidates: tuple[Candidate, ...] = ()
    samples: SampleFacts | None = None
    timeline: tuple[Moment, ...] = ()
    warnings: tuple[tuple[str, int], ...] = ()
    before: str | None = None
    changes: tuple[FlagChange, ...] = ()
    base: BaseModel | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    metadata_of: str | None = None
    dataset: DatasetFacts | None = None
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def living(self) -> bool:
        return self.snapshot.state not in OVER

    @property
    def expect(self) -> Expectation:
        return self.snapshot.spec.expect if self.snapshot.spec is not None else Expectation()

    @property
    def imported(self) -> bool:
        """Imported from files: no journal and no console."""
        spec = self.snapshot.spec
        return spec is not None and spec.origin == "imported"

    @property
    def counted(self) -> tuple[Checkpoint, ...]:
        """Without steps that a later attempt trained again."""
        status = self.snapshot.status
        return current(self.checkpoints, status.attempts if status is not None else ())

    @property
    def kept(self) -> tuple[Checkpoint, ...]:
        return tuple(c for c in self.checkpoints if not (c.removed or c.missing))

    def never_seen(self, one: Checkpoint) -> bool:
        """A logged file that did not exist at import: it may be on another machine."""
        spec = self.snapshot.spec
        return spec is not None and bool(spec.origin) and one.size_bytes is None
