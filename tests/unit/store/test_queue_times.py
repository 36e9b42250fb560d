"""When queued runs are expected to start and to end."""

from __future__ import annotations

from runner.model import RunListing, RunState, Waiting
from runner.store.queue_times import Occupancy, simulated
from runner.store.slots import Gpu, Slot

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


CARDS = [Slot(str(n), Gpu(str(n), "nvidia", n)) for n in range(2)]


def simulate(  # type: ignore[no-untyped-def]
    runs: list[RunListing], order: list[str], count: int, held: dict[str, list[str]] | None = None,
    **needed: int | list[int],
):  # fmt: skip
    """`needed`: a number of slots, or exactly which."""
    wanted = {}
    for run_id in order:
        need = needed.get(run_id, 1)
        exact = [[CARDS[n]] for n in need] if isinstance(need, list) else [CARDS[:count]] * need
        wanted[run_id] = exact
    return times(simulated(runs, order, Occupancy(held or {}, wanted), NOW))


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


def test_runs_of_different_gpus_do_not_wait_for_each_other() -> None:
    runs = [running("r", 1100.0), running("s", 1500.0), *(queued(name, 10.0) for name in "abcd")]
    held = {"r": ["1"], "s": ["0"]}
    assert simulate(runs, ["a", "b", "c", "d"], 2, held, a=[0], b=[1], c=[1], d=1) == {
        "a": (1, 1500.0, 1510.0), "b": (2, 1100.0, 1110.0), "c": (3, 1110.0, 1120.0),
        "d": (4, 1120.0, 1130.0),
    }  # fmt: skip


def test_no_run_passes_one_that_could_use_its_gpu() -> None:
    runs = [running("r", 1100.0), running("s", 1200.0), queued("a", 50.0), queued("b", 10.0)]
    found = simulate(runs, ["a", "b"], 2, {"r": ["0"], "s": ["1"]}, a=2, b=[0])
    assert found == {"a": (1, 1200.0, 1250.0), "b": (2, 1250.0, 1260.0)}


def test_a_training_without_an_estimate_yet_ends_by_its_forecast() -> None:
    starting = listed("r", RunState.STARTING, forecast_s=300.0, duration_s=100.0)
    assert simulate([starting, queued("a", 10.0)], ["a"], 1) == {"a": (1, 1200.0, 1210.0)}


def test_a_run_that_can_never_start_delays_nobody() -> None:
    found = times(simulated([queued("a", 5.0)], ["a"], Occupancy({}, {"a": []}), NOW))
    assert found == {"a": (1, None, None)}
