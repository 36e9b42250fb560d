"""What is known of a checkpoint besides its own bytes: the previous one, retention, its sample image. Pure
except `sample_files`, which lists a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from runner.checkpoints.verify import Verification
from runner.checkpoints.weight_norms import change_of, remark_on
from runner.model import Checkpoint, Expectation, ExpectedCheckpoint
from runner.trainers.names import INCOMPLETE, KOHYA_NAMES, NAN

#: fields that a Verification and a Checkpoint share
_OF_THE_FILE = (
    "path", "size_bytes", "complete", "finite", "rank", "alpha", "norms", "norm", "norm_largest", "inode",
    "mtime_ns", "header_sha256",
)  # fmt: skip


def looked_at(one: Checkpoint, found: Verification, expect: Expectation) -> Checkpoint:
    """With everything found in the file itself."""
    known = {name: getattr(found, name) for name in _OF_THE_FILE}
    if found.modified_at is None:
        known["size_bytes"] = None
    else:
        known["saved_at"] = found.modified_at
    problem = found.problem or _size_problem(found, expect)
    return replace(one, problem=problem, missing=False, **known)


def file_alone(found: Verification) -> Checkpoint:
    """A file without a run; its step is taken from its name, if possible."""
    name = PurePath(found.path).name
    return looked_at(Checkpoint(name, step=KOHYA_NAMES.parse(name).step), found, Expectation())


def of_one_training(
    one: tuple[Checkpoint, Verification], other: tuple[Checkpoint, Verification]
) -> bool:
    """Can these two files be compared? Their names without the step, or the training's own name, and the
    modules they hold must be the same."""
    blocks = ([(b.block, b.modules) for b in c.norms] for c, _ in (one, other))
    if next(blocks) != next(blocks):
        return False
    names, bases = (
        {v.metadata.get("ss_output_name") or None for _, v in (one, other)},
        {KOHYA_NAMES.parse(c.name).base for c, _ in (one, other)},
    )
    return len(bases) == 1 or (len(names) == 1 and None not in names)


def _size_problem(found: Verification, expect: Expectation) -> str | None:
    """A complete file with a size outside [expect]."""
    if expect.checkpoint_mb is None or not found.complete:
        return None
    low, high = expect.checkpoint_mb
    size_mb = found.size_bytes / 1e6
    if low <= size_mb <= high:
        return None
    return f"complete, but {size_mb:.1f} MB: expected {low:g} to {high:g} MB"


def bad_mark(one: Checkpoint) -> str | None:
    """The mark in the name of a broken file; None: good, or not verified."""
    if one.complete is False:
        return INCOMPLETE
    return NAN if one.finite is False else None


def is_reference(other: Checkpoint, one: Checkpoint, base_step: int) -> bool:
    """Is `other` good, and of an earlier step of the same training? `base_step`: where the attempt started;
    what earlier attempts wrote beyond it was trained again."""
    if one.step is None or other.step is None or other.step >= one.step:
        return False
    good = other.complete and other.finite and other.norm is not None
    return bool(good) and (other.attempt == one.attempt or other.step <= base_step)


def compared(
    one: Checkpoint, found: Verification, others: Iterable[Checkpoint], base_step: int
) -> Checkpoint:
    """With its change and note compared to the newest good one of an earlier true step; norms of deleted
    files are kept. `base_step`: see `is_reference`."""
    good = [c for c in others if is_reference(c, one, base_step)]
    before = max(good, key=lambda c: (c.step or 0, c.attempt), default=None)
    change = change_of(one.norm, before.norm) if before is not None else None
    return replace(one, norm_change=change, remark=remark_on(one, found, before))


# --------------------------------------------------------------------------- when it is deleted


def with_fate(
    one: Checkpoint, expected: Mapping[str, ExpectedCheckpoint], *, placed: bool
) -> Checkpoint:
    """When save_last_n_* deletes it and its state. `expected`: by name. A file placed next to the
    others stays: the trainer only deletes files in its own folder."""
    plan = expected.get(one.name)
    if plan is None:
        return _removed_at(one, None, None)
    return _removed_at(one, None if placed else plan.removed_at_step, plan.state_removed_at_step)


def without_future(one: Checkpoint, last_step: int) -> Checkpoint:
    """The attempt has ended: files due for deletion stay."""
    steps = one.removed_at_step, one.state_removed_at_step
    return _removed_at(one, *(s if s is not None and s <= last_step else None for s in steps))


def _removed_at(one: Checkpoint, step: int | None, state_step: int | None) -> Checkpoint:
    if (step, state_step) == (one.removed_at_step, one.state_removed_at_step):
        return one
    return replace(one, removed_at_step=step, state_removed_at_step=state_step)


# --------------------------------------------------------------------------- its sample image


@dataclass(frozen=True, slots=True)
class SampleFile:
    """`number`: the step (the trainer's global_step), or with `is_epoch` the epoch."""

    path: str
    number: int
    is_epoch: bool
    prompt: int
    stamp: str


def sample_files(folder: Path, output_name: str | None, since: float) -> list[SampleFile]:
    """The images that this training drew. sd-scripts (train_util.py, sample_image_inference) names them
    `NAME_{e%06d|%06d}_{%02d}_{time}{_seed}.png`; files older than `since` (Unix time) are from an earlier
    training with that name. Raises OSError."""
    start = re.escape(f"{output_name}_") if output_name else ""
    pattern = re.compile(rf"^{start}(e?)(\d{{6,}})_(\d{{2,}})_(\d{{8,}})[^/]*\.png$")
    found = []
    for entry in os.scandir(folder):
        name = pattern.match(entry.name)
        if name is None:
            continue
        try:
            drawn = entry.stat().st_mtime >= since
        except FileNotFoundError:
            continue  # a dangling link, or deleted meanwhile
        if drawn:
            number, prompt = int(name[2]), int(name[3])
            found.append(SampleFile(entry.path, number, bool(name[1]), prompt, name[4]))
    return found


def samples_by_step(
    files: Iterable[SampleFile],
    of_step: Callable[[int], int | None],
    of_epoch: Callable[[int], int | None],
) -> dict[int, str]:
    """The path of one image by true step: of the first prompt, the newest."""
    best: dict[int, SampleFile] = {}
    for file in files:
        step = of_epoch(file.number) if file.is_epoch else of_step(file.number)
        if step is None:
            continue
        known = best.get(step)
        if known is None or (-file.prompt, file.stamp) > (-known.prompt, known.stamp):
            best[step] = file
    return {step: file.path for step, file in best.items()}
