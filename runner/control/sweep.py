"""A sweep: one plasma.toml, several values of some settings, a queued run for every combination.

Begin with `plan_sweep`, which creates nothing and refuses everything that is wrong with any combination;
`checked` runs the preflight checks, `carry_out` creates the runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from runner.config.errors import ConfigError
from runner.config.hiding import shown_value
from runner.config.model import Config
from runner.config.reading import read_settings
from runner.control.begin import checks, forecast_of, prepare, target_of
from runner.control.changes import ACCELERATE, ENV, changed_config, read_changes
from runner.control.gate import forced, gate_status
from runner.control.launch import discard, start_run
from runner.control.orders import Refused
from runner.control.queueing import QueueRequest, refuse_bad_slots
from runner.control.submit import submit_many
from runner.control.sweep_dataset import overridden, refuse_keys
from runner.control.sweep_existing import NOTHING, Found, differing, find
from runner.control.sweep_plan import Combination, combinations, named, read_sweep
from runner.model import Approval, CheckResult, Forecast
from runner.model.preview import Existing
from runner.model.units import file_size
from runner.preflight.checks.output import free_bytes
from runner.preflight.existing_files import NO_CONSENT, Consent
from runner.preflight.registry import in_order
from runner.store.registry import list_runs, live_targets
from runner.store.rundir import RunDir
from runner.trainers.registry import known_flags

T = TypeVar("T", int, float)

#: what a swept flag depends on: it changes nothing while one of these is set
_WITHOUT_EFFECT = {
    "learning_rate": ("unet_lr", "text_encoder_lr"),
    "max_train_steps": ("max_train_epochs",),
}


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """`name`: its output_name; `settings`: those that differ; `found`: what exists of it."""

    name: str
    settings: tuple[tuple[str, str], ...]
    config: Config
    forecast: Forecast
    found: Found = NOTHING

    @property
    def existing(self) -> tuple[Existing, ...]:
        """Files it would overwrite."""
        return self.found.files

    @property
    def run(self) -> str:
        """The ID of the run that writes or wrote them, "" for none."""
        return self.found.run

    @property
    def rival(self) -> str:
        """The same, of a live or queued one."""
        return self.found.run if self.found.live else ""

    @property
    def taken(self) -> bool:
        return bool(self.existing or self.rival)


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """`group`: the name of the new group; `warnings`: a sentence each; `approval`: of the settings that all
    runs share, None without a gate; `closed`: why the gate refuses them, "" if it doesn't."""

    group: str
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...] = ()
    approval: Approval | None = None
    closed: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the settings that differ."""
        return tuple(name for name, _ in self.runs[0].settings)


def total(values: Sequence[T | None]) -> T | None:
    """None if one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if len(known) == len(values) else None


def plan_sweep(
    config: Config,
    words: Sequence[str],
    base: Path,
    *,
    force: str | None = None,
    missing: bool = False,
) -> SweepPlan:
    """`words`: FLAG=VALUE,VALUE; relative paths in them start at `base`. `force`: a reason to go without an
    approved smoke test. `missing`: only runs that don't exist yet, in the group of the others. Raises
    ValueError, ConfigError: wrong use."""
    settings = read_sweep(words)
    refuse_keys(config, settings)
    found = combinations(settings)
    single = {one.name for one in settings if len(one.values) == 1}
    fixed = [word for word in found[0].words if word.partition("=")[0] in single]
    usual = _changed(config, fixed, base)
    approval, closed = _approval(usual, force)
    runs = tuple(_planned(config, usual, one, base) for one in found)
    exist = find([(one.config, one.forecast) for one in runs], live_targets())
    runs = tuple(replace(one, found=some) for one, some in zip(runs, exist, strict=True))
    steps = {one.forecast.steps for one in runs}
    warnings = list(_warnings(usual, runs))
    if config.expect.steps is not None and len(steps) > 1:
        warnings.append("[expect] steps is ignored: the runs train different numbers of steps")
        runs = tuple(replace(one, config=_without_steps(one.config)) for one in runs)
    group = ""
    if missing:
        _refuse_other_settings(runs)
        group, runs = _group_of(runs), tuple(one for one in runs if not one.taken)
        if not runs:
            raise ValueError(f"nothing is missing: all {len(found)} runs exist")
    group = group or _new_group(config.name)
    return SweepPlan(group, runs, tuple(warnings), approval, closed)


def _group_of(runs: Sequence[PlannedRun]) -> str:
    """Of those that exist; "" if they are of several groups, or of none."""
    ids = {one.run for one in runs}
    groups = {one.group for one in list_runs() if one.id in ids}
    return groups.pop() if len(groups) == 1 else ""


def _refuse_other_settings(runs: Sequence[PlannedRun]) -> None:
    """Raises ValueError: what exists under that name is another run."""
    other = [one for one in runs if one.found.differs]
    if other:
        first, more = other[0], f", and so do {len(other) - 1} more" if len(other) > 1 else ""
        raise ValueError(
            f"{first.name} exists with other settings, {differing(first.found)}: run {first.run}{more}; "
            "choose another output_name"
        )


def _changed(config: Config, words: Sequence[str], base: Path) -> Config:
    """Raises ConfigError, ValueError."""
    ours = [word for word in words if word.startswith((ENV, ACCELERATE))]
    train = [word for word in words if word not in ours]
    changes = read_changes(ours)
    if changes.accelerate and config.trainer.launcher != "accelerate":
        raise ValueError(
            f"{ACCELERATE}{next(iter(changes.accelerate))} changes nothing: this project starts its trainer "
            "without accelerate"
        )
    flags = read_settings(train, base, known_flags(config.trainer))
    return changed_config(config, replace(changes, train=flags))


