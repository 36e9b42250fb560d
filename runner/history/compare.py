"""Several runs side by side: their results, the settings that differ, and remarks. Pure.

`runner.history.comparing` reads the runs; `runner.history.compare_lines` puts their losses on one axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING

from runner.config.flags import whole
from runner.history.compare_lines import seconds_trained
from runner.history.compare_results import NOT_KNOWN, Figures, candidates_of, figures_of
from runner.history.report import steps_per_epoch_of
from runner.history.run_settings import (
    ALWAYS_DIFFERENT,
    UNKNOWN_SINCE,
    in_order,
    is_known,
    same_setting,
)
from runner.model import OVER, LossBucket, Outcome, RunSnapshot, RunState
from runner.model.units import UNKNOWN, some

if TYPE_CHECKING:
    from runner.history.review.best import Candidate

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LEAST, MOST = 2, len(LETTERS)

#: settings that change the meaning of a loss value; sd-scripts' own names
LOSS_SCALE = frozenset(
    """script pretrained_model_name_or_path v2 v_parameterization zero_terminal_snr loss_type huber_c
    huber_schedule huber_scale min_snr_gamma scale_v_pred_loss_like_noise_pred v_pred_like_loss
    debiased_estimation_loss noise_offset adaptive_noise_scale multires_noise_iterations
    multires_noise_discount ip_noise_gamma prior_loss_weight masked_loss alpha_mask min_timestep max_timestep
    timestep_sampling weighting_scheme discrete_flow_shift sigmoid_scale resolution
    dataset.resolution data.fingerprint""".split()  # noqa: SIM905 (the names are read as words)
)


#: settings that decide which images are validated
VALIDATED = frozenset(("validation_split", "validation_seed", "max_validation_steps"))


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """`letter`: its label in charts and tables; `name` unmodified, not cleaned. `seconds`: trained at the end
    of each bucket of the loss, None if not recorded; `images_per_step`: of all processes; `problem`: why data
    is missing, one sentence."""

    letter: str
    id: str
    path: str
    name: str
    state: RunState
    outcome: Outcome | None
    results: Figures
    buckets: tuple[LossBucket, ...] = ()
    seconds: tuple[float | None, ...] = ()
    exact: bool = False
    steps_per_epoch: float | None = None
    images_per_step: int | None = None
    origin: str = ""
    problem: str | None = None
    #: of a live run: steps and time expected at its end
    planned_steps: int | None = None
    planned_s: float | None = None
    #: of an ended run: its best checkpoint, as its review ranks them
    leader: Candidate | None = None

    @property
    def live(self) -> bool:
        return self.state not in OVER


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of all runs, in their order; None: not set, or unknown according to `known`."""

    name: str
    values: tuple[str | None, ...]
    differs: bool
    known: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`remarks`: caveats for reading the comparison, a sentence each. `ranking`: (index of a run, its best
    checkpoint with the place among all), best first: ended runs whose losses are comparable. `group`: whose
    runs they are, ""."""

    runs: tuple[ComparedRun, ...] = ()
    settings: tuple[SettingRow, ...] = ()
    remarks: tuple[str, ...] = ()
    read_fraction: float = 1.0
    ranking: tuple[tuple[int, Candidate], ...] = ()
    group: str = ""

    @property
    def best(self) -> int | None:
        """Index of the best run; None: none is ranked, or several are and all within the noise."""
        places = [one.place for _, one in self.ranking]
        return self.ranking[0][0] if len(places) == 1 or len(set(places)) > 1 else None

    @property
    def differing(self) -> tuple[SettingRow, ...]:
        return tuple(row for row in self.settings if row.differs)

    @property
    def changes_of_loss(self) -> tuple[str, ...]:
        """Names of differing settings that make losses incomparable."""
        return tuple(row.name for row in self.differing if _changes_loss(row.name))

    @property
    def same_loss(self) -> bool:
        """Are the losses comparable?"""
        return not self.changes_of_loss and len({r.exact for r in self.runs if r.buckets}) < 2

    @property
    def same_validation(self) -> bool:
        """Were the same images validated, by the settings?"""
        return not any(row.name.rpartition(".")[2] in VALIDATED for row in self.differing)

    @property
    def same_work(self) -> bool:
        """Is a step the same amount of work in all runs, as far as known?"""
        return len({run.images_per_step for run in self.runs}) < 2


def refuse_number(count: int) -> None:
    """Raises ValueError with a sentence for a number of runs that cannot be compared."""
    if count < LEAST:
        raise ValueError("a comparison needs at least two runs")
    if count > MOST:
        raise ValueError(too_many(count))


def too_many(count: int) -> str:
    return f"{count} runs are too many: compare at most {MOST}"


def compared_run(
    letter: str,
    snapshot: RunSnapshot,
    settings: Mapping[str, str],
    name: str | None = None,
    candidates: Sequence[Candidate] | None = None,
    validations: Mapping[int, float] | None = None,
) -> ComparedRun:
    """`name`: the run's label; None: its own name. `candidates`, `validations`: see `figures_of`."""
    spec, series = snapshot.spec, snapshot.loss
    attempts = snapshot.status.attempts if snapshot.status is not None else ()
    begins = [one.first_step for one in attempts[1:] if one.first_step is not None]
    seconds = seconds_trained(series.buckets, begins)
    planned = _planned(snapshot, seconds)
    if candidates is None:
        candidates = candidates_of(snapshot)
    ended = snapshot.state is RunState.ENDED
    return ComparedRun(
        letter=letter,
        id=snapshot.id,
        path=snapshot.path,
        name=name or (spec.name if spec is not None else snapshot.id),
        state=snapshot.state,
        outcome=snapshot.outcome,
        results=figures_of(snapshot, candidates, validations),
        buckets=series.buckets,
        seconds=seconds,
        exact=series.exact,
        steps_per_epoch=steps_per_epoch_of(snapshot),
        images_per_step=_images_per_step(settings),
        origin=spec.origin if spec is not None else "",
        problem=snapshot.problems[0] if snapshot.problems else None,
        planned_steps=planned[0],
        planned_s=planned[1],
        leader=next(iter(candidates), None) if ended else None,
    )


