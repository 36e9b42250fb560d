"""What stopping would cost, and which ways of stopping there are."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import RunSnapshot, RunState
from runner.units import count, duration
from tui.viewmodel.expected import next_expected
from tui.viewmodel.progress import Progress, progress_of


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to stop. `mode` is runner.control's word; `typed`: the run's name must be typed."""

    mode: str
    label: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What the person is asked: facts first, then the choices; staying is always the default."""

    title: str
    facts: tuple[str, ...]
    choices: tuple[Choice, ...]


def price_of_stopping(progress: Progress) -> str:
    """One clause: what is lost if the training stops at this step."""
    if progress.step <= 0:
        return "stopping now loses nothing: no step is trained yet"
    if progress.safe_step:
        lost = progress.lost_steps
        if lost == 0:
            return "stopping now loses nothing"
        return f"stopping now loses {_steps(lost, progress.lost_s)} since step {progress.safe_step}"
    if progress.kept_step:
        return (
            f"stopping now keeps the weights of step {progress.kept_step}, "
            "but no state to resume from"
        )
    return f"stopping now loses {_steps(progress.step, progress.lost_s)}: nothing is saved yet"


def _steps(number: int, seconds: float | None) -> str:
    took = f" ({duration(seconds)})" if seconds is not None else ""
    return f"{count(number, 'step')}{took}"


def stop_question(snapshot: RunSnapshot, name: str) -> Question:
    """The dialogue for the key `stop`."""
    progress = progress_of(snapshot)
    facts = [_where(progress), _sentence(price_of_stopping(progress))]
    status = snapshot.status
    if status is not None and status.saving_since is not None:
        facts.append("A checkpoint is being written now; the stop waits until it is whole.")
    choices: list[Choice] = []
    if snapshot.state is RunState.STOPPING:
        facts.append("A stop is already under way.")
    else:
        coming = next_expected(snapshot, progress)
        if status is not None and status.stop_after_save:
            facts.append("A stop after the next save is already ordered.")
            choices.append(Choice("cancel", "Train on: take the ordered stop back"))
        elif coming is not None:
            wait = progress.seconds_until(coming.step)
            when = f", in {duration(wait)}" if wait is not None else ""
            choices.append(Choice("after_save", f"Stop after the save at step {coming.step}{when}"))
        choices.append(Choice("default", "Stop now"))
    choices.append(Choice("now", "Kill it without waiting", typed=True))
    return Question(f"Stop {name}?", tuple(facts), tuple(choices))


def _where(progress: Progress) -> str:
    total = f" of {progress.total_steps}" if progress.total_steps else ""
    return f"The training is at step {progress.step}{total}."


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + "."
