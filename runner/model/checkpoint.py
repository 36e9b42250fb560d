"""A checkpoint: planned, and as it was found."""

from __future__ import annotations

from runner.model.lean import dataclass

#: why a verified file no longer counts
MISSING, CHANGED = "missing, not deleted by the trainer", "changed since it was checked"


@dataclass(frozen=True, slots=True)
class ExpectedCheckpoint:
    """A file the training will write. `step` is the true step, `epoch` counts from 1.
    `removed_at_step`, `state_removed_at_step`: when save_last_n_* deletes it, None: it is kept."""

    name: str
    step: int
    epoch: int | None = None
    state_name: str | None = None
    removed_at_step: int | None = None
    state_removed_at_step: int | None = None


@dataclass(frozen=True, slots=True)
class BlockNorm:
    """Norms of the trained weights in one block of the network, over its `modules`. For a LoRA module it
    is the Frobenius norm of what it adds to the base weight, (alpha / rank) * up @ down: sd-scripts' own
    "key norm" (networks/lora.py, apply_max_norm_regularization); else of the module's tensors."""

    block: str
    mean: float
    largest: float
    modules: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint written by the trainer. None: unknown (yet). `loss`: smoothed at its step.

    `norm`, `norm_largest`: of all modules (see BlockNorm), `norm_change`: of `norm` compared to the previous
    checkpoint, as a share (0.05: five percent more). `remark`: a warning about the weights, a blow-up or a
    dead network. `removed_at_step`, `state_removed_at_step`: the true step at which save_last_n_* deletes it.
    `missing`: it does not exist, and the trainer did not delete it. `path`: always set except in status.json,
    where one in `checkpoint_folder` is left out."""

    name: str
    path: str = ""
    step: int | None = None
    epoch: int | None = None
    attempt: int = 0
    saved_at: float = 0.0
    size_bytes: int | None = None
    complete: bool | None = None
    finite: bool | None = None
    problem: str | None = None
    state_path: str | None = None
    state_complete: bool | None = None
    loss: float | None = None
    removed: bool = False
    final: bool = False
    validation_loss: float | None = None
    rank: int | None = None
    alpha: float | None = None
    norms: tuple[BlockNorm, ...] = ()
    norm: float | None = None
    norm_largest: float | None = None
    norm_change: float | None = None
    remark: str | None = None
    sample_path: str | None = None
    removed_at_step: int | None = None
    state_removed_at_step: int | None = None
    state_problem: str | None = None
    missing: bool = False
    #: identity of the verified file, see runner.store.identity; `state_mtime_ns`: newest file of its state
    inode: int | None = None
    mtime_ns: int | None = None
    header_sha256: str | None = None
    state_mtime_ns: int | None = None
    #: `replaced by run X`: another file has its name; `missing` is set too
    replaced: str | None = None
    #: set by a reader: it was complete and finite, but now it is missing, or cannot be checked, for example
    #: because its disk is not mounted; then `complete` and `finite` no longer claim it
    unseen: bool = False

    @property
    def was_good(self) -> bool:
        """Complete and finite when it was last seen."""
        return bool(self.complete and self.finite) or self.unseen
