"""What makes a resume impossible or uncertain: settings, data or a trainer that have changed since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.flags import launcher_flags, whole
from runner.control.orders import Refused
from runner.model import AttemptPlan, RunSpec, Status
from runner.preflight.header import DEFAULT_RANK, rank_in, read_model
from runner.trainers.checkout import changed_versions, trainer_versions
from runner.trainers.registry import program_of, recorded_trainer, trainer_of
from runner.trainers.sd_scripts.forecast import split_by_chance


def refuse_changed(
    before: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, ...], what: str
) -> None:
    """Raises Refused if one of these flags differs from what wrote the source."""
    for name in names:
        was, is_now = before.get(name), now.get(name)
        if _text(was) != _text(is_now):
            told = f"{name} was {_text(was) or 'not set'} and would be {_text(is_now) or 'not set'}"
            raise Refused(f"the {what} does not fit any more: {told}; start a new run with it")


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def refuse_other_rank(path: Path, flags: Mapping[str, Any]) -> None:
    """The weights themselves against network_dim. Raises Refused."""
    header = read_model(path)
    rank = rank_in(header) if header is not None else None
    if rank is None or flags.get("dim_from_weights"):
        return
    try:
        asked = whole(flags, "network_dim") or DEFAULT_RANK
    except ValueError:
        return
    if rank != asked and _plain_lora(flags):
        raise Refused(
            f"{path.name} holds rank {rank}, but network_dim is {asked}: resume with the rank it was "
            "trained with, or start a new run"
        )


def _plain_lora(flags: Mapping[str, Any]) -> bool:
    """Ranks of single layers may differ by network_args."""
    return str(flags.get("network_module", "")).startswith("networks.lora") and not flags.get(
        "network_args"
    )


def refuse_old_state(state: Path, versions: Mapping[str, str]) -> None:
    """accelerate below 0.26 wrote pytorch_model.bin; later ones look for model.safetensors alone."""
    old = (state / "pytorch_model.bin").is_file() and not (state / "model.safetensors").is_file()
    now = versions.get("accelerate")
    if old and now is not None and _number(now) >= (0, 26):
        raise Refused(
            f"{state.name} was written by an old accelerate (pytorch_model.bin), and accelerate {now} "
            "does not find it: resume with the version that wrote it"
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())


def dataset_notes(plan: AttemptPlan, flags: Mapping[str, Any], status: Status) -> tuple[str, ...]:
    """Counts the dataset as it is now. Raises Refused if an epoch has another length than it had."""
    had = status.batches_per_epoch
    if had is None:
        return ()
    try:
        trainer = recorded_trainer(plan.command, plan.cwd)
        question = program_of(trainer).question(trainer, flags, Path(plan.cwd))
        batches = math.ceil(question.plan()[1].batches_per_epoch / processes_of(plan))
    except (ValueError, OSError) as error:
        return (f"whether the dataset is the same could not be told: {error}",)
    if batches != had and split_by_chance(question):
        return (
            "without seed each start holds out other images for validation, so an epoch may have "
            "another length now, and whether the dataset is the same is unknown",
        )
    if batches != had:
        raise Refused(
            f"the dataset has changed: an epoch had {had} batches and has {batches} "
            "now, so every step would stand for something else; put it back, or start a new run"
        )
    return ()


def processes_of(plan: AttemptPlan) -> int:
    """How many the launcher was told to start."""
    try:
        return max(1, whole(launcher_flags(plan.command), "num_processes") or 1)
    except ValueError:
        return 1


def version_notes(spec: RunSpec) -> tuple[str, ...]:
    """What of the trainer has another version than at the start."""
    now = versions_of(spec)
    told = [
        f"{name} was {was[:12]} and is {is_now[:12]} now"
        for name, was, is_now in changed_versions(spec.versions, now)
    ]
    if not told:
        return ()
    return (f"The trainer has changed since: {', '.join(told)}; the state may not load.",)


def versions_of(spec: RunSpec) -> dict[str, str]:
    """Of the trainer as it lies there now."""
    trainer = trainer_of(spec)
    return trainer_versions(trainer.python, trainer.sd_scripts)
