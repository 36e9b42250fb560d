"""What a resume goes on from: the newest good training state, else the newest good checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.checkpoints.verify import state_complete, verify
from runner.control.orders import Refused
from runner.model import Checkpoint
from runner.store.identity import REPLACED, is_same, is_same_state
from runner.trainers.names import SUFFIXES


@dataclass(frozen=True, slots=True)
class Source:
    """`state_path` None: only the weights are there. `replayed_steps`: trained again because the trainer
    can only begin at the start of an epoch. `passed_over`: newer ones that are no good, and why."""

    checkpoint: Checkpoint
    step: int
    state_path: str | None
    replayed_steps: int = 0
    passed_over: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return Path(self.state_path).name if self.state_path else self.checkpoint.name


@dataclass(frozen=True, slots=True)
class Wish:
    """`skip`: the trainer can go on within an epoch; `epoch_steps`: of an epoch, None: not known;
    `bad_step`: the first loss that was not finite; `named`: a step, path or name that a person chose;
    `weights_only`: a state would bring back what is to be changed; `last_step`: of the plan, after which
    nothing is left to train; None: not known."""

    skip: bool = True
    epoch_steps: int | None = None
    bad_step: int | None = None
    named: str | None = None
    weights_only: bool = False
    last_step: int | None = None


def choose(checkpoints: Sequence[Checkpoint], wish: Wish) -> Source:
    """Raises Refused with what is missing."""
    found = [c for c in checkpoints if c.step is not None]
    if wish.named is not None:
        found = _named(found, wish.named)
    passed: list[str] = []
    states = [] if wish.weights_only else _good(found, wish, _state_problem, passed)
    if states:
        return _of_states(states, wish, passed)
    weights = _good(found, wish, _weights_problem, passed)
    if weights:
        best = max(weights, key=_age)
        return Source(best, best.step or 0, None, 0, tuple(passed))
    raise Refused(_nothing(checkpoints, passed, wish))


def _age(one: Checkpoint) -> tuple[int, int, float]:
    return one.step or 0, one.attempt, one.saved_at


def _good(
    found: Sequence[Checkpoint],
    wish: Wish,
    problem_of: Callable[[Checkpoint], str | None],
    passed: list[str],
) -> list[Checkpoint]:
    good: list[Checkpoint] = []
    for one in sorted(found, key=_age, reverse=True):
        if wish.bad_step is not None and (one.step or 0) >= wish.bad_step:
            problem: str | None = "comes after the first loss that was not finite"
        elif wish.last_step is not None and (one.step or 0) >= wish.last_step:
            problem = "is of the last step, so nothing would be left to train"
        else:
            problem = problem_of(one)
        if problem is None:
            good.append(one)
        elif problem and not good:
            passed.append(f"{one.name} is passed over: it {problem}")
    return good


def _state_problem(one: Checkpoint) -> str | None:
    """None: good. Empty: it never had a state. The folder is looked at again, now."""
    if one.state_path is None:
        return ""
    if is_same_state(one, Path(one.state_path)) is False:
        return "has a state that was replaced since"
    if one.finite is False:
        return "holds numbers that are not finite"
    path = Path(one.state_path)
    if not path.is_dir():
        return "has no state any more"
    return None if state_complete(path) else "has a state that is not whole"


def _weights_problem(one: Checkpoint) -> str | None:
    path = Path(one.path)
    if one.replaced is not None or is_same(one, path) is False:
        return f"was {one.replaced or REPLACED}"
    if one.removed or not path.is_file():
        return "" if one.removed else "is gone"
    if path.suffix not in SUFFIXES[:1]:
        return "is no safetensors file, so nobody has looked into it"
    if one.finite is False:
        return "holds numbers that are not finite"
    found = verify(path, finite=one.finite is None)
    return (
        None if found.complete and found.finite is not False else f"is not whole ({found.problem})"
    )


def _of_states(states: list[Checkpoint], wish: Wish, passed: list[str]) -> Source:
    """Where only whole epochs can be left out, the state at the start of that epoch is as far on as
    the newest one, and exact."""
    newest = states[0]
    step = newest.step or 0
    again = step % wish.epoch_steps if wish.epoch_steps and not wish.skip else 0
    if again:
        start = step - again
        exact = next((one for one in states if one.step == start), None)
        if exact is not None:
            return Source(exact, start, exact.state_path, 0, tuple(passed))
    return Source(newest, step, newest.state_path, again, tuple(passed))


def _named(found: Sequence[Checkpoint], named: str) -> list[Checkpoint]:
    """By true step, by file name or by path, of the file or of its state."""
    text = named.rstrip("/")
    chosen = [
        one
        for one in found
        if text == str(one.step)
        or text in (one.name, one.path, one.state_path, Path(one.name).stem)
        or (one.state_path is not None and text == Path(one.state_path).name)
        or (one.state_path is not None and Path(text).absolute() == Path(one.state_path))
        or Path(text).absolute() == Path(one.path)
    ]
    if not chosen:
        steps = ", ".join(str(one.step) for one in found[-8:]) or "none"
        raise Refused(f"{named!r} is no checkpoint of this run; it has the steps {steps}")
    return chosen


def _nothing(checkpoints: Sequence[Checkpoint], passed: Sequence[str], wish: Wish) -> str:
    if not checkpoints:
        return (
            "nothing was saved, so there is nothing to go on from: start again, with save_every_n_steps "
            "and save_state = true under [train]"
        )
    if passed:
        told = "; ".join(passed[:3])
        return f"nothing good to go on from ({told}): start a new run"
    return "nothing to go on from: no checkpoint of this run is left"
