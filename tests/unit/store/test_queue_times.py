"""When queued runs are expected to start and to end."""

from __future__ import annotations

from runner.model import RunListing, RunState, Waiting
from runner.store.queue_times import simulated

NOW = 1000.0


def listed(name: str, state: RunState, **more: object) -> RunListing:
    known = {
        "id": name, "name": name, "state": state, "outcome": None, "created_at": 0.0, "step": 0,
        "total_steps": None, "loss": None, "checkpoints": 0, "duration_s": None, "host": "h", "problem": None,
    }  # fmt: skip
    return RunListing(**(known | more))  # type: ignore[arg-type]


def running(name: str, ends_at: float | None) -> RunListing:
    return listed(name, RunState.RUNNING, ends_at=ends_at)


def queued(name: str, forecast_s: float | None, *, held: bool = False) -> RunListing:
    return listed(name, RunState.QUEUED, forecast_s=forecast_s, waiting=Waiting(held=held))


def times(found: list[RunListing]) -> dict[str, tuple[int | None, float | None, float | None]]:
    return {
        one.id: (one.waiting.place, one.waiting.expected_start_at, one.ends_at)
        for one in found
        if one.waiting is not None
    }


def simulate(runs: list[RunListing], order: list[str], slots: int, **needed: int):  # type: ignore[no-untyped-def]
    return times(simulated(runs, order, slots, NOW, needed))


def test_one_slot_one_after_another() -> None:
    runs = [running("r", 1100.0), queued("b", 50.0), queued("a", 10.0)]
    assert simulate(runs, ["a", "b"], 1) == {"a": (1, 1100.0, 1110.0), "b": (2, 1110.0, 1160.0)}


def test_two_slots() -> None:
    runs = [running("r", 1100.0), queued("a", 10.0), queued("b", 500.0), queued("c", 1.0)]
    assert simulate(runs, ["a", "b", "c"], 2) == {
        "a": (1, 1000.0, 1010.0), "b": (2, 1010.0, 1510.0), "c": (3, 1100.0, 1101.0),
    }  # fmt: skip


def test_a_run_of_two_slots_waits_for_both_and_nobody_passes() -> None:
    runs = [running("r", 1100.0), queued("a", 10.0), queued("b", 10.0)]
    found = simulate(runs, ["a", "b"], 2, a=2)
    assert found == {"a": (1, 1100.0, 1110.0), "b": (2, 1110.0, 1120.0)}


def test_what_depends_on_an_unknown_time_is_unknown() -> None:
    runs = [running("r", None), queued("a", 10.0)]
    assert simulate(runs, ["a"], 1) == {"a": (1, None, None)}
    runs = [queued("a", None), queued("b", 10.0)]
    assert simulate(runs, ["a", "b"], 1) == {"a": (1, 1000.0, None), "b": (2, None, None)}


def test_a_held_run_has_its_place_and_delays_nobody() -> None:
    runs = [queued("a", 10.0, held=True), queued("b", 10.0)]
    assert simulate(runs, ["a", "b"], 1) == {"a": (1, None, None), "b": (2, 1000.0, 1010.0)}


def test_more_running_than_slots() -> None:
    runs = [running("r", 1100.0), running("s", 1200.0), queued("a", 1.0)]
    assert simulate(runs, ["a"], 1)["a"] == (1, 1200.0, 1201.0)
