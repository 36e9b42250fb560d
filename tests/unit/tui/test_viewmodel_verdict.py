"""The verdict: true words in every state."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from runner.model import (
    AlarmKind,
    AttemptStatus,
    Cause,
    CheckResult,
    ExitRecord,
    JournalEvent,
    LossSeries,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
)
from runner.model.units import loss
from tests import builders as b
from tests import stories as s
from tests.hostile import HOSTILE
from tui.backend.results import Plan
from tui.panels.header import header_of
from tui.panels.result import result_card
from tui.panels.verdict import ready_verdict, verdict_of
from tui.words.checklist import Checklist
from tui.words.clauses import Kind, Verdict
from tui.words.loss import chart_model
from tui.words.progress import loss_now


def first(snapshot: RunSnapshot | None) -> str:
    """The word, then the sentence, without the shape."""
    head, *rest = verdict_of(snapshot, b.NOW).line
    return f"{head.text[2:]} {', '.join(clause.text for clause in rest)}"


def kind(snapshot: RunSnapshot | None) -> Kind:
    return verdict_of(snapshot, b.NOW).kind


def second(snapshot: RunSnapshot | None) -> str:
    return " ".join(clause.text for clause in verdict_of(snapshot, b.NOW).second)


def test_a_calm_training() -> None:
    shown = b.snapshot(412)
    assert first(shown) == "Healthy. Loss 0.1092, pace steady, Best so far: step 400"
    assert second(shown) == (
        "Stopping now loses 12 steps (37 s). Next save: step 600, in 10 min. Step 400 is saved, with state."
    )


def test_from_two_epochs_on_the_loss_has_a_trend_that_stands_still_within_an_epoch() -> None:
    said = {first(b.snapshot(step)).split(", ")[1] for step in (460, 480, 555, 689)}
    assert said == {"down 26 % from epoch 1 to 2"}
    assert "down 15 % from epoch 2 to 3" in first(b.snapshot(690))


def test_no_change_is_over_100_percent() -> None:
    doubled = b.series([0.1] * 230 + [0.5] * 230)
    shown = replace(b.snapshot(460), loss=doubled)
    assert "more than doubled from epoch 1 to 2" in first(shown) and kind(shown) is Kind.WATCH


def test_nothing_read_yet() -> None:
    assert first(None) == "Reading. The run folder"


def test_the_running_average_is_called_one() -> None:
    shown = replace(b.snapshot(412), loss=b.series(b.losses(412), exact=False))
    assert first(shown).startswith("Healthy. Average loss ")


def test_too_few_steps_make_no_trend() -> None:
    shown = replace(b.snapshot(5), loss=b.series(b.losses(5)))
    assert first(shown) == "Healthy. Loss 0.1937"
    assert second(shown).startswith("Stopping now loses 5 steps (16 s): nothing is saved yet.")


def test_noise_without_slope_is_flat() -> None:
    values = [0.1 + 0.02 * math.sin(i * 12.9898) for i in range(500)]
    shown = replace(b.snapshot(500), loss=b.series(values))
    assert "no clear change from epoch 1 to 2" in first(shown) and kind(shown) is Kind.HEALTHY


def test_a_rising_loss_is_a_warning() -> None:
    values = [0.1 + 0.0002 * i for i in range(500)]
    shown = replace(b.snapshot(500), loss=b.series(values))
    assert "up 37 % from epoch 1 to 2" in first(shown) and kind(shown) is Kind.WATCH


def test_a_slow_down_is_told_with_both_paces() -> None:
    """The pace of the header and the sentence is one."""
    shown = b.snapshot(412, status_changes={"seconds_per_step": 7.1})
    assert "slowing down: 7.1 s/step, was 3.1 s/step" in first(shown)
    assert "7.1 s/step" in [field.text.strip() for field in header_of(shown).ends]
    assert kind(shown) is Kind.WATCH


def test_an_unknown_pace_is_not_called_steady() -> None:
    shown = replace(b.snapshot(412), loss=b.series(b.losses(412), per_step_s=None))
    assert "pace" not in first(shown)


def test_silence_of_the_steps_comes_first() -> None:
    shown = b.snapshot(412)
    assert shown.spec is not None
    old = replace(shown, spec=replace(shown.spec, created_at=shown.spec.created_at - 600))
    assert first(old).startswith("Trouble. No step for 10 min, the usual pace is 3.1 s/step")


def test_warnings_are_counted_and_the_last_one_told() -> None:
    shown = b.snapshot(412, status_changes={"warnings": 2, "last_warning": "a mask is ignored"})
    assert "2 warnings: a mask is ignored" in first(shown)


def test_weights_without_a_state_are_kept_but_cannot_go_on() -> None:
    files = (b.checkpoint(400, state_path=None, state_complete=None),)
    shown = b.snapshot(412, status_changes={"checkpoints": files, "safe_step": 0})
    price = "Stopping now loses 12 steps (37 s), kept without a state."
    assert second(shown).startswith(price)


def test_an_ordered_stop_is_told() -> None:
    shown = b.snapshot(412, status_changes={"stop_after_save": True})
    assert second(shown) == "Stops after the save at step 600. Stopping now loses 12 steps (37 s)."


@pytest.mark.parametrize(
    ("phase", "detail", "text"),
    [
        (Phase.CACHING, "latents", "Starting. Caching: latents, for 40 s"),
        (Phase.LOADING, "", "Starting. Loading the model, for 40 s"),
        (Phase.LAUNCHING, "", "Starting. Launching the trainer, for 40 s"),
        (Phase.SAMPLING, "", "Starting. Drawing sample images, for 40 s"),
    ],
)
def test_phases_without_steps(phase: Phase, detail: str, text: str) -> None:
    assert first(b.in_phase(phase, detail=detail)) == text


def test_a_dead_supervisor_is_told_while_the_training_goes_on() -> None:
    assert "supervisor is gone" in second(b.snapshot(412, supervisor_alive=False))


def test_a_silent_supervisor_is_told() -> None:
    shown = b.snapshot(412, status_changes={"heartbeat_at": b.NOW - 40})
    assert second(shown).startswith("No word from the supervisor for 40 s.")


def test_stopping_tells_the_newest_signal() -> None:
    shown = b.snapshot(
        412,
        state=RunState.STOPPING,
        status_changes={"state": RunState.STOPPING},
        events=(
            JournalEvent(b.NOW - 30, "signalled", 1, None, {"signal": "SIGINT"}),
            JournalEvent(b.NOW - 11, "signalled", 1, None, {"signal": "SIGTERM"}),
        ),
    )
    assert first(shown) == "Stopping. SIGTERM sent 10 s ago, waiting for the trainer to exit"
    assert second(shown) == "Kept: everything up to step 400."


def test_stopping_without_a_signal_claims_none() -> None:
    shown = b.snapshot(412, state=RunState.STOPPING, status_changes={"state": RunState.STOPPING})
    assert "no signal sent yet" in first(shown)


def test_divergence_names_step_and_what_is_good() -> None:
    shown = b.diverged(live=True)
    assert first(shown) == (
        "Trouble. Loss is NaN since step 431: nothing from there on is worth keeping"
    )
    good = "Good checkpoints: up to step 400. Stopping now loses 120 steps (6 min)."
    assert second(shown).startswith(good) and loss(loss_now(shown)) == "NaN"


def test_unverified_checkpoints_are_not_called_good() -> None:
    shown = b.diverged(live=True)
    assert shown.status is not None
    files = (b.checkpoint(400, finite=None),)
    unseen = replace(shown, status=replace(shown.status, checkpoints=files))
    assert "No earlier checkpoint is known to be good." in second(unseen)


def test_a_loss_that_recovered_is_not_called_lost() -> None:
    values = b.losses(412)
    values[200] = math.nan
    text = first(replace(b.snapshot(412), loss=b.series(values)))
    assert "loss was NaN at step 201, finite again: trust only checkpoints marked finite" in text


def test_an_average_poisoned_by_nan_is_called_lost() -> None:
    shown = replace(
        b.snapshot(412, status_changes={"first_nonfinite_step": 12}),
        loss=b.series(b.losses(412), exact=False),
    )
    assert first(shown).startswith("Trouble. Loss is NaN since step 12")
    assert chart_model(shown).value == "NaN"


def test_success_counts_what_is_there() -> None:
    shown = b.ended(Outcome.SUCCEEDED)
    assert first(shown).startswith("Succeeded. 920 steps in 48 min, loss from 0.1")
    assert second(shown) == "5 of 5 checkpoints complete and finite. Best: step 920."
    assert shown.status is not None
    half = replace(shown, status=replace(shown.status, checkpoints=shown.status.checkpoints[:3]))
    assert second(half).endswith("2 expected files not written. Best: step 600.")


def test_failure_tells_its_cause_in_plain_words_and_the_key_that_cures_it() -> None:
    shown = b.ended(Outcome.FAILED, 412, s.OOM)
    assert first(shown) == "Failed. The Mac's GPU memory ran out, at step 412/920"
    assert second(shown) == (
        "y: retry with a fix. Kept up to step 400, 12 steps after it are lost."
    )


def test_without_a_setting_that_cures_it_no_key_is_promised() -> None:
    shown = b.ended(Outcome.FAILED, 412, Cause("disk_full", "OSError: [Errno 28]", "Make room"))
    assert first(shown) == "Failed. The disk is full, at step 412/920"
    kept = "Kept up to step 400, 12 steps after it are lost."
    assert second(shown) == f"r: resume from step 400. {kept}"


def test_after_a_kill_resume_leads_unless_memory_was_proven_short() -> None:
    fix = "cache_latents=true"
    cause = Cause("killed_by_signal", "signal 9", "Resume.", fix, (fix,))
    killed = b.ended(Outcome.KILLED, 412, cause)
    assert second(killed).startswith("r: resume from step 400.")
    card = result_card(killed)
    assert card is not None and card.resume_step == 400
    starved = b.ended(Outcome.KILLED, 412, replace(cause, key="host_out_of_memory"))
    assert second(starved).startswith("y: retry with a fix.")
    assert killed.status is not None
    nothing = replace(killed, status=replace(killed.status, safe_step=0))
    assert second(nothing).startswith("y: retry")


def test_the_signal_of_a_kill_is_named() -> None:
    shown = b.ended(Outcome.KILLED, 412)
    assert shown.status is not None
    attempt = AttemptStatus(1, b.NOW - 900, 1, 412, ExitRecord(1, None, 9, b.NOW))
    killed = replace(shown, status=replace(shown.status, attempts=(attempt,)))
    assert first(killed) == ("Killed. From outside (SIGKILL), not by plasma-tui, at step 412/920")


def test_an_unknown_cause_shows_its_evidence() -> None:
    shown = b.ended(Outcome.FAILED, 412, Cause("unknown", "KeyError: 'te1'", "Read the log"))
    assert first(shown) == "Failed. KeyError: 'te1', at step 412/920"


def test_a_cause_that_says_what_the_outcome_says_is_not_told_twice() -> None:
    assert first(s.diverged_with_cause()) == (
        "Diverged. Loss is NaN since step 431: nothing from there on is worth keeping"
    )
    killed = b.ended(Outcome.KILLED, 412, Cause("killed_by_signal", "signal 9"))
    assert first(killed) == "Killed. From outside, not by plasma-tui, at step 412/920"


@pytest.mark.parametrize(
    ("outcome", "step", "text"),
    [
        (Outcome.STOPPED, 412, "Stopped. At step 412/920, as ordered"),
        (Outcome.KILLED, 412, "Killed. From outside, not by plasma-tui, at step 412/920"),
        (Outcome.NOTHING_TRAINED, 0, "Nothing trained. The trainer exited without a single step"),
        (Outcome.FAILED, 0, "Failed. Before the first step"),
    ],
)
def test_other_endings(outcome: Outcome, step: int, text: str) -> None:
    assert first(b.ended(outcome, step)) == text


def test_an_end_that_nobody_judged_is_not_called_success() -> None:
    shown = replace(b.ended(Outcome.SUCCEEDED), outcome=None)
    assert shown.status is not None
    shown = replace(shown, status=replace(shown.status, outcome=None))
    assert first(shown) == "Ended. At step 920/920; not evaluated yet"


def test_processes_that_outlived_the_run_are_told() -> None:
    shown = replace(
        b.ended(Outcome.STOPPED, 412),
        events=(JournalEvent(b.NOW, "survivors", 1, None, {"processes": [[41, "python"]]}),),
    )
    assert "Processes of it are still running: [[41, 'python']]." in second(shown)


def test_what_was_signalled_or_outlived_in_an_earlier_attempt_is_over() -> None:
    earlier = (
        JournalEvent(b.NOW - 900, "signalled", 1, None, {"signal": "SIGKILL"}),
        JournalEvent(b.NOW - 890, "survivors", 1, None, {"processes": [[41, "python"]]}),
    )
    changes = {"state": RunState.STOPPING, "attempt": 2}
    shown = b.snapshot(412, state=RunState.STOPPING, status_changes=changes, events=earlier)
    assert first(shown) == "Stopping. Ordered, no signal sent yet"
    over = replace(b.ended(Outcome.STOPPED, 412), events=earlier)
    assert over.status is not None
    over = replace(over, status=replace(over.status, attempt=2))
    assert "still running" not in second(over)


def test_a_lost_run() -> None:
    shown = b.snapshot(
        412,
        state=RunState.LOST,
        supervisor_alive=False,
        status_changes={"heartbeat_at": b.NOW - 7200},
    )
    assert first(shown).endswith("last heartbeat 2 h ago")


def test_problems_of_reading_are_told_not_hidden() -> None:
    shown = replace(
        b.snapshot(0), status=None, loss=LossSeries(), problems=("status.json: torn at byte 3",)
    )
    assert second(shown) == "status.json: torn at byte 3."


def test_before_the_start() -> None:
    nothing = Checklist()
    ready = ready_verdict(Plan("spyke", b.forecast(), b.CHECKS), nothing)
    assert [c.text for c in ready.first] == ["920 steps", "5 checkpoints", "360 MB"]
    assert ready.kind is Kind.READY
    failed = nothing.found(CheckResult("device", "fail", "cpu"))
    refused = ready_verdict(Plan("spyke", b.forecast()), failed)
    assert refused.kind is Kind.NOT_READY
    assert "device" in refused.second[0].text and refused.second[0].role == "bad"
    broken = ready_verdict(Plan("p", problem="plasma.toml line 3: no"), nothing)
    assert broken.first[0].text.startswith("plasma.toml") and "e opens" in broken.second[0].text
    assert "step count unknown" in ready_verdict(Plan("p"), nothing).first[0].text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_are_clean_in_every_verdict(text: str) -> None:
    cause = Cause(text, text, text, text)
    shown = [
        b.snapshot(412, status_changes={"warnings": 1, "last_warning": text}),
        b.in_phase(Phase.CACHING, detail=text),
        b.ended(Outcome.FAILED, 412, cause),
        replace(b.snapshot(1), problems=(text,)),
    ]
    for snapshot in shown:
        for clause in _clauses(verdict_of(snapshot, b.NOW)):
            assert clause.isprintable()


def _clauses(verdict: Verdict) -> list[str]:
    return [clause.text for clause in (*verdict.first, *verdict.second)]


# --------------------------------------------------------------------------- alarms, the guard


def test_a_live_alarm_is_the_whole_judgement_and_the_price_stays() -> None:
    shown = s.alarmed(s.alarm(AlarmKind.NONFINITE), step=420)
    verdict = verdict_of(shown, b.NOW)
    assert len(verdict.first) == 1 and verdict.first[0].role == "bad"
    assert first(shown).startswith("Trouble. Loss is NaN since step 412: nothing")
    assert verdict.urgent and "Stopping now loses 20 steps (1 min 2 s)." in second(shown)


def test_the_worst_alarm_leads() -> None:
    shown = s.alarmed(s.alarm(AlarmKind.STALLED), s.alarm(AlarmKind.DIVERGING))
    assert first(shown).startswith("Trouble. The loss has been far too high")


def test_a_mild_alarm_leads_and_the_loss_is_told_after_it() -> None:
    shown = s.alarmed(s.alarm(AlarmKind.SLOW))
    assert first(shown).startswith("Watch. Steps have been slow since step 412")
    assert "Loss 0.1128" in first(shown) and "pace steady" not in first(shown)


def test_why_steps_are_slow_is_never_cut() -> None:
    text = "steps have been slow since step 412: 9 s/step, likely because other processes use 1.8 of 2 cores"
    shown = s.alarmed(s.alarm(AlarmKind.SLOW, text=text))
    assert "other processes use 1.8 of 2 cores" in first(shown)
    assert verdict_of(shown, b.NOW).urgent


def test_alarms_that_are_over_are_one_clause() -> None:
    shown = s.alarmed(s.alarm(AlarmKind.ONE_BAD_STEP, over_at=b.NOW - 60))
    assert "loss was NaN at step 412, finite again" in first(shown)
    two = s.alarmed(
        s.alarm(AlarmKind.SLOW, over_at=b.NOW - 900),
        s.alarm(AlarmKind.STALLED, step=300, over_at=b.NOW - 60),
    )
    assert "training stalled at step 300, running again (1 earlier alarm)" in first(two)


def test_a_bad_step_that_is_over_in_effect_is_told_as_one() -> None:
    """The guard lets it stand while the trainer's running average is poisoned."""
    shown = s.alarmed(s.alarm(AlarmKind.ONE_BAD_STEP))
    assert first(shown).startswith("Healthy. Loss 0.1128") and "loss was NaN at step 412" in first(
        shown
    )


