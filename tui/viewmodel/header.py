"""The header line: name, state, and the numbers of this moment."""

from __future__ import annotations

from runner.model import RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import duration, pace
from tui.text import clean
from tui.viewmodel.progress import is_live, progress_of
from tui.viewmodel.state import READY, UNREAD, UNUSABLE, StateLabel, state_label


@dataclass(frozen=True, slots=True)
class Field:
    """A part of the header: `text` in full, `short` where room is scarce."""

    text: str
    short: str
    role: str = "dim"


@dataclass(frozen=True, slots=True)
class Header:
    """`fields` stand in the order of their worth: the last one gives way first."""

    name: str
    state: StateLabel
    fields: tuple[Field, ...]
    fraction: float | None
    read_only: bool = False


def run_name(snapshot: RunSnapshot) -> str:
    """The name a person gave, else the run's id."""
    name = clean(snapshot.spec.name) if snapshot.spec is not None else ""
    return name or clean(snapshot.id) or "run"


def header_of(snapshot: RunSnapshot | None, read_only: bool = False) -> Header:
    if snapshot is None:
        return Header("", UNREAD, (), None, read_only)
    progress = progress_of(snapshot)
    fields: list[Field] = []
    if progress.step or progress.total_steps:
        total = progress.total_steps if progress.total_steps is not None else "?"
        fields.append(
            Field(f"step {progress.step}/{total}", f"{progress.step}/{total}", "strong"),
        )
    live = is_live(snapshot)
    if live and progress.step and progress.eta_s is not None:
        fields.append(Field(f"{duration(progress.eta_s)} left", duration(progress.eta_s), "strong"))
    if not live and progress.trained_s:
        fields.append(
            Field(f"trained {duration(progress.trained_s)}", duration(progress.trained_s))
        )
    if progress.epoch is not None:
        epochs = progress.epochs if progress.epochs is not None else "?"
        fields.append(Field(f"epoch {progress.epoch}/{epochs}", f"e{progress.epoch}/{epochs}"))
    if live and progress.seconds_per_step is not None:
        text = pace(progress.seconds_per_step)
        fields.append(Field(text, text))
    if live and progress.step:
        safe = f"step {progress.safe_step}" if progress.safe_step else "none yet"
        fields.append(
            Field(f"last safe point: {safe}", f"safe point {progress.safe_step or 'none'}")
        )
    device = snapshot.status.device if snapshot.status else None
    if device:
        fields.append(Field(f"on {clean(device, 20)}", clean(device, 20)))
    return Header(
        run_name(snapshot), state_label(snapshot), tuple(fields), progress.fraction, read_only
    )


def ready_header(name: str, steps: int | None, epochs: int | None, usable: bool = True) -> Header:
    """Before the start: what the configuration amounts to."""
    fields = []
    if steps is not None:
        fields.append(Field(f"{steps} steps", f"{steps} steps", "strong"))
    if epochs is not None:
        fields.append(Field(f"{epochs} epochs" if epochs != 1 else "1 epoch", f"e{epochs}"))
    state = READY if usable else UNUSABLE
    return Header(clean(name), state, tuple(fields), 0.0 if steps else None)
