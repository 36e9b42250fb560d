"""The price of stopping, and the questions before a stop or a removal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.model import RunSnapshot, RunState
from runner.model.lean import dataclass
from runner.model.units import count, duration, file_size, some
from tui.text import capital, clean, crop
from tui.words.clauses import sentence
from tui.words.progress import Progress, expected_checkpoints, is_final, next_expected, progress_of

if TYPE_CHECKING:
    from runner.control.remove import Removal


# ---------------------------------------------------------------------------
# What stopping would cost, and which ways of stopping there are.

#: who ordered a stop, if not a person
GUARD, CLUSTER = "guard", "Slurm"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to stop. `mode` is runner.control.orders's word; `typed`: the run's name must be typed."""

    mode: str
    label: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Facts first, then the choices; changing nothing is always the default. `changes`: settings that will
    differ, as (name, before and after); `command`: what will run."""

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
        return f"{verb} nothing: no step trained yet"
    cost = progress.stop_cost
    took = f" ({duration(cost.seconds)})" if cost.seconds is not None else ""
    lost = f"{count(cost.steps, 'step')}{took}"
    if not cost.kept_step:
        every = "all " if cost.steps > 1 else ""
        return f"{verb} {every}{lost}{'' if brief else ': nothing saved yet'}"
    since = "" if brief else f" since step {cost.kept_step}"
    lost = lost if cost.steps else "nothing"
    if not cost.with_state:
        return f"{verb} {lost}{since}; resume from weights only"
    return f"{verb} {lost}{since if cost.steps else ''}"


def stop_question(snapshot: RunSnapshot, name: str) -> Question:
    """The dialogue for the key `stop`."""
    if snapshot.state is RunState.QUEUED:
        facts = ("It has not been started: no file of a training exists.",)
        choice = Choice("default", "Remove it from the queue")
        return Question(f"Remove {name} from the queue?", facts, (choice,))
    progress = progress_of(snapshot)
    lines = [_where(progress), sentence(price_of_stopping(progress))]
    status = snapshot.status
    if status is not None and status.saving_since is not None:
        lines.append("A checkpoint is being written now; the stop waits until it is complete.")
    choices: list[Choice] = []
    if snapshot.state is RunState.STOPPING:
        lines.append("A stop is already in progress.")
    else:
        if status is not None and status.stop_after_save:
            who = "The guard requested a stop" if status.stop_by == GUARD else "A stop"
            ordered = "" if status.stop_by == GUARD else " is already requested"
            lines.append(f"{who} after {next_save(snapshot, progress)}{ordered}.")
            choices.append(Choice("cancel", "Keep training (cancel the stop)"))
        else:
            choices += _after_save(snapshot, progress, lines)
        choices.append(Choice("default", "Stop now"))
    choices.append(Choice("now", "Kill it without waiting", typed=True))
    return Question(f"Stop {name}?", tuple(lines), tuple(choices))


def next_save(snapshot: RunSnapshot, progress: Progress) -> str:
    """`the save at step 600`, as far as it is known."""
    coming = next_expected(snapshot, progress)
    return f"the save at step {coming.step}" if coming is not None else "the next save"


def _after_save(snapshot: RunSnapshot, progress: Progress, facts: list[str]) -> list[Choice]:
    """The choice to wait for a save, with what is saved; none if there is no further save."""
    coming = next_expected(snapshot, progress)
    if coming is None and _saves_are_known(snapshot):
        facts.append("No more saves before the end.")
        return []
    if coming is not None and states_are_saved(snapshot):
        facts.append(f"The save at step {coming.step} includes a state to resume from.")
    elif not states_are_saved(snapshot):
        facts.append("No state is being saved: only the checkpoint is kept.")
    wait = progress.seconds_until(coming.step) if coming is not None else None
    when = f", in {duration(wait)}" if wait is not None else ""
    return [Choice("after_save", f"Stop after {next_save(snapshot, progress)}{when}")]


def _saves_are_known(snapshot: RunSnapshot) -> bool:
    planned = snapshot.plan is not None and bool(snapshot.plan.expected)
    return planned or (snapshot.spec is not None and snapshot.spec.forecast is not None)


def states_are_saved(snapshot: RunSnapshot) -> bool:
    """Do saves before the end include a training state?"""
    written = snapshot.status.checkpoints if snapshot.status is not None else ()
    coming = (one for one in expected_checkpoints(snapshot) if not is_final(snapshot, one))
    return any(one.state_name for one in coming) or any(c.state_path for c in written)


def _where(progress: Progress) -> str:
    total = f" of {progress.total_steps}" if progress.total_steps else ""
    return f"The training is at step {progress.step}{total}."


# ---------------------------------------------------------------------------
# Before runs are removed.

REMOVE, WITH_CHECKPOINTS = "remove", "with checkpoints"
#: sentences of one kind that are listed
MOST = 4


def remove_question(removals: Sequence[Removal]) -> Question:
    """Facts: what is removed, what is kept. A refused run is left out and says why; if all are refused there
    is nothing to choose. Losing checkpoints must be confirmed by typing."""
    can = [one for one in removals if one.refusal is None]
    refused = [one for one in removals if one.refusal is not None]
    facts: list[str] = []
    if len(can) == 1:
        facts += [clean(text, 400) for text in can[0].goes]
        facts += [f"Kept: {_lowered(clean(text, 400))}" for text in can[0].stays[:MOST]]
    elif can:
        names = some([crop(clean(one.name, 80), 40) for one in can], MOST)
        files, size = sum(one.files for one in can), sum(one.size_bytes for one in can)
        facts.append(f"{names}.")
        facts.append(f"Their run folders are removed: {count(files, 'file')}, {file_size(size)}.")
        stays = dict.fromkeys(clean(text, 400) for one in can for text in one.stays)
        facts += [f"Kept: {_lowered(text)}" for text in list(stays)[:MOST]]
    warnings = [_refusal(one, alone=len(removals) == 1) for one in refused[:MOST]]
    lost = [clean(path, 300) for one in can for path in one.lost]
    if lost:
        warnings.append(f"{_these(lost, 'checkpoint')} in it would be lost: {some(lost, MOST)}.")
    return Question(_title(can or removals), tuple(facts), _choices(can, lost), tuple(warnings))


def typed_word(removals: Sequence[Removal]) -> str:
    """What must be typed where checkpoints would be lost: something a keyboard can write."""
    name = removals[0].name if len(removals) == 1 else ""
    plain = name.isascii() and name.isprintable() and 0 < len(name.strip()) <= 40
    return name.strip() if plain else "remove"


def _choices(can: Sequence[Removal], lost: Sequence[str]) -> tuple[Choice, ...]:
    if not can:
        return ()
    what = "the run" if len(can) == 1 else f"these {len(can)} runs"
    if lost:
        label = f"Remove {what} and {_these(lost, 'checkpoint')}"
        return (Choice(WITH_CHECKPOINTS, label, typed=True),)
    return (Choice(REMOVE, f"Remove {what}"),)


def _title(removals: Sequence[Removal]) -> str:
    if len(removals) == 1:
        return f"Remove {crop(clean(removals[0].name, 200), 44)}?"
    return f"Remove {count(len(removals), 'run')}?"


def _refusal(one: Removal, *, alone: bool) -> str:
    said = capital(clean(one.refusal, 400))
    return said if alone else f"{crop(clean(one.name, 80), 40)} is skipped. {said}"


def _these(items: Sequence[str], noun: str) -> str:
    return count(len(items), noun)


def _lowered(text: str) -> str:
    """A sentence after a colon; names and paths keep their first letter."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
