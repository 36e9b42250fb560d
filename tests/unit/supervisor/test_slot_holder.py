"""The slots of a plain start."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.model import HardwareSample
from runner.store import queue, slot_locks
from runner.store.rundir import RunDir
from runner.store.slots import Gpu, Slot, offered
from runner.supervisor import slot_holder
from runner.supervisor.slot_holder import PATIENCE_S, SlotHolder


def test_a_disk_that_is_full_for_the_second_gpu_does_not_stop_the_queue_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue waits for a plain start that has not yet said which GPUs it uses."""
    slots: list[Slot] = offered([Gpu("GPU-0", "nvidia", 0), Gpu("GPU-1", "nvidia", 1)])
    folder = slot_locks.slots_folder(tmp_path, queue.this_host())
    other = slot_locks.Holder("/runs/other", 1, alone=True)
    taken = slot_locks.take(folder, [[slots[1]]], other, lambda _: False)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slot_holder, "_by_default", lambda *_: [[one] for one in slots])
    monkeypatch.setattr(slot_holder, "_answered", lambda _: True)
    monkeypatch.setattr(slot_locks, "claim", full)
    context: Any = SimpleNamespace(run=RunDir(tmp_path / "runs" / "a"), attempt=1, plan=None)
    holder, sample = SlotHolder(context), HardwareSample(0.0)
    holder.begin_plain()
    holder.hold(sample)
    assert not slot_locks.nothing_starts(folder)
    later = time.monotonic() + PATIENCE_S + 1.0
    monkeypatch.setattr(slot_holder.time, "monotonic", lambda: later)
    holder.hold(sample)
    assert slot_locks.nothing_starts(folder)
    holder.release()
    slot_locks.release([held for _, held in taken])
