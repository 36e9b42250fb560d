"""Alarms: raised once, standing while true, ended by themselves, known after a restart."""

from __future__ import annotations

import math

import msgspec
import pytest

from runner.analysis.guard import ALARMS_KEPT, TOLD_OF_A_KIND, Change, Guard
from runner.model import Alarm, AlarmKind, Phase
from runner.model.events import StepShown, WarningSeen
from runner.state.lineage import weights_step
from tests.unit.analysis.guard_feed import NAN, Feed, checkpoint, noisy, series

GOOD = [0.1 + n % 17 / 100 for n in range(40)]


def test_a_loss_that_stays_bad_names_its_step_and_the_newest_good_checkpoint() -> None:
    feed = Feed()
    feed.checkpoints = [checkpoint(10), checkpoint(20), checkpoint(30, finite=False)]
    feed.train([*GOOD[:24], *[NAN] * 10])
    assert feed.raised == [AlarmKind.NONFINITE]
    alarm = feed.standing(AlarmKind.NONFINITE)
    assert (alarm.step, alarm.good_step) == (25, 20)
    assert "from step 25 on" in alarm.text
    assert "step 20, which is good, as are earlier ones" in alarm.text


def test_without_a_checkpoint_before_it_that_is_said() -> None:
    feed = Feed()
    feed.checkpoints = [checkpoint(30)]
    feed.train([*GOOD[:24], *[NAN] * 10])
    alarm = feed.standing(AlarmKind.NONFINITE)
    assert alarm.good_step is None
    assert "no good checkpoint before it" in alarm.text


def test_a_checkpoint_that_is_found_good_later_is_taken_up() -> None:
    feed = Feed()
    feed.train([*GOOD[:24], *[NAN] * 10])
    feed.checkpoints = [checkpoint(20)]
    feed.wait(2)
    assert feed.standing(AlarmKind.NONFINITE).good_step == 20
    assert feed.raised == [AlarmKind.NONFINITE]


def test_one_bad_step_is_told_from_the_average_that_it_poisons() -> None:
    feed = Feed()
    feed.checkpoints = [checkpoint(20)]
    feed.train([*GOOD[:24], NAN, *GOOD])
    assert feed.raised == [AlarmKind.ONE_BAD_STEP]
    alarm = feed.standing(AlarmKind.ONE_BAD_STEP)
    assert alarm.step == 25
    assert alarm.good_step == 20
    assert "avr_loss=nan" in alarm.text


def test_one_bad_step_without_a_poisoned_average_is_soon_over() -> None:
    feed = Feed()
    feed.train([*GOOD[:24], NAN, *GOOD, *GOOD], averages=False)
    assert feed.raised == [AlarmKind.ONE_BAD_STEP]
    assert feed.over == [AlarmKind.ONE_BAD_STEP]


def test_one_bad_step_that_was_the_first_of_many_becomes_what_it_is() -> None:
    feed = Feed()
    feed.train([*GOOD[:10], NAN, *GOOD[:12], *[NAN] * 20])
    assert feed.raised == [AlarmKind.ONE_BAD_STEP, AlarmKind.NONFINITE]
    assert feed.standing(AlarmKind.NONFINITE).step == 24
    assert feed.over == [AlarmKind.ONE_BAD_STEP]


def test_an_average_alone_says_that_it_is_one() -> None:
    feed = Feed()
    feed.train([*GOOD[:24], *[NAN] * 10], exact=False)
    assert feed.raised == [AlarmKind.NONFINITE]
    assert "only the average is known" in feed.standing(AlarmKind.NONFINITE).text


def test_an_average_does_not_speak_before_the_exact_loss_could() -> None:
    """The event file is found a moment after the first steps."""
    feed = Feed()
    feed.train([0.1, NAN, *GOOD], step_s=0.05, exact=False)
    for step in range(1, 43):
        feed.guard.on_exact(step, NAN if step == 2 else 0.1 + step / 1000)
    feed.wait(20)
    assert feed.raised == [AlarmKind.ONE_BAD_STEP]


