"""What stopping would cost, and which ways of stopping there are."""

from __future__ import annotations

from runner.model import RunSnapshot, RunState
from runner.model.lean import dataclass
from runner.model.units import count, duration
from tui.viewmodel.clauses import sentence
from tui.viewmodel.expected import expected_checkpoints, is_final, next_expected
from tui.viewmodel.progress import Progress, progress_of

#: who ordered a stop, if not a person
GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to stop. `mode` is runner.control.orders's word; `typed`: the run's name must be typed."""

    mode: str
    label: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What the person is asked: facts first, then the choices; staying is always the default.
    `changes`: settings that will differ, as (name, what becomes of it); `command`: what will run."""

    title: str
    facts: tuple[str, ...]
    choices: tuple[Choice, ...]
    warnings: tuple[str, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    command: str = ""


def price_of_stopping(
    progress: Progress, brief: bool = False, verb: str = "stopping now loses"
) -> str:
    """One clause: what is lost if the training stops at this step. `brief`: without since when."""
    if progress.step <= 0:
        return f"{verb} nothing: no step is trained yet"
    cost = progress.stop_cost
    took = f" ({duration(cost.seconds)})" if cost.seconds is not None else ""
    lost = f"{count(cost.steps, 'step')}{took}"
    if not cost.kept_step:
        return f"{verb} {lost}: nothing is saved yet"
    since = "" if brief else f" since step {cost.kept_step}"
    lost = lost if cost.steps else "nothing"
    if not cost.with_state:
        return f"{verb} {lost}{since}, kept without a state"
    return f"{verb} {lost}{since if cost.steps else ''}"


def stop_question(snapshot: RunSnapshot, name: str) -> Question:
    """The dialogue for the key `stop`."""
    progress = progress_of(snapshot)
    facts = [_where(progress), sentence(price_of_stopping(progress))]
    status = snapshot.status
    if status is not None and status.saving_since is not None:
        facts.append("A checkpoint is being written now; the stop waits until it is whole.")
    choices: list[Choice] = []
    if snapshot.state is RunState.STOPPING:
        facts.append("A stop is already under way.")
    else:
        if status is not None and status.stop_after_save:
            who = "The guard has ordered a stop" if status.stop_by == GUARD else "A stop"
            ordered = "" if status.stop_by == GUARD else " is already ordered"
            facts.append(f"{who} after {next_save(snapshot, progress)}{ordered}.")
            choices.append(Choice("cancel", "Train on: take the ordered stop back"))
        else:
            choices += _after_save(snapshot, progress, facts)
        choices.append(Choice("default", "Stop now"))
    choices.append(Choice("now", "Kill it without waiting", typed=True))
    return Question(f"Stop {name}?", tuple(facts), tuple(choices))


def next_save(snapshot: RunSnapshot, progress: Progress) -> str:
    """`the save at step 600`, as far as it is known."""
    coming = next_expected(snapshot, progress)
    return f"the save at step {coming.step}" if coming is not None else "the next save"


def _after_save(snapshot: RunSnapshot, progress: Progress, facts: list[str]) -> list[Choice]:
    """The choice to wait for a save, with what that save is worth; none where none comes any more."""
    coming = next_expected(snapshot, progress)
    if coming is None and _saves_are_known(snapshot):
        facts.append("No save comes any more before the end.")
        return []
    if coming is not None and states_are_saved(snapshot):
        facts.append(f"The save at step {coming.step} brings checkpoint and state.")
    elif not states_are_saved(snapshot):
        facts.append("No state is being saved: the checkpoint alone is kept.")
    wait = progress.seconds_until(coming.step) if coming is not None else None
    when = f", in {duration(wait)}" if wait is not None else ""
    return [Choice("after_save", f"Stop after {next_save(snapshot, progress)}{when}")]


def _saves_are_known(snapshot: RunSnapshot) -> bool:
    planned = snapshot.plan is not None and bool(snapshot.plan.expected)
    return planned or (snapshot.spec is not None and snapshot.spec.forecast is not None)


def states_are_saved(snapshot: RunSnapshot) -> bool:
    """Do saves on the way come with a training state? (A state at the end alone does not count.)"""
    written = snapshot.status.checkpoints if snapshot.status is not None else ()
    coming = (one for one in expected_checkpoints(snapshot) if not is_final(snapshot, one))
    return any(one.state_name for one in coming) or any(c.state_path for c in written)


def _where(progress: Progress) -> str:
    total = f" of {progress.total_steps}" if progress.total_steps else ""
    return f"The training is at step {progress.step}{total}."