def test_what_the_supervisor_told_replaces_the_guess_from_the_series() -> None:
    values = b.losses(412)
    values[200] = math.nan
    over = s.alarmed(s.alarm(AlarmKind.ONE_BAD_STEP, step=201, over_at=b.NOW - 60), step=412)
    assert first(replace(over, loss=b.series(values))).startswith("Healthy. Loss 0.1092")


def test_alarms_of_a_run_that_is_over_are_not_live() -> None:
    shown = b.ended(Outcome.STOPPED, 412)
    assert shown.status is not None
    shown = replace(shown, status=replace(shown.status, alarms=(s.alarm(AlarmKind.STALLED),)))
    assert first(shown) == "Stopped. At step 412/920, as ordered"


def test_a_stop_of_the_guard_names_it_and_its_reason() -> None:
    shown = b.ended(Outcome.STOPPED, 412)
    assert shown.status is not None
    status = replace(shown.status, stop_by="guard", alarms=(s.alarm(AlarmKind.FROZEN),))
    assert first(replace(shown, status=status)) == (
        "Stopped. At step 412/920 by the guard, the loss is exactly 0.0934 at every step since step "
        "412: nothing is being learned"
    )
    person = replace(shown, status=replace(shown.status, stop_by="anna"))
    assert first(person) == "Stopped. At step 412/920, as ordered by anna"
    number = replace(shown, status=replace(shown.status, stop_by="0"))
    assert first(number) == "Stopped. At step 412/920, as ordered"
    diverged = b.diverged()
    assert diverged.status is not None
    told = replace(diverged, status=replace(diverged.status, stop_by="guard"))
    assert first(told).endswith("worth keeping, stopped by the guard")