def _planned(
    config: Config,
    usual: Config,
    one: Combination,
    base: Path,
) -> PlannedRun:
    """Raises ConfigError, ValueError: which combination is wrong, and why."""
    _, usual_name = target_of(usual)
    name = named(usual_name or config.name, one.suffix)
    try:
        changed = _changed(config, one.words, base)
    except ConfigError as error:
        raise ValueError(f"{name} is not valid: {error.problems[0].text}") from None
    changed = replace(changed.changed({"output_name": name}), name=named(config.name, one.suffix))
    return PlannedRun(name, one.settings, changed, forecast_of(changed))


def _without_steps(config: Config) -> Config:
    return replace(config, expect=replace(config.expect, steps=None))


def _approval(usual: Config, force: str | None) -> tuple[Approval | None, str]:
    """One smoke test counts for all runs: that of the settings they share. With why it is missing."""
    gate = gate_status(usual)
    if gate.open:
        return gate.approval, ""
    return (forced(gate.key, force), "") if force else (None, gate.text)


def _warnings(usual: Config, runs: Sequence[PlannedRun]) -> Iterator[str]:
    swept = [name for name, _ in runs[0].settings]
    for name, stronger in _WITHOUT_EFFECT.items():
        ruled = [one for one in stronger if one in usual.flags() and one not in swept]
        if name in swept and ruled:
            known = "replaces it" if len(ruled) == 1 else "replace it"
            yield f"{name} may change nothing: {' and '.join(ruled)} {known} in this plasma.toml"
    for name in overridden(usual, swept, [one.config for one in runs]):
        yield f"{name} changes nothing: the dataset config sets it"
    sizes = [size for one in runs if (size := one.forecast.size_bytes) is not None]
    folder, _ = target_of(runs[0].config)
    if folder is not None and sum(sizes) > (room := free_bytes(Path(folder))):
        who = "all runs together" if len(sizes) == len(runs) else "the runs whose size is known"
        yield (
            f"{who} write up to {file_size(sum(sizes))}, {file_size(room)} are free: a run that does not fit "
            "is held before its start"
        )


def _new_group(name: str) -> str:
    """`spyke-sweep-a1b2`, the name of no other group."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "runs"
    known = {one.group for one in list_runs()}
    while (found := f"{slug}-sweep-{os.urandom(2).hex()}") in known:
        pass
    return found


# ----------------------------------------------------------------- doing it


def checked(plan: SweepPlan) -> Iterator[tuple[PlannedRun, tuple[CheckResult, ...]]]:
    """The preflight checks of each run. Checks that take seconds run for the first one only; each run is
    checked completely right before it starts."""
    for number, one in enumerate(plan.runs):
        yield one, in_order(checks(one.config, slow=number == 0, waits=True))


def create(
    plan: SweepPlan,
    results: Mapping[str, tuple[CheckResult, ...]],
    *,
    force: str | None = None,
) -> Iterator[RunDir]:
    """Queue the runs, in order. `results`: of `checked`, by name. Raises Refused, WouldOverwrite: the runs
    before it are queued."""
    refuse_bad_slots()
    waiting: list[RunDir] = []  # Slurm is the queue: equal requests are one array
    try:
        yield from _created(plan, results, force, waiting)
    except Refused:
        yield from _submitted(waiting)
        raise
    except BaseException:  # Ctrl+C
        for run in waiting:
            discard(run)
        raise
    yield from _submitted(waiting)


def _created(
    plan: SweepPlan,
    results: Mapping[str, tuple[CheckResult, ...]],
    force: str | None,
    waiting: list[RunDir],
) -> Iterator[RunDir]:
    """`waiting`: gets the runs that have to be submitted."""
    consent = Consent(everything=True, reason=force) if force else NO_CONSENT
    for one in plan.runs:
        prepared = prepare(one.config, forecast=one.forecast)
        approval = _recorded(plan, one, prepared.spec.settings_key)
        spec = replace(prepared.spec, group=plan.group, approval=approval)
        local = spec.engine.is_local
        run = start_run(
            spec,
            prepared.plan,
            results.get(one.name, ()),
            channels=prepared.channels,
            consent=consent,
            submit=False,
            queue=QueueRequest(one.config, force=force is not None) if local else None,
        )
        if local:
            yield run
        else:
            waiting.append(run)


def _submitted(runs: Sequence[RunDir]) -> Iterator[RunDir]:
    """Raises Refused: why Slurm did not take one of them; nothing of those is left."""
    refused = ""
    for done in submit_many(runs) if runs else ():
        if done.refused:
            discard(done.run)
            refused = refused or done.problem
        else:
            yield done.run
    if refused:
        raise Refused(refused)


def _recorded(plan: SweepPlan, one: PlannedRun, key: str | None) -> Approval | None:
    """How far the approval covers this run."""
    given = plan.approval
    if given is None or given.smoke_run is None or given.settings_key == key:
        return given
    differs = ", ".join(f"{name}={shown_value(name, value)}" for name, value in one.settings)
    return replace(
        given, reason=f"for the settings that all runs of {plan.group} share; here {differs}"
    )
