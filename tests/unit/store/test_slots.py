"""Slots: what a machine offers, what a run needs, and their locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.slot_needs import needs_of
from runner.model import AttemptPlan
from runner.store import slot_locks, slots
from runner.store.slot_locks import Holder
from runner.store.slots import MACHINE, BadSlots, Gpu, Needs, Slot, offered, units

ONE, TWO = Gpu("GPU-1111-aa", "nvidia", 0), Gpu("GPU-2222-bb", "nvidia", 1)
AMD = Gpu("amd:0000:03:00.0", "amd", 0)


def names(found: list[Slot]) -> list[str]:
    return [slot.name for slot in found]


@pytest.mark.parametrize(
    ("gpus", "wish", "expected"),
    [
        ([], "", ["machine"]),
        ([ONE, TWO], "", ["GPU-1111-aa", "GPU-2222-bb"]),
        ([ONE, TWO], "1", ["GPU-1111-aa"]),
        ([ONE, TWO], "3", ["GPU-1111-aa", "GPU-2222-bb", "GPU-1111-aa~2"]),
        ([], "2", ["machine", "machine~2"]),
        ([ONE, TWO], "1,", ["GPU-2222-bb"]),
        ([ONE, TWO], " 1 , 0 ", ["GPU-2222-bb", "GPU-1111-aa"]),
        ([ONE, TWO], "GPU-22,", ["GPU-2222-bb"]),
        ([ONE], "0,7", ["GPU-1111-aa"]),
        ([AMD], "", ["amd_0000_03_00_0"]),
    ],
)
def test_the_slots_of_a_machine(gpus: list[Gpu], wish: str, expected: list[str]) -> None:
    assert names(offered(gpus, wish)) == expected


@pytest.mark.parametrize("wish", ["0", "-1", "two", "1.5", "9" * 50, ",", "a,b", "../x,"])
def test_nonsense_is_refused_with_a_sentence(wish: str) -> None:
    with pytest.raises(BadSlots, match="PLASMA_SLOTS"):
        offered([ONE], wish)


def test_a_run_takes_any_slots_or_exactly_the_chosen_ones() -> None:
    both = offered([ONE, TWO])
    assert units(both, Needs()) == [both]
    assert units(both, Needs(2)) == [both, both]
    assert units(both, Needs(1, ("1",))) == [[both[1]]]
    assert units(both, Needs(2, ("GPU-2222-bb", "0"))) == [[both[1]], [both[0]]]
    assert units(both, Needs(1, ())) == [[MACHINE]], "it hides every GPU"
    assert units(offered([]), Needs(4)) == [[MACHINE]], "processes share a machine without GPUs"
    with pytest.raises(BadSlots, match="needs 3 GPUs, and this machine has 2"):
        units(both, Needs(3))
    with pytest.raises(BadSlots, match="GPU 5"):
        units(both, Needs(1, ("5",)))


def plan(*words: str, **env: str | None) -> AttemptPlan:
    command = ("python", *words, "train.py", "--seed", "1")
    return AttemptPlan(1, command, env, "/", None, None)


def test_the_needs_of_a_launch() -> None:
    launcher = ("-m", "accelerate.commands.launch")
    assert needs_of(plan(), {}) == Needs()
    assert needs_of(plan(*launcher, "--num_processes=2"), {}) == Needs(2)
    assert needs_of(plan(), {"CUDA_VISIBLE_DEVICES": "1, 2"}) == Needs(1, ("1", "2"))
    assert needs_of(plan(CUDA_VISIBLE_DEVICES="3"), {"CUDA_VISIBLE_DEVICES": "1"}) == Needs(
        1, ("3",)
    )
    assert needs_of(plan(CUDA_VISIBLE_DEVICES=None), {"CUDA_VISIBLE_DEVICES": "1"}) == Needs()
    assert needs_of(plan(), {"CUDA_VISIBLE_DEVICES": ""}) == Needs(1, ())
    assert needs_of(plan(), {"HIP_VISIBLE_DEVICES": "0"}) == Needs(1, ("0",))
    both = plan(*launcher, "--num_processes=2", "--gpu_ids=0,1")
    assert needs_of(both, {"CUDA_VISIBLE_DEVICES": "5"}) == Needs(2, ("0", "1"))


def test_what_the_trainer_sees() -> None:
    assert slots.visible(offered([ONE, TWO])) == {"CUDA_VISIBLE_DEVICES": "GPU-1111-aa,GPU-2222-bb"}
    assert slots.visible(offered([AMD])) == {"HIP_VISIBLE_DEVICES": "0"}
    assert slots.visible([MACHINE]) == {}


# --------------------------------------------------------------------------- locks

MINE, OTHER = Holder("/runs/mine", 1, alone=True), Holder("/runs/other", 1, alone=True)


def never(_: Holder) -> bool:
    return False


def test_all_slots_or_none(tmp_path: Path) -> None:
    both = offered([ONE, TWO])
    taken = slot_locks.take(tmp_path, [both], OTHER, never)
    assert [slot.gpu for slot, _ in taken] == [ONE]
    assert slot_locks.take(tmp_path, [both, both], MINE, never) == []
    found = slot_locks.take(tmp_path, [both], MINE, never)
    assert [slot.gpu for slot, _ in found] == [TWO], "a failed attempt keeps nothing"
    slot_locks.release([held for _, held in (*taken, *found)])
    found = slot_locks.take(tmp_path, [both, both], MINE, never)
    assert {slot.gpu for slot, _ in found} == {ONE, TWO}
    slot_locks.release([held for _, held in found])


def test_two_slots_of_one_gpu_are_not_two_gpus(tmp_path: Path) -> None:
    four = offered([ONE, TWO], "4")
    found = slot_locks.take(tmp_path, units(four, Needs(2)), MINE, never)
    assert {slot.gpu for slot, _ in found} == {ONE, TWO}
    slot_locks.release([held for _, held in found])


def test_a_slot_whose_training_lives_without_a_lock_is_not_free(tmp_path: Path) -> None:
    slot_locks.release([held for _, held in slot_locks.take(tmp_path, [[MACHINE]], OTHER, never)])
    assert slot_locks.take(tmp_path, [[MACHINE]], MINE, lambda one: one == OTHER) == []
    again = slot_locks.retake(tmp_path, OTHER)
    assert [one.slot for one in again] == ["machine"]
    assert slot_locks.named_by(tmp_path, "other", 1) == OTHER
    assert slot_locks.named_by(tmp_path, "other", 2) is None
    slot_locks.release(again)
    assert slot_locks.take(tmp_path, [[MACHINE]], MINE, never)


def test_a_holder_is_known_after_its_home_was_moved(tmp_path: Path) -> None:
    slot_locks.release([held for _, held in slot_locks.take(tmp_path, [[MACHINE]], OTHER, never)])
    moved = Holder("/elsewhere/runs/other", 1, alone=True)
    assert slot_locks.take(tmp_path, [[MACHINE]], MINE, lambda one: one == moved) == []
    again = slot_locks.retake(tmp_path, moved)
    assert [one.slot for one in again] == ["machine"]
    slot_locks.release(again)


def test_plain_starts_share_a_slot_and_keep_the_queue_out(tmp_path: Path) -> None:
    first, second = Holder("/runs/a", 1, alone=False), Holder("/runs/b", 1, alone=False)
    held = [slot_locks.share(tmp_path, MACHINE, one) for one in (first, second)]
    assert None not in held
    assert slot_locks.take(tmp_path, [[MACHINE]], MINE, never) == []
    assert slot_locks.named_by(tmp_path, "a", 1) == first
    slot_locks.release([one for one in held if one is not None])
    found = slot_locks.take(tmp_path, [[MACHINE]], MINE, never)
    assert slot_locks.share(tmp_path, MACHINE, first) is None
    assert slot_locks.named_by(tmp_path, "a", 1) is None
    slot_locks.release([one for _, one in found])


def test_nothing_is_taken_while_a_plain_start_looks_for_its_slots(tmp_path: Path) -> None:
    assert slot_locks.nothing_starts(tmp_path)
    held = slot_locks.begin_plain(tmp_path)
    assert held is not None and not slot_locks.nothing_starts(tmp_path)
    slot_locks.release([held])
    assert slot_locks.nothing_starts(tmp_path)


def test_garbage_in_a_lock_file_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "machine.lock").write_bytes(
        b'\xff{"run": 3}\n[1]\n{"run":"/x","attempt":"y","alone":1}\n'
    )
    assert slot_locks.take(tmp_path, [[MACHINE]], MINE, lambda _: True)
