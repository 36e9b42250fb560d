"""Will the disk hold what is still to be saved? Pure; None wherever a size is not known."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import Checkpoint, RunSnapshot
from runner.model.lean import dataclass
from tui.viewmodel.expected import expected_checkpoints


@dataclass(frozen=True, slots=True)
class Write:
    """What a step does to the disk: `added_bytes` first, then `freed_bytes` (sd-scripts saves the new file
    before it deletes the old one of save_last_n_*)."""

    step: int
    added_bytes: int = 0
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """`full_at_step`: the true step whose save does not fit any more, None: all fit. `need_bytes`: the most
    that is used beyond the present at any moment until the end."""

    full_at_step: int | None
    need_bytes: int


def disk_room(free_bytes: int, writes: Sequence[Write]) -> DiskRoom:
    """Plays the writes one after another against `free_bytes`."""
    used = need = 0
    full_at: int | None = None
    for write in sorted(writes, key=lambda one: one.step):
        used += write.added_bytes
        need = max(need, used)
        if used > free_bytes and full_at is None:
            full_at = write.step
        used -= write.freed_bytes
    return DiskRoom(full_at, need)


def writes_to_come(snapshot: RunSnapshot) -> tuple[Write, ...] | None:
    """The saves still to come with what they delete; None: their number or a size is not known."""
    coming = expected_checkpoints(snapshot)
    weights, state = _weights_bytes(snapshot), _state_bytes(snapshot)
    if not coming or weights is None:
        return None
    if state is None and any(one.state_name for one in coming):
        return None
    state = state or 0
    writes = [Write(one.step, weights + (state if one.state_name else 0)) for one in coming]
    for one in coming:
        if one.removed_at_step is not None:
            writes.append(Write(one.removed_at_step, freed_bytes=weights))
        if one.state_removed_at_step is not None and one.state_name:
            writes.append(Write(one.state_removed_at_step, freed_bytes=state))
    for file in _written(snapshot):
        writes += _freed(file, weights, state)
    return tuple(writes)


def room_of(snapshot: RunSnapshot, free_bytes: int | None) -> DiskRoom | None:
    """None: nothing can be said."""
    writes = writes_to_come(snapshot)
    return disk_room(free_bytes, writes) if writes and free_bytes is not None else None


def _freed(file: Checkpoint, weights: int, state: int) -> list[Write]:
    freed = []
    if file.removed_at_step is not None:
        freed.append(Write(file.removed_at_step, freed_bytes=file.size_bytes or weights))
    if file.state_removed_at_step is not None and file.state_path:
        freed.append(Write(file.state_removed_at_step, freed_bytes=state))
    return freed


def _written(snapshot: RunSnapshot) -> tuple[Checkpoint, ...]:
    """What is still there."""
    written = snapshot.status.checkpoints if snapshot.status is not None else ()
    return tuple(one for one in written if not one.removed and not one.missing)


def _weights_bytes(snapshot: RunSnapshot) -> int | None:
    """Of the newest whole file, else as forecast."""
    sizes = [one.size_bytes for one in _written(snapshot) if one.complete and one.size_bytes]
    if sizes:
        return sizes[-1]
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    return forecast.checkpoint_bytes if forecast is not None else None


def _state_bytes(snapshot: RunSnapshot) -> int | None:
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    return forecast.state_bytes if forecast is not None else None
