"""The NVIDIA source against a driver's library in C that is built here and changes while it is watched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runner.hardware import nvidia_users, nvidia_words

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "fake_nvml" / "nvml.c"
MIB = 1 << 20
FIRST, SECOND = (f"GPU-00000000-0000-4000-8000-{n:012}" for n in (0, 1))

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an ELF library")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles the fake library; the folder that it lies in."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("no C compiler on this machine (cc, gcc, clang)")
    built: dict[tuple[str, ...], Path] = {}

    def compiled(*flags: str) -> Path:
        if flags not in built:
            folder = tmp_path_factory.mktemp("nvml")
            out = str(folder / "libnvidia-ml.so.1")
            command = [compiler, "-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", *flags]
            subprocess.run([*command, "-o", out, str(SOURCE)], check=True)
            built[flags] = folder
        return built[flags]

    return compiled


class Machine:
    """A machine with the fake driver and somebody who asks it."""

    def __init__(self, folder: Path, library: Path | None, trusted: bool, pause_s: float) -> None:
        self.file = folder / "nvml.txt"
        self.says()
        (folder / "bin").mkdir()
        env = {
            **os.environ,
            "FAKE_NVML": str(self.file),
            "LD_LIBRARY_PATH": str(library or folder),
            "PATH": str(folder / "bin"),
            "PYTHONPATH": str(ROOT),
        }
        options = json.dumps({"trusted": trusted, "pause_s": pause_s})
        self.process = subprocess.Popen(
            [sys.executable, str(SOURCE.with_name("asker.py")), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )

    def says(self, *lines: str) -> None:
        """What the driver answers from now on."""
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.rename(self.file)

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def cards(self, *run_pids: int) -> list[dict[str, Any]]:
        cards: list[dict[str, Any]] = self.ask(run_pids=run_pids)["reading"]["gpus"]
        return cards

    def end(self) -> str:
        """Ends the asking process as it would end itself; what it wrote to stderr."""
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def machine(tmp_path: Path, build: Callable[..., Path]) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(
        *flags: str, driver: bool = True, trusted: bool = True, pause_s: float = 0.0
    ) -> Machine:
        made.append(Machine(tmp_path, build(*flags) if driver else None, trusted, pause_s))
        return made[-1]

    yield make
    for one in made:
        # nothing that is met may write to stderr: it would land in the middle of the screen
        assert one.end() == ""
        assert one.process.returncode == 0


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
        "reasons": {"memory_run_bytes": nvidia_users.NO_RUN},
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
    assert card["reasons"]["memory_used_bytes"] == nvidia_words.OLD_MEMORY
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
    assert card["reasons"]["memory_run_bytes"] == nvidia_users.OUTSIDE
    there.says()
    (card,) = there.cards(os.getpid())
    assert card["memory_run_bytes"] is None
    assert card["reasons"]["memory_run_bytes"] == nvidia_users.NO_LIST


def test_a_size_that_the_driver_does_not_tell_is_unknown_and_not_nothing(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says(f"0.compute {os.getpid()} none")
    (card,) = there.cards(os.getpid())
    assert card["users"][0]["memory_bytes"] is None
    assert (card["memory_run_bytes"], card["memory_others_bytes"]) == (None, None)
    assert card["reasons"]["memory_run_bytes"] == nvidia_users.NO_SIZES


def test_no_list_of_processes_is_no_claim_that_nobody_is_there(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("nvmlDeviceGetComputeRunningProcesses_v3 4")
    (card,) = there.cards(os.getpid())
    assert (card["memory_run_bytes"], card["users"]) == (None, [])
    assert card["reasons"]["users"] == "no permission"


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
    assert (first["key"], first["index"], first["problem"]) == (FIRST, None, nvidia_words.GONE)


def test_without_permission_for_one_card_the_way_out_is_told(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("cards 2", "0.nvmlDeviceGetHandleByIndex_v2 4")
    refused, other = there.cards()
    assert "No permission" in refused["problem"]
    assert other["problem"] is None and other["percent"] is not None


@pytest.mark.parametrize(
    ("code", "word"), [(18, "updated"), (9, "modprobe"), (4, "permission"), (999, "answers")]
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
    assert (reading["gpus"], reading["reason"]) == ([], nvidia_words.NO_CARD)
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


def test_under_mig_utilisation_is_not_claimed_and_memory_is_that_of_the_card(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("0.mig 1", "0.used 5000", f"0.sample {os.getpid()} 50", f"0.compute {os.getpid()} 7")
    (card,) = there.cards(os.getpid())
    assert card["percent"] is None
    assert card["reasons"]["percent"] == nvidia_words.MIG_UTILISATION
    assert card["memory_used_bytes"] == 5000 * MIB
    assert card["users"][0]["percent"] is None


def test_under_mig_memory_is_the_sum_of_the_visible_parts_where_the_card_refuses(
    machine: Callable[..., Machine],
) -> None:
    there = machine()
    there.says("0.mig 1", "0.used 500", "0.total 5000", "0.nvmlDeviceGetMemoryInfo_v2 4")
    (card,) = there.cards()
    assert (card["memory_used_bytes"], card["memory_total_bytes"]) == (1000 * MIB, 10000 * MIB)
    assert card["reasons"]["memory_used_bytes"] == nvidia_words.MIG_PARTS


def test_without_a_driver_the_answer_is_quick_final_and_loads_nothing(
    machine: Callable[..., Machine],
) -> None:
    answer = machine(driver=False).ask()
    reading = answer["reading"]
    assert (reading["reason"], reading["final"]) == (nvidia_words.NO_DRIVER, True)
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


def test_a_hundred_readings_of_two_cards_cost_little(machine: Callable[..., Machine]) -> None:
    there = machine()
    lines = (f"{card}.compute {os.getpid()} {MIB}" for card in (0, 1))
    there.says("cards 2", *lines)
    there.ask()
    # most of it is the fake library reading its file some 80 times a reading
    assert there.ask(count=100)["cpu_s"] / 100 < 0.010
