"""The verdict in every state: both lines beside their approved text in `goldens/verdicts.txt`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.model import (
    Alarm,
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
from tests import builders as b
from tests import stories as s
from tests.goldens import approve
from tests.hostile import HOSTILE
from tui.backend.results import Plan
from tui.kit.paint import plain
from tui.panels.header import header_of
from tui.panels.result import result_card
from tui.panels.verdict import ready_verdict, verdict_of, verdict_rows
from tui.words.checklist import Checklist
from tui.words.clauses import Kind, Verdict
from tui.words.loss import chart_model

STOPPING = {"state": RunState.STOPPING}
FIX = "cache_latents=true"
KILLED = Cause("killed_by_signal", "signal 9", "Resume.", FIX, (FIX,))


def text_of(verdict: Verdict) -> str:
    return "\n".join(plain(row).rstrip() for row in verdict_rows(verdict, 400, 2)).rstrip()


def live(step: int = 412, **changes: Any) -> RunSnapshot:
    return b.snapshot(step, status_changes=changes)


def series(shown: RunSnapshot, values: list[float], **how: Any) -> RunSnapshot:
    return replace(shown, loss=b.series(values, **how))


def status(shown: RunSnapshot, **changes: Any) -> RunSnapshot:
    assert shown.status is not None
    return replace(shown, status=replace(shown.status, **changes))


def happened(*events: tuple[float, str, dict[str, Any]]) -> tuple[JournalEvent, ...]:
    return tuple(JournalEvent(b.NOW - ago, kind, 1, None, data) for ago, kind, data in events)


def one_bad(at: int = 200) -> list[float]:
    return [math.nan if step == at else value for step, value in enumerate(b.losses(412))]


def imported(origin: str, outcome: Outcome | None) -> RunSnapshot:
    reasons = ("imported", "its values were not checked")
    made = replace(b.status(), state=RunState.ENDED, outcome=outcome, reasons=reasons)
    return b.snapshot(
        state=RunState.ENDED, outcome=outcome, status=made, spec=b.spec(origin=origin)
    )


def alarms(*found: Alarm, step: int = 420) -> RunSnapshot:
    return s.alarmed(*found, step=step)


def running() -> Iterator[tuple[str, RunSnapshot | None]]:
    yield "nothing read", None
    yield "calm", live()
    for step in (460, 480, 555, 689, 690):
        yield f"trend at step {step} of epochs of 230", b.snapshot(step)
    yield "doubled", series(live(460), [0.1] * 230 + [0.5] * 230)
    flat = [0.1 + 0.02 * math.sin(i * 12.9898) for i in range(500)]
    yield "flat", series(live(500), flat)
    yield "rising", series(live(500), [0.1 + 0.0002 * i for i in range(500)])
    yield "running average only", series(live(), b.losses(412), exact=False)
    yield "five steps", series(live(5), b.losses(5))
    yield "slower", live(seconds_per_step=7.1)
    yield "pace unknown", series(live(), b.losses(412), per_step_s=None)
    spec = live().spec
    assert spec is not None
    yield "silent steps", replace(live(), spec=replace(spec, created_at=spec.created_at - 600))
    yield "warnings", live(warnings=2, last_warning="a mask is ignored")
    bare = (b.checkpoint(400, state_path=None, state_complete=None),)
    yield "weights without a state", live(checkpoints=bare, safe_step=0)
    yield "stop after the next save", live(stop_after_save=True)
    yield "the guard waits for a save", live(stop_after_save=True, stop_by="guard")
    yield "no supervisor", replace(live(), supervisor_alive=False)
    yield "silent supervisor", live(heartbeat_at=b.NOW - 40)
    for phase in (Phase.CACHING, Phase.LOADING, Phase.LAUNCHING, Phase.SAMPLING):
        yield f"phase {phase}", b.in_phase(phase, detail="latents" * (phase is Phase.CACHING))
    torn = ("status.json: torn at byte 3",)
    yield "unreadable", replace(live(0), status=None, loss=LossSeries(), problems=torn)
    yield "bad files", s.troubled_files()
    yield "diverging", b.diverged(live=True)
    unseen = (b.checkpoint(400, finite=None),)
    yield "diverging, files unverified", status(b.diverged(live=True), checkpoints=unseen)
    yield "one NaN, finite again", series(live(), one_bad())
    average = live(first_nonfinite_step=12)
    yield "average poisoned by NaN", series(average, b.losses(412), exact=False)
    for kind in AlarmKind:
        yield f"alarm {kind}", alarms(s.alarm(kind))
        yield f"alarm over {kind}", alarms(s.alarm(kind, over_at=b.NOW - 60))
    yield "worst alarm leads", alarms(s.alarm(AlarmKind.STALLED), s.alarm(AlarmKind.DIVERGING))
    slow = s.alarm(AlarmKind.SLOW)
    yield "wrong device before slow", alarms(slow, s.alarm(AlarmKind.WRONG_DEVICE))
    earlier = s.alarm(AlarmKind.SLOW, over_at=b.NOW - 900)
    stalled = s.alarm(AlarmKind.STALLED, step=300, over_at=b.NOW - 60)
    yield "two alarms over", alarms(earlier, stalled)
    over = s.alarm(AlarmKind.ONE_BAD_STEP, step=201, over_at=b.NOW - 60)
    yield "the supervisor's alarm, not the guess", series(alarms(over, step=412), one_bad())


def stopping() -> Iterator[tuple[str, RunSnapshot]]:
    shown = b.snapshot(412, state=RunState.STOPPING, status_changes=STOPPING)
    yield "ordered", shown
    signals = happened(
        (30, "signalled", {"signal": "SIGINT"}), (11, "signalled", {"signal": "SIGTERM"})
    )
    yield "signalled", replace(shown, events=signals)
    yield "signalled in an earlier attempt", status(replace(shown, events=signals), attempt=2)
    reason = (s.alarm(AlarmKind.DIVERGING, brief="the loss has been far too high since step 412"),)
    yield "by the guard", status(shown, stop_by="guard", alarms=reason)


def ended() -> Iterator[tuple[str, RunSnapshot]]:
    good = b.ended(Outcome.SUCCEEDED)
    yield "succeeded", good
    assert good.status is not None
    yield "two files missing", status(good, checkpoints=good.status.checkpoints[:3])
    yield "out of memory", b.ended(Outcome.FAILED, 412, s.OOM)
    full = Cause("disk_full", "OSError: [Errno 28]", "Make room")
    yield "disk full", b.ended(Outcome.FAILED, 412, full)
    yield "unknown cause", b.ended(Outcome.FAILED, 412, Cause("unknown", "KeyError: 'te1'", "Log"))
    yield "failed before the first step", b.ended(Outcome.FAILED, 0)
    yield "submodule", b.ended(Outcome.FAILED, 0, s.MODULE)
    yield "diverged", s.diverged_with_cause()
    yield "diverged, stopped by the guard", status(b.diverged(), stop_by="guard")
    yield "nothing trained", b.ended(Outcome.NOTHING_TRAINED, 0)
    killed = b.ended(Outcome.KILLED, 412, KILLED)
    yield "killed", killed
    attempt = AttemptStatus(1, b.NOW - 900, 1, 412, ExitRecord(1, None, 9, b.NOW))
    yield "killed by a known signal", status(killed, attempts=(attempt,))
    yield "killed, nothing saved", status(killed, safe_step=0)
    proven = replace(KILLED, key="host_out_of_memory")
    yield "killed, memory proven short", b.ended(Outcome.KILLED, 412, proven)
    stopped = b.ended(Outcome.STOPPED, 412)
    yield "stopped", stopped
    for by in ("anna", "0"):
        yield f"stopped by {by}", status(stopped, stop_by=by)
    yield "stopped, an alarm left", status(stopped, alarms=(s.alarm(AlarmKind.STALLED),))
    frozen = (s.alarm(AlarmKind.FROZEN),)
    yield "stopped by the guard", status(stopped, stop_by="guard", alarms=frozen)
    left = happened((0, "survivors", {"processes": [[41, "python"]]}))
    yield "processes left", replace(stopped, events=left)
    yield "processes left in an earlier attempt", status(replace(stopped, events=left), attempt=2)
    yield "not evaluated", status(replace(good, outcome=None), outcome=None)
    lost = b.snapshot(412, state=RunState.LOST, status_changes={"heartbeat_at": b.NOW - 7200})
    yield "lost", replace(lost, supervisor_alive=False)
    yield "imported", imported("imported", None)
    yield "imported, evaluated", imported("imported", Outcome.SUCCEEDED)
    yield "inspected", imported("inspected", Outcome.SUCCEEDED)


def before() -> Iterator[tuple[str, Verdict]]:
    plan, nothing = Plan("spyke", b.forecast(), b.CHECKS), Checklist()
    yield "ready", ready_verdict(plan, nothing)
    yield "a check fails", ready_verdict(plan, nothing.found(CheckResult("device", "fail", "cpu")))
    yield "broken file", ready_verdict(Plan("p", problem="plasma.toml line 3: no"), nothing)
    yield "no forecast", ready_verdict(Plan("p"), nothing)
    yield "reading", ready_verdict(None, nothing)


def test_every_verdict_is_as_approved(pytestconfig: pytest.Config) -> None:
    runs = (*running(), *stopping(), *ended())
    found = [(name, verdict_of(shown, b.NOW)) for name, shown in runs] + list(before())
    assert len({name for name, _ in found}) == len(found)
    text = "\n\n".join(f"{name}\n{text_of(verdict)}" for name, verdict in found)
    approve(Path(__file__).parent / "goldens" / "verdicts.txt", f"{text}\n", pytestconfig)


def test_one_pace_in_header_and_sentence_and_one_nan_in_loss_and_sentence() -> None:
    slower = live(seconds_per_step=7.1)
    assert "7.1 s/step" in [field.text.strip() for field in header_of(slower).ends]
    poisoned = series(live(first_nonfinite_step=12), b.losses(412), exact=False)
    assert chart_model(poisoned).value == "NaN"


def test_the_card_recommends_what_the_verdict_does() -> None:
    for name, shown in ended():
        card = result_card(shown)
        assert card is not None
        said = text_of(verdict_of(shown, b.NOW))
        assert (card.leads == "resume") == ("r: resume" in said), name
        assert (card.leads == "retry") == ("y: retry" in said), name


def test_only_an_alarm_that_asks_for_something_may_take_more_rows() -> None:
    assert verdict_of(alarms(s.alarm(AlarmKind.SLOW)), b.NOW).urgent
    assert not verdict_of(alarms(s.alarm(AlarmKind.ONE_BAD_STEP)), b.NOW).urgent
    assert verdict_of(alarms(s.alarm(AlarmKind.ONE_BAD_STEP)), b.NOW).kind is Kind.HEALTHY
    assert not verdict_of(live(), b.NOW).urgent


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_is_clean_in_every_verdict(text: str) -> None:
    shown = [
        live(warnings=1, last_warning=text),
        b.in_phase(Phase.CACHING, detail=text),
        b.ended(Outcome.FAILED, 412, Cause(text, text, text, text)),
        replace(b.snapshot(1), problems=(text,)),
        *(alarms(s.alarm(kind, text=text)) for kind in AlarmKind),
    ]
    for snapshot in shown:
        verdict = verdict_of(snapshot, b.NOW)
        assert all(clause.text.isprintable() for clause in (*verdict.first, *verdict.second))