def test_divergence_and_a_frozen_loss_are_told() -> None:
    feed = Feed()
    feed.train(series(noisy(), 400), step_s=0.1)
    feed.train([900.0 + n for n in range(30)], step_s=0.1)
    feed.wait(1)
    assert feed.raised == [AlarmKind.DIVERGING]
    assert "since step 401" in feed.standing(AlarmKind.DIVERGING).text
    frozen = Feed()
    frozen.train([*GOOD, *[0.125] * 30])
    assert frozen.raised == [AlarmKind.FROZEN]
    assert "0.1250" in frozen.standing(AlarmKind.FROZEN).text


def test_a_diverging_loss_that_becomes_nan_is_one_alarm_of_the_worse_kind() -> None:
    feed = Feed()
    feed.train(series(noisy(), 400), step_s=0.1)
    feed.train([900.0 + n for n in range(30)], step_s=0.1)
    feed.train([NAN] * 20)
    assert feed.raised == [AlarmKind.DIVERGING, AlarmKind.NONFINITE]
    assert [alarm.kind for alarm in feed.guard.standing] == [AlarmKind.NONFINITE]


def test_what_flickers_is_one_alarm() -> None:
    feed = Feed()
    feed.train(GOOD)
    for _ in range(30):
        feed.train([*[0.125] * 12, 0.2, 0.3], step_s=0.5)
    assert feed.raised == [AlarmKind.FROZEN]
    assert feed.over == []


def test_of_one_kind_only_so_many_are_told_but_all_of_them_stand() -> None:
    feed = Feed()
    for _ in range(TOLD_OF_A_KIND + 5):
        feed.train([*[0.125] * 15, *GOOD])
    assert feed.raised == [AlarmKind.FROZEN] * TOLD_OF_A_KIND
    assert feed.over == [AlarmKind.FROZEN] * TOLD_OF_A_KIND
    feed.train([0.125] * 15)
    assert [alarm.kind for alarm in feed.guard.standing] == [AlarmKind.FROZEN]
    assert len(feed.guard.alarms) <= ALARMS_KEPT


def test_a_whole_quiet_training_raises_nothing() -> None:
    feed = Feed()
    for phase in (Phase.DATASET, Phase.LOADING, Phase.CACHING, Phase.PREPARING):
        feed.phase(phase)
        feed.wait(120)
    for epoch in range(1, 5):
        feed.epoch(epoch)
        feed.wait(15)
        feed.train(series(noisy(), 230, epoch), step_s=3.1)
        feed.phase(Phase.SAVING)
        feed.wait(8)
    feed.phase(Phase.FINISHED)
    feed.wait(30)
    assert feed.raised == []


# --------------------------------------------------------------------------- a new supervisor


def restarted(feed: Feed, losses: list[float]) -> Feed:
    """The same console and event file, read again by a guard that knows what was journaled."""
    again = Feed(Guard(), now=feed.now)
    again.guard.silent = True
    now, poison = again.now, 0.0
    for phase in (Phase.TRAINING,):
        again.phase(phase)
    for step, loss in enumerate(losses, 1):
        poison += 0.0 if math.isfinite(loss) else NAN
        again.step = step - 1
        again.now = now
        again.train([loss], step_s=0.0)
    told = [msgspec.json.decode(msgspec.json.encode(c), type=Change) for c in feed.changes]
    again.guard.silent = False
    again.guard.restore(told)
    return again


@pytest.mark.parametrize(
    "losses", [[*GOOD, *[NAN] * 10], [*GOOD, NAN, *GOOD], [*GOOD, *[0.25] * 20]]
)
def test_alarms_that_stand_are_not_raised_again_by_a_new_supervisor(losses: list[float]) -> None:
    feed = Feed()
    feed.train(losses)
    feed.look()
    (kind,) = feed.raised
    again = restarted(feed, losses)
    again.wait(30)
    assert again.raised == []
    assert again.over == []
    assert again.standing(kind).since_at == feed.standing(kind).since_at


