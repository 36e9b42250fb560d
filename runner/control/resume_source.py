"""Where a resume starts: the newest good training state, else the newest good checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.checkpoints.verify import state_complete, verify
from runner.control.orders import Refused
from runner.model import Checkpoint
from runner.model.checkpoint import CHANGED
from runner.store.identity import is_same, is_same_state
from runner.trainers.names import SUFFIXES


@dataclass(frozen=True, slots=True)
class ResumeSource:
    """`state_path` None: only the weights exist. `replayed_steps`: trained again because the trainer can only
    start at an epoch boundary. `passed_over`: newer unusable ones, and why."""

    checkpoint: Checkpoint
    step: int
    state_path: str | None
    replayed_steps: int = 0
    passed_over: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return Path(self.state_path).name if self.state_path else self.checkpoint.name


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """`skip`: the trainer can continue within an epoch; `epoch_steps`: of an epoch, None: unknown;
    `bad_step`: the first non-finite loss; `named`: the step, path or name chosen by the user; `weights_only`:
    a state would restore what should change; `last_step`: of the plan, nothing to train after it; None:
    unknown."""

    skip: bool = True
    epoch_steps: int | None = None
    bad_step: int | None = None
    named: str | None = None
    weights_only: bool = False
    last_step: int | None = None


def choose(checkpoints: Sequence[Checkpoint], request: ResumeRequest) -> ResumeSource:
    """Raises Refused with what is missing."""
    found = [one for one in checkpoints if one.step is not None]
    if request.named is not None:
        found = _named(found, request.named)
    found.sort(key=lambda one: (one.step or 0, one.attempt, one.saved_at), reverse=True)
    passed: list[str] = []
    states = [] if request.weights_only else list(_good(found, request, _state_problem, passed))
    if states:
        return _of_states(states, request, passed)
    best = next(_good(found, request, _weights_problem, passed), None)
    if best is not None:
        return ResumeSource(best, best.step or 0, None, 0, tuple(passed))
    if passed:
        raise Refused(f"no usable checkpoint ({'; '.join(passed[:3])}): start a new run")
    if checkpoints:
        raise Refused("this run has no checkpoint left to resume from")
    raise Refused(
        "nothing was saved to resume from: start again with save_every_n_steps "
        "and save_state = true under [train]"
    )


def _good(
    newest_first: Sequence[Checkpoint],
    request: ResumeRequest,
    problem_of: Callable[[Checkpoint], str | None],
    passed: list[str],
) -> Iterator[Checkpoint]:
    """`passed` gets those that are newer than the first good one, and why."""
    good = False
    for one in newest_first:
        step = one.step or 0
        if request.bad_step is not None and step >= request.bad_step:
            problem: str | None = "is after the first NaN loss"
        elif request.last_step is not None and step >= request.last_step:
            problem = "is from the last step, so nothing is left to train"
        else:
            problem = problem_of(one)
        if problem is None:
            good = True
            yield one
        elif problem and not good:
            passed.append(f"{one.name} skipped: it {problem}")


def _state_problem(one: Checkpoint) -> str | None:
    """None: good. Empty: it never had a state. The folder is verified again."""
    if one.state_path is None:
        return ""
    path = Path(one.state_path)
    if is_same_state(one, path) is False:
        return f"has a state that was {CHANGED}"
    if one.finite is False:
        return "contains NaN or Inf"
    if not path.is_dir():
        return "has lost its state"
    return None if state_complete(path) else "has an incomplete state"


def _weights_problem(one: Checkpoint) -> str | None:
    path = Path(one.path)
    if one.replaced is not None or is_same(one, path) is False:
        return f"was {one.replaced or CHANGED}"
    if one.removed or not path.is_file():
        return "" if one.removed else "is missing"
    if path.suffix not in SUFFIXES[:1]:
        return "is not a safetensors file, so it was not verified"
    if one.finite is False:
        return "contains NaN or Inf"
    found = verify(path, finite=one.finite is None)
    whole = found.complete and found.finite is not False
    return None if whole else f"is incomplete ({found.problem})"


def _of_states(
    states: Sequence[Checkpoint], request: ResumeRequest, passed: Sequence[str]
) -> ResumeSource:
    """If only complete epochs can be skipped, the state at the start of that epoch is as good as the newest
    one, and exact."""
    best, again = states[0], 0
    if request.epoch_steps and not request.skip:
        again = (best.step or 0) % request.epoch_steps
        start = (best.step or 0) - again
        exact = next((one for one in states if one.step == start), None)
        if exact is not None:
            best, again = exact, 0
    return ResumeSource(best, best.step or 0, best.state_path, again, tuple(passed))


def _named(found: Sequence[Checkpoint], named: str) -> list[Checkpoint]:
    """By true step, file name or path, of the file or its state."""
    text = named.rstrip("/")
    place = str(Path(text).absolute())

    def fits(one: Checkpoint) -> bool:
        names = {str(one.step), Path(one.name).stem}
        for path in (one.name, one.path, one.state_path or one.path):
            names |= {path, Path(path).name}
        return text in names or place in (one.path, one.state_path)

    chosen = [one for one in found if fits(one)]
    if not chosen:
        steps = ", ".join(str(one.step) for one in found[-8:]) or "none"
        raise Refused(f"{named!r} is not a checkpoint of this run; available steps: {steps}")
    return chosen