def _planned(
    snapshot: RunSnapshot, seconds: Sequence[float | None]
) -> tuple[int | None, float | None]:
    """(None, None) for an ended run."""
    status, last = snapshot.status, snapshot.loss.last_step
    if snapshot.state in OVER or status is None or status.total_steps is None or not last:
        return None, None
    total = max(status.total_steps, last)
    now = next((one for one in reversed(seconds) if one is not None), None)
    return total, now / last * total if now is not None else None


def _images_per_step(settings: Mapping[str, str]) -> int | None:
    """None if the batch size is unknown or differs between datasets."""
    sizes = {value for name, value in settings.items() if name.endswith(".batch_size")}
    if any(name == "dataset" for name in settings) or len(sizes) > 1 or not settings:
        return None
    text = next(iter(sizes), settings.get("train_batch_size", "1"))
    flags, counted = (
        {**settings, "batch": text},
        ("gradient_accumulation_steps", "accelerate.num_processes"),
    )
    try:
        return math.prod(whole(flags, name) or 1 for name in ("batch", *counted))
    except ValueError:
        return None


def comparison(
    runs: Sequence[ComparedRun],
    settings: Sequence[Mapping[str, str]],
    read_fraction: float = 1.0,
    group: str = "",
) -> Comparison:
    """`settings`: of each run, as `runner.history.run_settings.settings_of` returns them."""
    from runner.history.review.best import rank_runs

    rows = tuple(_setting(name, settings) for name in in_order(*settings))
    made = Comparison(tuple(runs), rows, (), read_fraction, group=group)
    leaders = [None if run.outcome is Outcome.DIVERGED else run.leader for run in runs]
    alike = made.same_validation
    ranking = rank_runs(leaders, same_validation=alike) if made.same_loss else ()
    return replace(made, remarks=remarks_of(made), ranking=ranking)


def _setting(name: str, settings: Sequence[Mapping[str, str]]) -> SettingRow:
    values = tuple(table.get(name) for table in settings)
    known = tuple(is_known(name, table) for table in settings)
    told = [value for value, sure in zip(values, known, strict=True) if sure]
    differs = name not in ALWAYS_DIFFERENT and any(
        not same_setting(told[0], one) for one in told[1:]
    )
    return SettingRow(name, values, differs, known)


def remarks_of(made: Comparison) -> tuple[str, ...]:
    """Remarks beyond the numbers."""
    runs, found, changed = made.runs, [], made.changes_of_loss
    if changed:
        verb = "differs" if len(changed) == 1 else "differ"
        found.append(f"Losses are not comparable: {some(changed)} {verb}.")
    if len({run.images_per_step for run in runs} - {None}) > 1:
        told = ", ".join(f"{r.letter} {r.images_per_step or 'unknown'}" for r in runs)
        found.append(f"Equal steps are not equal work: images per step are {told}.")
    any_exact = any(run.exact for run in runs if run.buckets)
    dataset = next(
        (row.values for row in made.settings if row.name == "dataset"), (None,) * len(runs)
    )
    for what, of in (
        ("no loss is recorded", [not r.buckets and not r.live for r in runs]),
        (
            "only the console's running average is known, which moves less than exact losses",
            [any_exact and bool(r.buckets) and not r.exact for r in runs],
        ),
        (
            "its dataset file changed later, so its content is unknown",
            [value == UNKNOWN_SINCE for value in dataset],
        ),
        (
            "diverged, so it is not ranked",
            [r.outcome is Outcome.DIVERGED and r.leader is not None for r in runs],
        ),
        ("imported, so few facts are known", [bool(r.origin) for r in runs]),
    ):
        letters = ", ".join(run.letter for run in compress(runs, of))
        found += [f"{letters}: {what}."] if letters else []
    return (*found, *(f"{r.letter}: {r.problem}." for r in runs if r.problem))


def _changes_loss(name: str) -> bool:
    return name in LOSS_SCALE or (name.startswith("dataset.") and name.endswith(".image_dir"))


def setting_words(row: SettingRow) -> tuple[str, ...]:
    """The values of one setting: distinguishes not set from unknown."""
    return tuple(
        value if value is not None else NOT_KNOWN if sure else UNKNOWN
        for value, sure in zip(row.values, row.known, strict=True)
    )
