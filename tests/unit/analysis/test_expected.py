"""The files that a run owes after resumes."""

from runner.analysis.expected import expected_files
from runner.model import AttemptPlan, ExpectedCheckpoint, Forecast


def files(*steps: int) -> tuple[ExpectedCheckpoint, ...]:
    return tuple(ExpectedCheckpoint(f"x-step{step:08d}", step) for step in steps)


FINAL = ExpectedCheckpoint("x", 920)
FORECAST = Forecast(
    steps=920, checkpoints=(*files(*range(100, 901, 100)), FINAL), final="x"
)  # fmt: skip


def plan(attempt: int, base: int, *expected: ExpectedCheckpoint) -> AttemptPlan:
    return AttemptPlan(attempt, (), {}, "/", None, None, base_step=base, expected=expected)


def steps(names: tuple[str, ...]) -> list[int]:
    return [int(name[-8:]) if "-step" in name else 920 for name in names]


def test_an_unbroken_run_owes_its_forecast() -> None:
    assert steps(expected_files(FORECAST, [plan(1, 0)], 920)) == [*range(100, 901, 100), 920]


def test_a_forecast_that_the_banner_contradicts_demands_nothing() -> None:
    assert expected_files(FORECAST, [plan(1, 0)], 1840) == ()
    assert expected_files(None, [plan(1, 0)], 920) == ()


def test_each_attempt_owes_what_came_before_the_next_took_over() -> None:
    """Run on the real loop: killed at 413 and 656, resumed from 400 and 630."""
    second = plan(2, 400, *files(430, 530, 630, 730, 830), FINAL)
    third = plan(3, 630, *files(660, 760, 860), FINAL)
    found = expected_files(FORECAST, [plan(1, 0), second, third], 920)
    assert steps(found) == [100, 200, 300, 400, 430, 530, 630, 660, 760, 860, 920]


def test_an_attempt_that_nothing_is_known_of_owes_the_end() -> None:
    assert steps(expected_files(FORECAST, [plan(1, 0), plan(2, 400)], 920)) == [
        100,
        200,
        300,
        400,
        920,
    ]