def test_a_stop_of_the_guard_is_named_while_it_stops_and_while_it_waits() -> None:
    alarms = (s.alarm(AlarmKind.DIVERGING),)
    stopping = b.snapshot(
        412,
        state=RunState.STOPPING,
        status_changes={"state": RunState.STOPPING, "stop_by": "guard", "alarms": alarms},
    )
    assert first(stopping).startswith("Stopping. By the guard: ordered")
    assert "far too high since step 412" in second(stopping)
    armed = b.snapshot(412, status_changes={"stop_after_save": True, "stop_by": "guard"})
    assert second(armed).startswith("The guard stops it after the save at step 600.")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_of_alarms_are_clean(text: str) -> None:
    for kind in AlarmKind:
        shown = s.alarmed(s.alarm(kind, text=text))
        for clause in _clauses(verdict_of(shown, b.NOW)):
            assert clause.isprintable()


def test_files_that_are_gone_or_of_no_use_are_told() -> None:
    text = first(s.troubled_files())
    assert "1 checkpoint deleted, not by the trainer, 2 checkpoints not usable" in text
    assert "checkpoint" not in first(b.snapshot(412))


# --------------------------------------------------------------------------- alarms of the hardware


def test_every_kind_of_alarm_has_its_words_and_its_place() -> None:
    for kind in AlarmKind:
        assert first(s.alarmed(s.alarm(kind)))
        assert first(s.alarmed(s.alarm(kind, over_at=b.NOW - 60)))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (AlarmKind.WRONG_DEVICE, "look at use_cpu"),
        (AlarmKind.GPU_IDLE, "is it really used? The console (l) shows what it waits for"),
        (AlarmKind.DISK_LOW, "make room"),
        (AlarmKind.GPU_TROUBLE, "saves are safe"),
    ],
)
def test_an_alarm_of_the_hardware_says_what_to_do(kind: AlarmKind, words: str) -> None:
    assert words in first(s.alarmed(s.alarm(kind)))


