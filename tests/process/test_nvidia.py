"""The NVIDIA source against a driver's library in C: every value, its changes, users, MIG."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from runner.hardware import nvidia_facts, nvml
from tests.fake_nvml.machine import FIRST, MIB, SECOND, Machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an ELF library")


def test_every_value_of_a_card_is_read_in_its_own_unit(machine: Callable[..., Machine]) -> None:
    there = machine()
    there.says("0.util 76", "0.used 9000", "0.throttle 0x44")
    (card,) = there.cards()
    expected = {
        "key": FIRST,
        "source": "nvml",
        "name": "NVIDIA Fake 0",
        "index": 0,
        "percent": 76.0,
        "memory_used_bytes": 9000 * MIB,
        "memory_total_bytes": 24576 * MIB,
        "memory_run_bytes": None,
        "memory_others_bytes": 9000 * MIB,
        "temperature_c": 63.0,
        "power_w": 250.5,
        "power_limit_w": 450.0,
        "clock_mhz": 2520.0,
        "memory_clock_mhz": 10501.0,
        "fan_percent": 41.0,
        "energy_j": 5000.0,
        "throttle": ["power cap", "thermal"],
        "users": [],
        "problem": None,
        "reasons": {"memory_run_bytes": nvidia_facts.NO_RUN},
    }
    assert {key: card[key] for key in expected} == expected


def test_the_next_reading_shows_what_has_changed(machine: Callable[..., Machine]) -> None:
    there = machine()
    there.says("cards 2", "0.util 3", "1.util 99", "1.energy 1000")
    assert [card["percent"] for card in there.cards()] == [3.0, 99.0]
    there.says("cards 2", "0.util 98", "1.util 0", "1.temp 88", "1.energy 61000", "1.throttle 0x20")
    first, second = there.cards()
    assert (first["percent"], second["percent"]) == (98.0, 0.0)
    assert (second["temperature_c"], second["energy_j"]) == (88.0, 61.0)
    assert (first["throttle"], second["throttle"]) == ([], ["thermal"])
    assert (first["key"], second["key"]) == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("nvmlDeviceGetUtilizationRates", ["percent"]),
        ("nvmlDeviceGetTemperature", ["temperature_c"]),
        ("nvmlDeviceGetPowerUsage", ["power_w"]),
        ("nvmlDeviceGetEnforcedPowerLimit", ["power_limit_w"]),
        ("nvmlDeviceGetClockInfo", ["clock_mhz", "memory_clock_mhz"]),
        ("nvmlDeviceGetFanSpeed", ["fan_percent"]),
        ("nvmlDeviceGetTotalEnergyConsumption", ["energy_j"]),
        ("nvmlDeviceGetMemoryInfo_v2", ["memory_used_bytes"]),
    ],
)
def test_a_value_that_a_card_cannot_give_is_none_with_its_reason_and_the_rest_stays(
    machine: Callable[..., Machine], call: str, fields: list[str]
) -> None:
    there = machine()
    there.says("cards 2", f"1.{call} 3")
    whole, partly = there.cards()
    for field in fields:
        assert whole[field] is not None
        assert partly[field] is None
        assert partly["reasons"][field] == "not supported by this GPU"
    same = set(whole) - {*fields, "key", "name", "index", "reasons"}
    same -= (
        {"memory_total_bytes", "memory_others_bytes"} if "memory_used_bytes" in fields else set()
    )
    assert {field: partly[field] for field in same} == {field: whole[field] for field in same}
    assert partly["problem"] is None


def test_an_unknown_code_is_told_in_the_drivers_own_words(machine: Callable[..., Machine]) -> None:
    there = machine()
    there.says("nvmlDeviceGetPowerUsage 77")
    assert there.cards()[0]["reasons"]["power_w"] == "not measured: Fake Trouble"


def test_an_old_driver_gives_the_same_by_its_older_calls_and_says_what_differs(
    machine: Callable[..., Machine],
) -> None:
    there = machine("-DOLD")
    there.says("0.used 1000", "0.reserved 300", "0.throttle 4", f"0.compute {os.getpid()} {MIB}")
    (card,) = there.cards(os.getpid())
    assert card["memory_used_bytes"] == 1300 * MIB
    assert card["reasons"]["memory_used_bytes"] == nvml.OLD_MEMORY
    assert card["throttle"] == ["power cap"]
    assert card["memory_run_bytes"] == MIB


def test_users_are_named_and_memory_is_split_between_the_run_and_others(
    machine: Callable[..., Machine],
) -> None:
    other = subprocess.Popen(["/bin/sleep", "60"])
    try:
        there, me = machine(), os.getpid()
        there.says(
            "0.used 10000",
            f"0.compute {me} {6000 * MIB}",
            f"0.compute {other.pid} {1000 * MIB}",
            f"0.graphics {other.pid} {1000 * MIB}",
            f"0.compute 0 {MIB}",
            f"0.compute 77 {1 << 62}",
            f"0.sample {me} 90",
            f"0.sample {me} 70",
            f"0.sample {other.pid} 4000000000",
        )
        (card,) = there.cards(me)
    finally:
        other.kill()
        other.wait()
    assert (card["memory_run_bytes"], card["memory_others_bytes"]) == (6000 * MIB, 4000 * MIB)
    mine, others = card["users"]
    assert (mine["pid"], mine["ours"], mine["percent"]) == (me, True, 80.0)
    assert mine["since_at"] == pytest.approx(psutil.Process().create_time(), abs=0.1)
    assert (others["name"], others["ours"], others["percent"]) == ("sleep", False, 0.0)
    assert (others["memory_bytes"], others["outside"]) == (1000 * MIB, False)


def test_a_run_that_holds_nothing_on_a_card_is_known_to_hold_nothing(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("0.used 500")
    (card,) = there.cards(os.getpid())
    assert (card["memory_run_bytes"], card["memory_others_bytes"]) == (0, 500 * MIB)


def test_in_a_container_a_number_that_fits_by_chance_is_not_taken_for_the_run(
    machine: Callable[..., Machine],
) -> None:
    there = machine(trusted=False)
    there.says(f"0.compute {os.getpid()} {600 * MIB}")
    (card,) = there.cards(os.getpid())
    (user,) = card["users"]
    assert (user["outside"], user["pid"], user["ours"]) == (True, None, False)
    assert user["memory_bytes"] == 600 * MIB
    assert card["memory_run_bytes"] is None
    assert card["reasons"]["memory_run_bytes"] == nvidia_facts.OUTSIDE
    there.says()
    (card,) = there.cards(os.getpid())
    assert card["memory_run_bytes"] is None
    assert card["reasons"]["memory_run_bytes"] == nvidia_facts.NO_LIST


def test_a_size_that_the_driver_does_not_tell_is_unknown_and_not_nothing(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says(f"0.compute {os.getpid()} none")
    (card,) = there.cards(os.getpid())
    assert card["users"][0]["memory_bytes"] is None
    assert (card["memory_run_bytes"], card["memory_others_bytes"]) == (None, None)
    assert card["reasons"]["memory_run_bytes"] == nvidia_facts.NO_SIZES


def test_no_list_of_processes_is_no_claim_that_nobody_is_there(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("nvmlDeviceGetComputeRunningProcesses_v3 4")
    (card,) = there.cards(os.getpid())
    assert (card["memory_run_bytes"], card["users"]) == (None, [])
    assert card["reasons"]["users"] == "no permission"


def test_under_mig_utilisation_is_not_claimed_and_memory_is_that_of_the_card(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("0.mig 1", "0.used 5000", f"0.sample {os.getpid()} 50", f"0.compute {os.getpid()} 7")
    (card,) = there.cards(os.getpid())
    assert card["percent"] is None
    assert card["reasons"]["percent"] == nvml.MIG_UTILISATION
    assert card["memory_used_bytes"] == 5000 * MIB
    assert card["users"][0]["percent"] is None


def test_under_mig_memory_is_the_sum_of_the_visible_parts_where_the_card_refuses(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("0.mig 1", "0.used 500", "0.total 5000", "0.nvmlDeviceGetMemoryInfo_v2 4")
    (card,) = there.cards()
    assert (card["memory_used_bytes"], card["memory_total_bytes"]) == (1000 * MIB, 10000 * MIB)
    assert card["reasons"]["memory_used_bytes"] == nvml.MIG_PARTS


def test_a_hundred_readings_of_two_cards_cost_little(machine: Callable[..., Machine]) -> None:
    there = machine()
    lines = (f"{card}.compute {os.getpid()} {MIB}" for card in (0, 1))
    there.says("cards 2", *lines)
    there.ask()
    # most of it is the fake library reading its file some 80 times a reading
    assert there.ask(count=100)["cpu_s"] / 100 < 0.010
