"""`show` as text: what a person reads who has no screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.model import AlarmKind, AttemptStatus, ExitRecord, Outcome, RunSnapshot, RunState
from tests import builders as b
from tests import machines as m
from tests import stories as s
from tests.hostile import HOSTILE
from tui.cli.show_text import HEADS, checkpoint_cells, show_lines


def text(snapshot: RunSnapshot) -> str:
    return "\n".join(show_lines(snapshot))


def test_attempts_are_told_with_the_steps_that_were_replaced() -> None:
    shown = s.resumed()
    assert shown.status is not None
    first = replace(shown.status.attempts[0], exit=ExitRecord(1, None, 9, b.NOW))
    attempts = (first, shown.status.attempts[1])
    told = text(replace(shown, status=replace(shown.status, attempts=attempts)))
    assert "  attempt 1: steps 1 to 412, ended by signal 9" in told
    assert "  attempt 2: steps 401 to 520" in told
    assert "(the later results count): 401-412" in told


def test_a_single_attempt_is_not_listed() -> None:
    shown = b.snapshot(412)
    assert shown.status is not None
    only = replace(shown, status=replace(shown.status, attempts=(AttemptStatus(1, b.NOW),)))
    assert "attempt 1:" not in text(only) and "1 attempt" in text(only)


def test_a_cause_is_told_with_its_cure_and_the_command_that_applies_it() -> None:
    told = text(b.ended(Outcome.FAILED, 412, s.OOM))
    assert "cause: mps_out_of_memory: RuntimeError: MPS backend" in told
    assert "fix: cache_latents=true gradient_checkpointing=true env.PYTORCH_MPS_HIGH" in told
    assert f"`plasma-tui retry {b.RUN_ID}`" in told


def test_alarms_are_told_with_their_times() -> None:
    told = text(s.alarmed(s.alarm(AlarmKind.SLOW, over_at=b.NOW)))
    assert "! since " in told and ", over at " in told and "Steps have been slow" in told


def test_an_ordered_stop_is_told() -> None:
    shown = b.snapshot(412, status_changes={"stop_after_save": True, "stop_by": "guard"})
    assert "stops after the next save (ordered by the guard)" in text(shown)


def test_files_are_told_with_norms_and_what_is_wrong_with_them() -> None:
    rows = {
        row[1]: dict(zip(HEADS, row, strict=True)) for row in checkpoint_cells(s.troubled_files())
    }
    assert rows["100"][""] == "deleted by the trainer"
    assert rows["150"][""] == "deleted, and not by the trainer"
    assert rows["250"]["finite"] == "NO" and "528 of 792" in rows["250"][""]
    assert rows["300"]["norm"] == "0.00" and "network is dead" in rows["300"][""]
    assert rows["350"]["val"] == "0.1181" and "due to go at step 600" in rows["350"][""]
    assert rows["400"]["state"] == "NO" and rows["400"]["change"] == "+41 %"
    assert "600" not in rows


def test_what_cannot_come_is_listed_and_what_is_still_to_come_is_not() -> None:
    rows = {row[1]: row[-1] for row in checkpoint_cells(s.resumed())}
    assert rows["600"] == "cannot come: save grid moved" and "745" not in rows


def test_the_hardware_of_a_run_is_told() -> None:
    lines = list(show_lines(m.two_cards()))
    assert "hardware: NVIDIA GeForce RTX 4090, by nvml" in lines
    assert "  GPU busy 87 % on average while training, at most 99 %, idle for 12 s." in lines
    assert "  also running: ComfyUI 6.1 GB, 40 %, for 2 h (process 4242)" in lines
    assert "  disk: 61.0 GB free, all saves fit" in lines
    assert any("full at step 800" in line for line in show_lines(m.filling_disk()))


def test_of_a_run_that_is_over_only_what_was_used_is_told() -> None:
    over = replace(m.two_cards(), state=RunState.ENDED, outcome=Outcome.STOPPED)
    lines = list(show_lines(over))
    assert any(line.startswith("  GPU busy 87 %") for line in lines)
    assert not any("also running" in line or line.startswith("  disk") for line in lines)


@pytest.mark.parametrize("foreign", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_is_clean(foreign: str) -> None:
    one = b.checkpoint(200, name=foreign, problem=foreign, remark=foreign)
    shown = b.ended(Outcome.FAILED, 412, replace(s.OOM, evidence=foreign, changes=(foreign,)))
    assert shown.status is not None
    alarms = (s.alarm(AlarmKind.SLOW, text=foreign),)
    status = replace(shown.status, checkpoints=(one,), alarms=alarms, reasons=(foreign,))
    shown = replace(shown, status=status, problems=(foreign,))
    for line in show_lines(shown):
        assert line.isprintable()
    assert all(cell.isprintable() for row in checkpoint_cells(shown) for cell in row)
