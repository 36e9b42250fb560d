"""Will the disk hold what is still to be saved?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.model import ExpectedCheckpoint
from tests import builders as b
from tests import machines as m
from tui.panels.machine import gauge_board
from tui.words.machine import DiskRoom, Write, disk_room, room_of, writes_to_come

W, S = 72_100_000, 430_000_000


@pytest.mark.parametrize(
    ("free", "full_at"), [(400, None), (399, 400), (250, 300), (150, 200), (0, 100)]
)
def test_the_first_save_that_does_not_fit(free: int, full_at: int | None) -> None:
    writes = [Write(step, 100) for step in (400, 100, 300, 200)]
    assert disk_room(free, writes) == DiskRoom(full_at, 400)


def test_the_new_file_is_written_before_the_old_one_goes() -> None:
    writes = [Write(100, 100, 100), Write(200, 100, 100), Write(300, 100, 100)]
    assert disk_room(100, writes) == DiskRoom(None, 100)
    assert disk_room(99, writes) == DiskRoom(100, 100)


def test_nothing_to_come_fits() -> None:
    assert disk_room(0, []) == DiskRoom(None, 0)


def test_saves_to_come_are_weights_and_states() -> None:
    writes = writes_to_come(m.one_card())
    assert writes is not None
    assert [(one.step, one.added_bytes) for one in writes] == [(600, W + S), (800, W + S), (920, W)]


def test_what_save_last_n_deletes_makes_room() -> None:
    shown = m.one_card()
    assert shown.spec is not None and shown.spec.forecast is not None and shown.status is not None
    coming = tuple(
        replace(one, removed_at_step=one.step + 200, state_removed_at_step=one.step + 200)
        if one.state_name
        else one
        for one in shown.spec.forecast.checkpoints
    )
    forecast = replace(shown.spec.forecast, checkpoints=coming)
    kept = b.checkpoint(400, removed_at_step=600, state_removed_at_step=600)
    shown = replace(
        shown,
        spec=replace(shown.spec, forecast=forecast),
        status=replace(shown.status, checkpoints=(b.checkpoint(200, removed=True), kept)),
    )
    room = room_of(shown, 10_000_000_000)
    assert room == DiskRoom(None, W + S)
    assert room_of(shown, W + S - 1) == DiskRoom(600, W + S)


def test_a_file_that_is_gone_frees_nothing_again() -> None:
    shown = m.one_card()
    assert shown.status is not None
    gone = b.checkpoint(400, removed_at_step=600, missing=True)
    shown = replace(shown, status=replace(shown.status, checkpoints=(b.checkpoint(200), gone)))
    assert all(one.freed_bytes == 0 for one in writes_to_come(shown) or ())


def test_nothing_is_said_where_a_size_is_not_known() -> None:
    assert room_of(b.snapshot(), 10) is None, "no state_bytes, and states will be saved"
    assert room_of(m.one_card(), None) is None
    assert room_of(b.snapshot(spec=b.spec(forecast=None)), 10) is None
    early = b.snapshot(10, spec=b.spec(forecast=b.forecast()))
    assert room_of(early, 10) is None, "no file yet, and no forecast of its size"


def test_weights_alone_need_no_size_of_a_state() -> None:
    shown = b.snapshot()
    assert shown.spec is not None
    forecast = replace(b.forecast(), checkpoints=(ExpectedCheckpoint("spyke.safetensors", 920),))
    shown = replace(shown, spec=replace(shown.spec, forecast=forecast))
    assert room_of(shown, W) == DiskRoom(None, W)
    assert room_of(shown, W - 1) == DiskRoom(920, W)


def test_the_panel_says_when_the_disk_is_full() -> None:
    board = gauge_board(m.filling_disk(), b.NOW)
    gauges = {one.label: one for one in board.rows}
    assert gauges["disk"].role == "bad" and gauges["disk"].note == "full at step 800"
    assert gauges["temp"].note == "free: nearly full"
    calm = {one.label: one for one in gauge_board(m.one_card(), b.NOW).rows}
    assert calm["disk"].note == "free: all saves fit" and "temp" not in calm
