"""Which slots a queued run may take, with two GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.store import queue, slot_locks
from runner.store.queue import Entry, Mark
from runner.store.rundir import RunDir
from runner.store.slots import VARIABLE, Gpu
from runner.supervisor import slot_search
from runner.supervisor.slot_search import SlotSearch

GPUS = [Gpu("GPU-0", "nvidia", 0), Gpu("GPU-1", "nvidia", 1)]
Outside = dict[str, str]


class Line:
    """Runs in a queue."""

    def __init__(self, home: Path) -> None:
        self.home, self.order = home, list[Entry]()
        self.marks: dict[str, Mark] = {}
        self.held: list[slot_locks.Held] = []

    def add(
        self, name: str, gpus: tuple[str, ...] | None = None, slots: str = "", **more: bool
    ) -> None:
        run, env = RunDir(self.home / "runs" / name), {VARIABLE: slots, "SECRET": "x"}
        run.path.mkdir(parents=True)
        mark = Mark(1, 0.0, len(self.order), "me", "here", env, 1, gpus, **more)  # type: ignore[arg-type]
        queue.write_mark(run, mark)
        self.marks[name] = mark
        self.order = [*self.order, Entry(mark.place, name)]

    def search(self, name: str) -> SlotSearch:
        return SlotSearch(RunDir(self.home / "runs" / name))

    def may(self, name: str) -> bool:
        return self.search(name).has_turn(self.marks[name], self.order)

    def take(self, name: str) -> tuple[list[str], str]:
        """The slots that it takes now, and the reason for none."""
        search = self.search(name)
        found = search.find(self.marks[name], self.order, 1000.0)
        self.held += [held for _, held in found]
        return [slot.name for slot, _ in found], search.reason


@pytest.fixture
def outside() -> Outside:
    return {}


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outside: Outside) -> Iterator[Line]:
    monkeypatch.setattr(slot_search, "list_gpus", lambda: (GPUS, outside))
    slot_locks.remember_gpus(slot_locks.slots_folder(tmp_path, "here"), GPUS)
    made = Line(tmp_path)
    yield made
    slot_locks.release(made.held)


def test_runs_for_any_gpu_start_in_their_order(line: Line) -> None:
    line.add("a")
    line.add("b")
    assert line.may("a") and not line.may("b")
    assert line.take("b") == ([], "")


@pytest.mark.parametrize("pin", [{"gpus": ("0",)}, {"slots": "0,"}])
def test_a_run_passes_those_that_wait_for_another_gpu(line: Line, pin: dict[str, str]) -> None:
    line.add("a", gpus=("0",))
    line.add("b", **pin)  # type: ignore[arg-type]
    line.add("c")
    line.add("d", slots="1,")
    assert [name for name in "abcd" if line.may(name)] == ["a", "c"]
    assert line.take("c") == (["GPU-1"], "")
    assert line.take("a") == (["GPU-0"], "")


def test_a_run_for_two_gpus_is_never_passed(line: Line) -> None:
    line.add("a", gpus=("0", "1"))
    line.add("b", gpus=("1",))
    assert not line.may("b")


def test_an_entry_without_its_run_is_not_passed_before_it_is_removed(line: Line) -> None:
    line.add("a", gpus=("0",))
    line.add("b", gpus=("1",))
    assert line.may("b")
    RunDir(line.home / "runs" / "a").queued.unlink()
    assert not line.may("b")


def test_an_order_that_changed_during_the_search_counts(line: Line) -> None:
    line.add("a")
    line.add("b")
    search = line.search("a")
    found = search.find(line.marks["a"], line.order, 1000.0)
    line.held += [held for _, held in found]
    assert search.may_keep(found, line.marks["a"], line.order)
    assert not search.may_keep(found, line.marks["a"], line.order[::-1])
    assert not search.may_keep(found, line.marks["a"], line.order[1:])


def test_each_wait_has_its_reason(line: Line, outside: Outside) -> None:
    line.add("a", gpus=("1",))
    line.add("b", gpus=("1",))
    line.take("a")
    line.order = line.order[1:]
    assert line.take("b") == ([], "GPU 1 is used by run a")
    for name in "xyz":
        line.add(name, gpus=("0",), slots="4")
    assert line.take("x") == (["GPU-0"], "")
    line.order = line.order[:1] + line.order[2:]
    assert line.take("y") == (["GPU-0~2"], "")
    line.order = line.order[:1] + line.order[2:]
    assert line.take("z") == ([], "GPU 0 is used by 2 runs")
    slot_locks.release(line.held[1:])
    line.order, line.held = line.order[:1], line.held[:1]
    outside["GPU-0"] = "python of alice (pid 7, 18.0 GB)"
    line.add("c", gpus=("0",))
    used = "GPU 0 is used outside this queue by python of alice (pid 7, 18.0 GB)"
    assert line.take("c") == ([], used)
    line.add("d", gpus=("0",), force=True)
    line.order = line.order[-1:]
    assert line.take("d") == (["GPU-0"], "")


def test_the_secrets_of_the_runs_ahead_are_not_kept(line: Line) -> None:
    line.add("a", gpus=("0",))
    line.add("b")
    search = line.search("b")
    assert search.has_turn(line.marks["b"], line.order)
    assert "SECRET" not in repr(vars(search))
