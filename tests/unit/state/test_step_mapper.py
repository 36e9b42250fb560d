"""True steps of real recorded runs and of the worked examples in sd-scripts' behaviour."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model.events import BannerSeen, CheckpointSaving, EpochStarted, ResumeSeen, StepShown
from runner.state.step_mapper import StepMapper
from runner.trainers.names import KOHYA_NAMES
from tests import DATA

RUNS = DATA / "runs"


def followed(log: str) -> tuple[StepMapper, dict[str, int | None], int | None]:
    """The ledger of a recorded run and the true step of each file, as told when it was written."""
    """The mapper, the true steps of files by their stem, and the last one that the bar showed."""
    ledger, files, shown = StepMapper(), {}, 0
    for event in ConsoleParser().feed((RUNS / log).read_bytes()):
        ledger.on(event)
        if isinstance(event, StepShown):
            shown = max(shown, event.shown_step)
        if isinstance(event, CheckpointSaving):
            name = KOHYA_NAMES.parse(PurePath(event.path).name)
            if name.step is not None:
                files[name.stem] = ledger.true_from_name(name.step)
            elif name.epoch is not None:
                files[name.stem] = ledger.true_from_epoch(name.epoch)
            else:
                files[name.stem] = ledger.true_from_bar(shown)
    return ledger, files, ledger.true_from_bar(shown)


RESUMED = {
    "zed-step00000200": 430,
    "zed-000002": 460,
    "zed-step00000400": 630,
    "zed-000003": 690,
    "zed-step00000600": 830,
    "zed": 920,
}


@pytest.mark.parametrize(
    ("log", "first", "last", "files"),
    [
        (
            "tiny_first_run_killed.log",
            1,
            412,
            {"zed-step00000200": 200, "zed-000001": 230, "zed-step00000400": 400},
        ),
        ("tiny_resume_skip.log", 401, 920, RESUMED),
        ("tiny_resume_noskip.log", 231, 920, RESUMED),
        ("tiny_v091_resume.log", 231, 920, RESUMED),
    ],
)
def test_true_steps_of_recorded_runs(
    log: str, first: int, last: int, files: dict[str, int]
) -> None:
    ledger, seen, newest = followed(log)
    assert (ledger.true_from_bar(1), newest) == (first, last)
    assert seen == files


def test_accumulation_counts_steps_not_batches() -> None:
    ledger, files, newest = followed("tiny_grad_accum.log")
    assert ledger.steps_per_epoch == 58
    assert (ledger.true_from_bar(1), newest) == (1, 464)
    assert files["zed"] == 464
    assert files["zed-step00000100"] == 100


def started(
    *resume: ResumeSeen, batches: int, epoch: int, accumulation: int = 1, base_step: int = 0
) -> StepMapper:
    ledger = StepMapper(base_step)
    for event in resume[:1]:
        ledger.on(event)
    ledger.on(BannerSeen(0, "batches_per_epoch", batches))
    ledger.on(BannerSeen(0, "accumulation", accumulation))
    for event in resume[1:]:
        ledger.on(event)
    ledger.on(EpochStarted(0, epoch, 4))
    return ledger


def test_second_resume_with_initial_step() -> None:
    """240 steps, 60 an epoch; the state of true step 125 holds another number of its own."""
    ledger = started(
        ResumeSeen(0, state_path="b-step00000125-state", state_step=5),
        ResumeSeen(0, skip_steps=125),
        batches=60,
        epoch=3,
    )
    assert ledger.true_from_bar(1) == 126
    assert ledger.true_from_bar(115) == 240
    assert [ledger.true_from_global(x) for x in (6, 120)] == [126, 240]
    assert [ledger.true_from_name(n) for n in (25, 50, 75, 100)] == [145, 170, 195, 220]


def test_first_resume_inside_the_first_epoch_keeps_all_numbers() -> None:
    ledger = started(
        ResumeSeen(0, state_step=50), ResumeSeen(0, skip_steps=50), batches=60, epoch=1
    )
    assert ledger.true_from_bar(1) == 51
    assert ledger.true_from_global(51) == 51
    assert ledger.true_from_name(75) == 75


@pytest.mark.parametrize("skip", [True, False])
def test_resume_at_the_end_of_an_epoch_is_the_same_in_both_modes(skip: bool) -> None:
    events = [ResumeSeen(0, state_step=230)] + ([ResumeSeen(0, skip_steps=230)] if skip else [])
    ledger = started(*events, batches=230, epoch=2)
    assert ledger.true_from_bar(0) == ledger.true_from_global(0) == 230
    assert ledger.true_from_bar(690) == 920
    assert ledger.true_from_epoch(2) == 460


def test_accumulation_without_skip_replays_from_the_start_of_the_epoch() -> None:
    ledger = started(ResumeSeen(0, state_step=100), batches=230, epoch=2, accumulation=4)
    assert ledger.true_from_bar(1) == 59
    assert ledger.true_from_name(42) == 100


def test_accumulation_with_skip_is_unknown_and_says_why() -> None:
    ledger = started(
        ResumeSeen(0, state_step=100),
        ResumeSeen(0, skip_steps=400),
        batches=230,
        epoch=7,
        accumulation=4,
    )
    assert ledger.true_from_bar(1) is None
    assert ledger.true_from_name(900) is None
    assert "accumulation" in (ledger.problem or "")


def test_the_hint_holds_until_the_console_tells() -> None:
    ledger = StepMapper(400)
    ledger.on(StepShown(0, 0, 750, None))
    assert ledger.true_from_bar(0) == 400
    ledger.on(BannerSeen(0, "batches_per_epoch", 230))
    ledger.on(EpochStarted(0, 2, 4))
    assert ledger.true_from_bar(0) == 230


def test_a_later_epoch_does_not_move_the_beginning() -> None:
    ledger = started(batches=230, epoch=1)
    ledger.on(EpochStarted(0, 2, 4))
    assert ledger.true_from_bar(231) == 231


def test_after_a_skip_the_average_counts_an_empty_place_until_the_epoch_ends() -> None:
    """Recorded: 0.483 for a loss of 0.966, and a jump back at the next epoch (shown step 61)."""
    ledger, shown = StepMapper(), {}
    for event in ConsoleParser().feed((RUNS / "tiny_resume_skip.log").read_bytes()):
        ledger.on(event)
        if isinstance(event, StepShown) and event.average is not None and event.shown_step:
            shown[event.shown_step] = event.average * ledger.average_factor(event.shown_step)
    assert shown[1] == pytest.approx(0.966)
    assert shown[60] == pytest.approx(0.861, abs=0.002)
    assert [ledger.average_factor(n) for n in (1, 60, 61, 520)] == [2.0, 61 / 60, 1.0, 1.0]


@pytest.mark.parametrize(
    "log", ["tiny_resume_noskip.log", "tiny_first_run_killed.log", "tiny_grad_accum.log"]
)
def test_other_averages_are_taken_as_they_are(log: str) -> None:
    ledger, _, _ = followed(log)
    assert all(ledger.average_factor(n) == 1.0 for n in range(1, 500))


def test_after_a_skip_in_the_first_epoch_nothing_is_empty() -> None:
    ledger = started(
        ResumeSeen(0, state_step=50), ResumeSeen(0, skip_steps=50), batches=60, epoch=1
    )
    assert ledger.average_factor(1) == 1.0


def test_a_trainer_that_knows_nothing_of_what_came_before_counts_on_from_where_it_began() -> None:
    ledger = StepMapper(400, 400)
    assert ledger.true_from_bar(1) == 401
    for event in (BannerSeen(0, "batches_per_epoch", 230), EpochStarted(0, 1, 3)):
        ledger.on(event)
    assert [ledger.true_from_bar(n) for n in (0, 1, 520)] == [400, 401, 920]
    assert ledger.true_from_name(100) == 500
    assert ledger.true_from_epoch(1) == 630


def test_a_resume_within_such_a_count() -> None:
    """Its own step 300 is the true step 700; its epoch 2 began at its 230."""
    ledger = StepMapper(700, 400)
    for event in (
        ResumeSeen(0, state_step=300),
        BannerSeen(0, "batches_per_epoch", 230),
        ResumeSeen(0, skip_steps=300),
        EpochStarted(0, 2, 3),
    ):
        ledger.on(event)
    assert ledger.true_from_bar(1) == 701
    assert ledger.true_from_name(100) == 730


def test_before_the_first_epoch_is_told_the_launch_is_believed_not_the_states_own_number() -> None:
    """Run with v0.9.1 and accumulation: exact losses came before `epoch 3/4`; the state of true step 116
    held the 58 of an attempt that had been resumed itself."""
    ledger = StepMapper(116)
    for event in (
        ResumeSeen(0, state_step=58),
        BannerSeen(0, "batches_per_epoch", 230),
        BannerSeen(0, "accumulation", 4),
    ):
        ledger.on(event)
    assert [ledger.true_from_global(x) for x in (0, 1)] == [116, 117]
