"""Cards and drivers in trouble: lost, refused, exchanged, hung, absent; each told, none hiding the others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.hardware import nvidia_facts
from tests.fake_nvml.machine import FIRST, MIB, SECOND, Machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an ELF library")


def test_a_lost_card_keeps_its_name_hides_no_other_and_comes_back(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("cards 2", "0.util 50", "1.util 60")
    assert [card["problem"] for card in there.cards()] == [None, None]
    there.says("cards 2", "0.util 50", "0.* 15", "1.util 61")
    for _ in range(3):  # also after the library was opened again
        lost, other = there.cards()
        assert (lost["key"], lost["name"], lost["index"]) == (FIRST, "NVIDIA Fake 0", 0)
        assert "lost" in lost["problem"] and "reboot" in lost["problem"]
        assert lost["percent"] is None and lost["memory_used_bytes"] is None
        assert (other["key"], other["percent"], other["problem"]) == (SECOND, 61.0, None)
    there.says("cards 2", "0.util 51", "1.util 60")
    there.cards()
    assert [(card["percent"], card["problem"]) for card in there.cards()] == [
        (51.0, None),
        (60.0, None),
    ]


def test_a_card_that_is_lost_during_a_reading_is_told_at_once(
    machine: Callable[..., Machine],
) -> None:
    there = machine(pause_s=60.0)
    there.says("nvmlDeviceGetPowerUsage 15")
    (card,) = there.cards()
    assert "lost" in card["problem"]


def test_a_card_that_is_no_longer_listed_is_not_forgotten(machine: Callable[..., Machine]) -> None:
    there = machine()
    there.says("cards 2")
    there.cards()
    # the first card fails and is left out when the library is opened again; the second takes its place
    there.says("cards 2", "0.* 15")
    there.cards()
    there.says("cards 1", "0.uuid 1", "0.util 42")
    there.cards()
    second, first = there.cards()
    assert (second["key"], second["index"], second["percent"]) == (SECOND, 0, 42.0)
    assert (first["key"], first["index"], first["problem"]) == (FIRST, None, nvidia_facts.GONE)


def test_without_permission_for_one_card_the_way_out_is_told(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("cards 2", "0.nvmlDeviceGetHandleByIndex_v2 4")
    refused, other = there.cards()
    assert "No permission" in refused["problem"]
    assert other["problem"] is None and other["percent"] is not None


@pytest.mark.parametrize(
    ("code", "word"), [(18, "updated"), (9, "modprobe"), (4, "permission"), (999, "reports")]
)
def test_a_driver_that_cannot_be_opened_is_a_reason_and_is_tried_again(
    machine: Callable[..., Machine], code: int, word: str
) -> None:
    there = machine()
    there.says(f"nvmlInitWithFlags {code}")
    reading = there.ask()["reading"]
    assert word in reading["reason"]
    assert (reading["gpus"], reading["final"]) == ([], False)
    there.says("0.util 12")
    assert there.cards()[0]["percent"] == 12.0


def test_between_two_attempts_there_is_a_pause(machine: Callable[..., Machine]) -> None:
    there = machine(pause_s=0.8)
    there.says("nvmlInitWithFlags 9")
    assert there.ask()["reading"]["reason"]
    there.says()
    assert there.ask()["reading"]["gpus"] == []
    time.sleep(0.9)
    assert len(there.cards()) == 1


def test_a_driver_that_is_exchanged_under_the_run_is_told_and_found_again(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    assert len(there.cards()) == 1
    there.says("nvmlDeviceGetCount_v2 18")
    assert "reboot" in there.ask()["reading"]["reason"]
    there.says()
    assert len(there.cards()) == 1


def test_no_card_at_all_is_told(machine: Callable[..., Machine]) -> None:
    there = machine()
    there.says("cards 0")
    reading = there.ask()["reading"]
    assert (reading["gpus"], reading["reason"]) == ([], nvidia_facts.NO_CARD)
    there.says("cards 1")
    assert len(there.cards()) == 1


def test_a_hung_driver_blocks_the_reading_and_nobody_else(machine: Callable[..., Machine]) -> None:
    there = machine()
    assert len(there.cards()) == 1
    there.says("nvmlDeviceGetPowerUsage hang")
    answer = there.ask(wait_s=0.5)
    assert answer["reading"] is None
    assert answer["took_s"] < 5.0
    # while that thread hangs the process goes on, and ends when it is told to
    there.says()
    assert there.ask(wait_s=5.0)["reading"]["gpus"][0]["power_w"] == 250.5


def test_without_a_driver_the_answer_is_quick_final_and_loads_nothing(
    machine: Callable[..., Machine],
) -> None:
    answer = machine(driver=False).ask()
    reading = answer["reading"]
    assert (reading["reason"], reading["final"]) == (nvidia_facts.NO_DRIVER, True)
    assert answer["took_s"] < 0.5
    assert not answer["pynvml"]


def test_an_empty_file_in_place_of_the_library_is_told(
    machine: Callable[..., Machine], tmp_path: Path
) -> None:
    (tmp_path / "libnvidia-ml.so.1").touch()
    reading = machine(driver=False).ask()["reading"]
    assert "cannot be loaded" in reading["reason"] and "--gpus all" in reading["reason"]
    assert reading["final"]


def test_without_the_library_a_working_nvidia_smi_is_asked(
    machine: Callable[..., Machine], tmp_path: Path
) -> None:
    there = machine(driver=False)
    command = tmp_path / "bin" / "nvidia-smi"
    command.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"*compute-apps*) echo '{FIRST}, {os.getpid()}, 900' ;;\n"
        "*event_reasons*) echo 'Field \"x\" is not a valid field to query.'; exit 2 ;;\n"
        f"*) echo '0, {FIRST}, Smi, 55, 1000, 24576, 60, 100.5, 450, 1980, 9501, [N/A], 0x4' ;;\n"
        "esac\n"
    )
    command.chmod(0o755)
    answer = there.ask(run_pids=[os.getpid()])
    (card,) = answer["reading"]["gpus"]
    assert (card["source"], card["key"], card["percent"]) == ("nvidia-smi", FIRST, 55.0)
    assert card["memory_run_bytes"] == 900 * MIB
    assert card["throttle"] == ["power cap"]
    assert answer["period_s"] > 2.0
