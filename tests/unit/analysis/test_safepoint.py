"""Where a training can be stopped, and what is said about it before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.analysis.expected import expected_saves, states_are_saved
from runner.analysis.safepoint import (
    Place,
    armed_answer,
    in_vain,
    is_safe,
    newest_safe,
    next_save,
    price,
)
from runner.model import AttemptPlan, Checkpoint, ExpectedCheckpoint, Forecast

PLAN = AttemptPlan(1, ("python", "train_network.py"), {}, "/", "out", "a")
SAVES = (
    *(
        ExpectedCheckpoint(f"a-step{at:08d}.safetensors", at, state_name=f"a-step{at:08d}-state")
        for at in (200, 400, 600)
    ),
    ExpectedCheckpoint("a.safetensors", 690, state_name="a-state"),
)
PLACE = Place(412, 690, 3.0, state_step=400, weights_step=400)


def made(step: int, **changes: object) -> Checkpoint:
    base = Checkpoint(f"a-{step}", f"out/a-{step}", step, None, 1, 0.0, 100, True, True)
    with_state = replace(base, state_path=f"out/a-{step}-state", state_complete=True)
    return replace(with_state, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("checkpoint", "with_state", "alone"),
    [
        (made(200), True, True),
        (made(200, state_complete=False), False, True),
        (made(200, state_complete=None), False, True),
        (made(200, complete=False, finite=None), False, False),
        (made(200, complete=None, finite=None), False, False),
        (made(200, finite=False), False, False),
        (made(200, finite=None), True, True),  # a format that cannot be scanned
    ],
)
def test_a_safe_point_is_whole_finite_and_has_its_state(
    checkpoint: Checkpoint, with_state: bool, alone: bool
) -> None:
    assert is_safe(checkpoint, True) is with_state
    assert is_safe(checkpoint, False) is alone


def test_a_state_that_the_trainer_deleted_hides_no_newer_safe_point() -> None:
    files = [made(200, state_complete=None), made(400), made(600)]
    assert newest_safe(files, True) == 2
    assert newest_safe([made(200), made(400, complete=False)], True) == 0
    assert newest_safe([], True) == -1


def test_only_weights_that_were_written_well_and_are_broken_end_the_waiting() -> None:
    broken = made(400, finite=False)
    assert in_vain([made(200), broken], 0) is broken
    assert in_vain([broken, made(600)], 0) is None
    assert in_vain([made(200, complete=False, finite=None)], -1) is None


@pytest.mark.parametrize(
    ("command", "expected", "seen", "saved"),
    [
        (("--save_state",), (), (), True),
        (("--save_state_on_train_end",), (), (), False),
        (("--save_state_to_huggingface",), (), (), False),
        ((), SAVES, (), True),
        ((), (replace(SAVES[0], state_name=None), SAVES[-1]), (), False),
        (("--config_file", "x.toml"), (), (made(200),), True),
        ((), (), (), False),
    ],
)
def test_states_are_saved_in_the_middle_or_not(
    command: tuple[str, ...],
    expected: tuple[ExpectedCheckpoint, ...],
    seen: tuple[Checkpoint, ...],
    saved: bool,
) -> None:
    assert states_are_saved(replace(PLAN, command=command), expected, seen) is saved


def test_a_forecast_counts_as_long_as_the_trainer_does_not_contradict_it() -> None:
    forecast = Forecast(steps=690, checkpoints=SAVES)
    assert expected_saves(PLAN, forecast, 690) == SAVES
    assert expected_saves(PLAN, forecast, None) == SAVES
    assert expected_saves(PLAN, forecast, 1380) == ()
    assert expected_saves(replace(PLAN, attempt=2), forecast, 690) == ()
    assert expected_saves(replace(PLAN, attempt=2, expected=SAVES), forecast, 1) == SAVES


@pytest.mark.parametrize(
    ("command", "expected", "step", "answer"),
    [
        ((), SAVES, 412, (600, True)),
        ((), SAVES, 400, (600, True)),
        ((), SAVES, 601, (None, True)),
        (("--save_every_n_steps", "100"), (), 412, (500, True)),
        (("--save_every_n_steps=100",), (), 500, (600, True)),
        (("--save_every_n_steps=100",), (), 650, (None, True)),
        (("--save_every_n_steps",), (), 650, (None, False)),
        (("--save_every_n_epochs=1",), (), 412, (None, False)),
    ],
)
def test_the_next_save_is_the_forecasts_or_the_flags(
    command: tuple[str, ...],
    expected: tuple[ExpectedCheckpoint, ...],
    step: int,
    answer: tuple[int | None, bool],
) -> None:
    place = replace(PLACE, step=step)
    assert next_save(replace(PLAN, command=command), expected, place) == answer


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (PLACE, "stopping now would lose 12 steps, 36 s since step 400"),
        (replace(PLACE, state_step=0), "12 steps, 36 s since step 400"),
        (
            replace(PLACE, state_step=0, weights_step=0),
            "lose 412 steps, 21 min: nothing is saved yet",
        ),
        (replace(PLACE, step=400), "stopping now loses nothing"),
        (replace(PLACE, step=0), "no step trained yet"),
        (replace(PLACE, seconds_per_step=None), "lose 12 steps since step 400"),
    ],
)
def test_the_price_of_stopping_now(place: Place, words: str) -> None:
    assert words in price(place)


def answer(
    *, seen: tuple[Checkpoint, ...] = (made(400),), saving: bool = False, **more: object
) -> str:
    plan = replace(PLAN, command=more.get("command", ()))  # type: ignore[arg-type]
    expected = more.get("expected", SAVES)
    place = more.get("place", PLACE)
    assert isinstance(expected, tuple) and isinstance(place, Place)
    return armed_answer(plan, expected, seen, place, saving=saving)


def test_the_answer_names_the_step_the_wait_and_the_price() -> None:
    assert answer() == (
        "will stop after step 600 (188 steps, 9 min), when its checkpoint and state are verified; "
        "stopping now would lose 12 steps, 36 s since step 400"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (answer(saving=True), "when the save in progress is done and its checkpoint and state"),
        (
            answer(seen=(made(400, complete=None, state_complete=None),)),
            "will stop when checkpoint and state of step 400, just written, are verified",
        ),
        (answer(place=replace(PLACE, step=650)), "no more saves before the end at step 690"),
        (answer(expected=(), seen=()), "no state is saved, so it can only be resumed from"),
        (answer(expected=(), seen=()), "will stop after the next save"),
        (
            answer(expected=(), seen=(), command=("--save_every_n_steps=500",)),
            "after step 500 (88 steps, 4 min), when its checkpoint is verified",
        ),
    ],
)  # fmt: skip
def test_the_answer_says_what_it_waits_for(text: str, words: str) -> None:
    assert words in text
