"""Reads files outside the run folder for a review: checkpoints, base model, dataset, other runs. Every
function may raise OSError and its helpers' errors: `gather` turns them into notes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from runner.files.header import Broken, metadata_of, read_header
from runner.history.review.model import BaseModel, DatasetFacts, SampleFacts
from runner.model import AttemptPlan, Checkpoint, RunSpec, Status
from runner.store.journal import readable
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints, take

LOOK_BACK = 300
LOOK_BACK_S = 1.0
DATASET_LIMIT_S = 4.0
PROMPTS, PROMPT_LENGTH, NAMES = 8, 300, 12
METADATA_LENGTH = 300
#: the part of a checkpoint's metadata needed to repeat a run
METADATA_KEYS = (
    "ss_session_id", "ss_training_started_at", "ss_training_finished_at", "ss_steps", "ss_epoch",
    "ss_sd_scripts_commit_hash", "ss_base_model_version", "ss_sd_model_name", "ss_sd_model_hash",
    "ss_new_sd_model_hash", "ss_vae_name", "ss_vae_hash", "ss_new_vae_hash", "ss_network_module",
    "ss_network_dim", "ss_network_alpha", "ss_seed", "ss_num_train_images", "ss_num_reg_images",
    "ss_num_validation_images", "ss_num_batches_per_epoch", "ss_optimizer", "ss_lr_scheduler",
    "ss_mixed_precision", "sshs_model_hash", "sshs_legacy_hash", "modelspec.architecture",
)  # fmt: skip


def sizes_now(checkpoints: Sequence[Checkpoint], cwd: str) -> dict[str, int | None]:
    """Current size of each file; None: missing."""
    found: dict[str, int | None] = {}
    for one in checkpoints:
        try:
            found[one.path] = (Path(cwd) / one.path).stat().st_size
        except (OSError, ValueError):  # ValueError: a name that no file can have
            found[one.path] = None
    return found


def metadata_in(checkpoints: Sequence[Checkpoint], cwd: str) -> tuple[str | None, dict[str, str]]:
    """(name, metadata) of the newest complete safetensors file, from its header only."""
    there = (c for c in checkpoints if not (c.removed or c.missing or c.complete is False))
    for one in sorted(there, key=lambda c: (c.step or 0, c.final), reverse=True):
        if not one.name.endswith(".safetensors"):
            continue
        try:
            told = metadata_of(read_header(Path(cwd) / one.path)[0])
        except (OSError, Broken):
            continue
        kept = {key: told.get(key, "")[:METADATA_LENGTH] for key in METADATA_KEYS}
        return one.name, {key: value for key, value in kept.items() if value not in ("", "None")}
    return None, {}


def base_model(flags: Mapping[str, Any], cwd: Path) -> BaseModel | None:
    named = flags.get("pretrained_model_name_or_path")
    if not isinstance(named, str) or not named:
        return None
    path = cwd / named
    try:
        found = path.stat()
    except OSError:
        return BaseModel(named)
    size = found.st_size if path.is_file() else None
    return BaseModel(named, str(path), size, found.st_mtime)


def dataset_facts(spec: RunSpec, flags: Mapping[str, Any], cwd: Path) -> DatasetFacts:
    """The dataset now compared to its fingerprint at the start."""
    then = dict(spec.fingerprints)
    if "dataset" not in then:
        return DatasetFacts(then, why="no fingerprint was taken at the start")
    if "dataset_cut" in then:
        most = int(then.get("dataset_images", "0"))
        taken = take(flags, cwd, limit_s=DATASET_LIMIT_S, most_images=most)
        if taken.cut:
            return DatasetFacts(then, why="reading it took too long")
        return DatasetFacts(then, {"dataset": taken.digest}, taken.digest == then["dataset"])
    now = dataset_fingerprints(flags, cwd, limit_s=DATASET_LIMIT_S)
    if "dataset_cut" in now:
        return DatasetFacts(then, why="reading all of it took too long")
    if "dataset" not in now:
        return DatasetFacts(then, now, why="it can no longer be read")
    return DatasetFacts(then, now, now["dataset"] == then["dataset"])


def sample_facts(path: Path) -> SampleFacts:
    from runner.history.samples import find_samples, prompts_of

    found = find_samples(path)
    if not found:
        return SampleFacts()
    steps = [one.step for one in found if one.step is not None]
    return SampleFacts(
        count=len(found),
        folders=tuple(dict.fromkeys(str(PurePath(one.path).parent) for one in found)),
        steps=tuple(sorted(set(steps))),
        unplaced=len(found) - len(steps),
        prompts=tuple(text[:PROMPT_LENGTH] for text in prompts_of(path)[:PROMPTS]),
        size_bytes=sum(one.size_bytes for one in found),
        by_step={one.step: one.path for one in reversed(found) if one.step is not None},
        names=tuple((one.step, PurePath(one.path).name) for one in found[-NAMES:]),
    )


def run_before(path: Path, spec: RunSpec) -> Path | None:
    """The newest earlier run of the same project that has ended, smoke tests left out."""
    deadline = time.monotonic() + LOOK_BACK_S
    earlier = sorted((p for p in path.parent.iterdir() if p.name < path.name), reverse=True)
    for run in map(RunDir, earlier[:LOOK_BACK]):
        if time.monotonic() > deadline:
            return None
        other = readable(run.spec, RunSpec)
        if other is None or other.smoke or project_of(other) != project_of(spec):
            continue
        status = readable(run.status, Status)
        if status is not None and status.outcome is not None:
            return run.path
    return None


def project_of(spec: RunSpec) -> str:
    """The folder of plasma.toml, else of the output."""
    if spec.config_path:
        return str(PurePath(spec.config_path).parent)
    return str(PurePath(spec.output_dir).parent) if spec.output_dir else ""


def plans_of(run: RunDir) -> tuple[AttemptPlan, ...]:
    """All readable ones, in order, up to the first unreadable one."""
    found: list[AttemptPlan] = []
    while (plan := readable(run.attempt(len(found) + 1), AttemptPlan)) is not None:
        found.append(plan)
    return tuple(found)