def test_a_run_on_the_wrong_device_is_worse_than_a_slow_one() -> None:
    shown = s.alarmed(s.alarm(AlarmKind.SLOW), s.alarm(AlarmKind.WRONG_DEVICE))
    assert first(shown).startswith("Trouble. It trains on the CPU")


def made_of(origin: str, outcome: Outcome | None) -> RunSnapshot:
    reasons = ("imported: nobody here watched it", "its numbers were not looked at")
    status = replace(b.status(), state=RunState.ENDED, outcome=outcome, reasons=reasons)
    return b.snapshot(
        state=RunState.ENDED, outcome=outcome, status=status, spec=b.spec(origin=origin)
    )


def test_an_imported_run_without_a_verdict_is_not_said_to_wait_for_one() -> None:
    made = made_of("imported", None)
    assert "plasma-tui didn't run it" in first(made) and "yet" not in first(made)
    assert second(made).startswith("Its numbers were not looked at.")


@pytest.mark.parametrize(
    ("origin", "words"), [("inspected", "From its log alone"), ("imported", "From its files alone")]
)
def test_a_judged_run_that_nobody_watched_says_so(origin: str, words: str) -> None:
    assert words in second(made_of(origin, Outcome.SUCCEEDED))
    assert words not in second(made_of("", Outcome.SUCCEEDED))