def test_what_happened_while_nobody_watched_is_raised_by_the_next_one() -> None:
    feed = Feed()
    feed.train(GOOD)
    again = restarted(feed, [*GOOD, *[NAN] * 10])
    again.wait(3)
    assert again.raised == [AlarmKind.NONFINITE]


def test_a_stall_stands_over_a_restart_until_something_moves() -> None:
    feed = Feed()
    feed.train(GOOD)
    feed.wait(90)
    assert feed.raised == [AlarmKind.STALLED]
    again = restarted(feed, GOOD)
    again.wait(40)
    assert again.raised == [] and again.over == []
    again.train(GOOD)
    assert again.over == [AlarmKind.STALLED]
    assert again.raised == []


def test_an_alarm_that_ended_while_nobody_watched_is_ended_by_the_next_one() -> None:
    feed = Feed()
    feed.train([*GOOD, *[0.25] * 20])
    feed.look()
    again = restarted(feed, [*GOOD, *[0.25] * 20, *GOOD])
    again.wait(20)
    assert again.over == [AlarmKind.FROZEN]


def test_a_slow_run_is_still_slow_after_a_restart_by_the_pace_of_before() -> None:
    alarm = Alarm(AlarmKind.SLOW, 1.0, "slow", step=300)
    guard = Guard()
    guard.restore([Change(alarm, {"baseline_s": 1.0})])
    feed = Feed(guard)
    feed.train([0.1 + n / 1000 for n in range(400)], step_s=2.0)
    assert feed.raised == [] and feed.over == []
    feed.train([0.1 + n / 1000 for n in range(400)], step_s=1.0)
    assert feed.over == [AlarmKind.SLOW]


# --------------------------------------------------------------------------- good checkpoints


@pytest.mark.parametrize(
    ("before", "expected"),
    [(None, 30), (31, 30), (30, 20), (20, 10), (10, 0), (5, 0)],
)
def test_the_newest_good_checkpoint_lies_before_the_bad_step(
    before: int | None, expected: int
) -> None:
    files = [checkpoint(10), checkpoint(20), checkpoint(30), checkpoint(40, finite=False)]
    files += [checkpoint(50, complete=False), checkpoint(60, finite=None)]
    assert weights_step(files, before) == expected


def test_a_loss_of_exactly_zero_raises_an_alarm() -> None:
    feed = Feed()
    feed.train([0.0] * 30)
    assert feed.raised == [AlarmKind.FROZEN]
    assert "exactly 0" in feed.standing(AlarmKind.FROZEN).text


def test_an_average_of_exactly_zero_does_so_without_event_files() -> None:
    feed = Feed()
    for step in range(1, 31):
        feed.guard.on_console(StepShown(0, step, None, 0.0), step, 0.0, feed.now)
        feed.wait(1)
    assert feed.raised == [AlarmKind.FROZEN]
    alarm = feed.standing(AlarmKind.FROZEN)
    assert "the average loss has been exactly 0.0000 since step 1" in alarm.text
    feed.guard.on_console(StepShown(0, 31, None, 0.1), 31, 0.1, feed.now)
    feed.wait(15)
    assert feed.over == [AlarmKind.FROZEN]


def test_a_part_that_did_not_load_raises_an_alarm_that_stays() -> None:
    feed = Feed()
    text = "create LoRA for U-Net: 0 modules: nothing of it is trained"
    feed.guard.on_console(WarningSeen(0, "WARNING", text), 0, None, feed.now)
    feed.train(GOOD)
    assert feed.raised == [AlarmKind.NOT_LOADED]
    assert "no modules in the U-Net" in feed.standing(AlarmKind.NOT_LOADED).text
