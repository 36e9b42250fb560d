"""What makes a resume impossible or uncertain: changed settings, data or trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.flags import launcher_flags, whole
from runner.control.orders import Refused
from runner.control.resume_source import ResumeSource
from runner.model import AttemptPlan, RunSpec, Status
from runner.preflight.header import rank_in, read_model
from runner.trainers.checkout import changed_versions, trainer_versions
from runner.trainers.registry import program_of, program_of_run, recorded_trainer, trainer_of
from runner.trainers.sd_scripts.forecast import split_by_chance
from runner.trainers.sd_scripts.scripts import DEFAULT_RANK


def refuse_unfit(
    source: ResumeSource, before: Mapping[str, Any], now: Mapping[str, Any], spec: RunSpec
) -> None:
    """Raises Refused if the source cannot be loaded with the settings `now`; `before`: those that wrote
    it."""
    rules = program_of_run(spec).resume
    if source.state_path is None:
        what, bound, weights = "checkpoint", rules.weights, Path(source.checkpoint.path)
    else:
        state = Path(source.state_path)
        what, bound, weights = "state", rules.state, state / "model.safetensors"
    for name in bound:
        was, is_now = _text(before.get(name)), _text(now.get(name))
        if was != is_now:
            raise Refused(
                f"the {what} no longer matches: {name} was {was or 'not set'} and is now "
                f"{is_now or 'not set'}; start a new run for that"
            )
    _refuse_other_rank(weights, now)
    if source.state_path is not None:
        _refuse_old_state(state, versions_of(spec).get("accelerate"))


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _refuse_other_rank(path: Path, flags: Mapping[str, Any]) -> None:
    """The weights themselves against network_dim; ranks of single layers may differ by network_args."""
    plain = str(flags.get("network_module", "")).startswith("networks.lora")
    if not plain or flags.get("network_args") or flags.get("dim_from_weights"):
        return
    header = read_model(path)
    rank = rank_in(header) if header is not None else None
    asked = whole(flags, "network_dim") or DEFAULT_RANK
    if rank is not None and rank != asked:
        raise Refused(
            f"{path.name} has rank {rank}, but network_dim is {asked}: resume with the rank it was "
            "trained with, or start a new run"
        )


def _refuse_old_state(state: Path, accelerate: str | None) -> None:
    """accelerate below 0.26 wrote pytorch_model.bin; later ones only look for model.safetensors."""
    old = (state / "pytorch_model.bin").is_file() and not (state / "model.safetensors").is_file()
    parts = (accelerate or "0").split("+")[0].split(".")[:2]
    if old and tuple(int(part) for part in parts if part.isdecimal()) >= (0, 26):
        raise Refused(
            f"{state.name} was written by an old accelerate (pytorch_model.bin), and accelerate {accelerate} "
            "does not find it: resume with the version that wrote it"
        )


def dataset_notes(plan: AttemptPlan, flags: Mapping[str, Any], status: Status) -> tuple[str, ...]:
    """Counts the dataset now. Raises Refused if the length of an epoch changed."""
    had = status.batches_per_epoch
    if had is None:
        return ()
    try:
        trainer = recorded_trainer(plan.command, plan.cwd)
        question = program_of(trainer).question(trainer, flags, Path(plan.cwd))
        batches = math.ceil(question.plan()[1].batches_per_epoch / processes_of(plan))
    except (ValueError, OSError) as error:
        return (f"could not verify that the dataset is unchanged: {error}",)
    if batches != had and split_by_chance(question):
        return (
            "without a seed each start picks other validation images, so the epoch length may "
            "differ, and whether the dataset is unchanged is unknown",
        )
    if batches != had:
        raise Refused(
            f"the dataset has changed: an epoch had {had} batches and has {batches} "
            "now, so step numbers would no longer match; restore it, or start a new run"
        )
    return ()


def processes_of(plan: AttemptPlan) -> int:
    """How many the launcher was asked to start."""
    try:
        return max(1, whole(launcher_flags(plan.command), "num_processes") or 1)
    except ValueError:
        return 1


def version_notes(spec: RunSpec) -> tuple[str, ...]:
    """Parts of the trainer with another version than at the start."""
    now = versions_of(spec)
    told = [
        f"{name} was {was[:12]} and is {is_now[:12]} now"
        for name, was, is_now in changed_versions(spec.versions, now)
    ]
    if not told:
        return ()
    return (f"The trainer has changed since: {', '.join(told)}; the state may not load.",)


def versions_of(spec: RunSpec) -> dict[str, str]:
    """Of the trainer as it is now."""
    trainer = trainer_of(spec)
    return trainer_versions(trainer.python, trainer.sd_scripts)
