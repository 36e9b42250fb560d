"""NVIDIA without a driver: nvidia-smi's captured csv, whose process it is, the driver's codes in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runner.hardware import nvidia
from runner.hardware import nvidia_facts as facts
from runner.hardware.nvidia import NvidiaSmi, NvidiaSource, parse_apps, parse_cards
from runner.hardware.nvidia_facts import Held, Processes, by_process, split
from runner.hardware.source import NOT_STARTED, Asked, Unanswered
from runner.model import GpuUser

MIB = 1 << 20
ME = os.getpid()
RTX = (
    "0, GPU-5d1b9a0e-0000-4000-8000-000000000001, NVIDIA GeForce RTX 4090, 97, 21034, 24564, 68,"
    " 417.95, 450.00, 2640, 10251, 54, 0x0000000000000004"
)
A100 = (
    "1, GPU-5d1b9a0e-0000-4000-8000-000000000002, NVIDIA A100-SXM4-40GB, [N/A], 3, 40960, 31,"
    " 43.29, [Not Supported], 210, 1215, [N/A], 0x0000000000000001"
)
UUID = "GPU-5d1b9a0e-0000-4000-8000-000000000001"


class Command:
    """nvidia-smi that says what it is told to; keeps how it was called."""

    def __init__(self, *said: str | Unanswered) -> None:
        self._said, self.calls = list(said), list[list[str]]()

    def __call__(self, command: list[str]) -> str:
        self.calls.append(command)
        answer = self._said.pop(0)
        if isinstance(answer, Unanswered):
            raise answer
        return answer


def failed(output: str, code: int) -> Unanswered:
    return Unanswered(f"nvidia-smi failed with exit code {code}", code, output)


HUNG = Unanswered("nvidia-smi did not answer within 10 s")


def asking(
    *said: str | Unanswered, path: str | None = "/usr/bin/nvidia-smi"
) -> tuple[NvidiaSmi, Command]:
    command = Command(*said)
    return NvidiaSmi(Processes(trusted=True), command, lambda: path), command


def test_a_row_of_a_working_card_is_read_in_the_units_of_the_model() -> None:
    (card,) = parse_cards(RTX + "\n")
    assert (card.key, card.name, card.index) == (UUID, "NVIDIA GeForce RTX 4090", 0)
    assert (card.percent, card.temperature_c, card.fan_percent) == (97.0, 68.0, 54.0)
    assert (card.memory_used_bytes, card.memory_total_bytes) == (21034 * MIB, 24564 * MIB)
    assert (card.power_w, card.power_limit_w) == (417.95, 450.0)
    assert (card.clock_mhz, card.memory_clock_mhz) == (2640.0, 10251.0)
    assert (card.throttle, card.problem) == (("power cap",), None)
    assert card.reasons["energy_j"]


def test_what_a_card_does_not_support_is_none_and_not_zero() -> None:
    card = parse_cards(f"{RTX}\n{A100}\n")[1]
    assert (card.percent, card.power_limit_w, card.fan_percent) == (None, None, None)
    for field in ("percent", "power_limit_w", "fan_percent"):
        assert card.reasons[field] == "not supported by this GPU"
    assert (card.memory_used_bytes, card.clock_mhz, card.throttle) == (3 * MIB, 210.0, ())


@pytest.mark.parametrize(
    ("cell", "word"), [("[GPU is lost]", "lost"), ("[GPU requires reset]", "reset")]
)
def test_a_row_of_a_failed_card_is_a_problem(cell: str, word: str) -> None:
    row = f"0, {UUID}, NVIDIA GeForce RTX 4090, " + ", ".join([cell] * 10)
    (card,) = parse_cards(row)
    assert card.problem is not None
    assert word in card.problem
    assert card.percent is None


def test_an_error_in_one_cell_is_told_in_its_words() -> None:
    (card,) = parse_cards(RTX.replace("417.95", "[Unknown Error]"))
    assert card.reasons["power_w"] == "not measured: nvidia-smi reports [Unknown Error]"


@pytest.mark.parametrize("text", ["", "\n", "No devices were found\n", "a, b\n", RTX[:60]])
def test_other_text_is_no_card(text: str) -> None:
    assert parse_cards(text) == []


def test_processes_are_listed_by_card_and_a_size_may_be_missing() -> None:
    text = f"{UUID}, 4245, 8122\n{UUID}, 17, [N/A]\nNo running processes found\n"
    assert parse_apps(text) == {UUID: [Held(4245, 8122 * MIB), Held(17, None)]}


def test_the_command_gives_cards_with_their_users() -> None:
    smi, command = asking(RTX, f"{UUID}, {ME}, 20000\n")
    found = smi.read(Asked(frozenset((ME,))))
    (card,) = found.gpus
    assert (card.memory_run_bytes, card.memory_others_bytes) == (20000 * MIB, 1034 * MIB)
    assert card.users[0].ours
    assert "clocks_event_reasons.active" in command.calls[0][1]


def test_an_older_command_is_asked_by_older_names_and_that_is_remembered() -> None:
    unknown = failed('Field "clocks_event_reasons.active" is not a valid field to query.', 2)
    smi, command = asking(unknown, RTX, "", RTX, "")
    assert smi.read(Asked()).gpus[0].throttle == ("power cap",)
    assert smi.read(Asked()).gpus
    assert "clocks_throttle_reasons.active" in command.calls[-2][1]
    assert len(command.calls) == 5


def test_a_command_that_knows_neither_name_gives_the_rest() -> None:
    unknown = failed('Field "x" is not a valid field to query.', 2)
    smi, _ = asking(unknown, unknown, RTX.rsplit(",", 1)[0], "")
    (card,) = smi.read(Asked()).gpus
    assert (card.percent, card.throttle) == (97.0, ())
    assert card.reasons["throttle"]


def test_without_a_list_of_processes_the_runs_part_is_unknown() -> None:
    smi, _ = asking(RTX, HUNG)
    (card,) = smi.read(Asked(frozenset((ME,)))).gpus
    assert card.memory_run_bytes is None
    assert card.reasons["memory_run_bytes"] == "nvidia-smi gave no list of processes"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (
            failed(
                "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
                "Make sure that the latest NVIDIA driver is installed and running.\n",
                9,
            ),
            "modprobe",
        ),
        (
            failed("Failed to initialize NVML: Driver/library version mismatch\n", 18),
            "reboot",
        ),
        (
            failed(
                "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  "
                "Reboot the system to recover this GPU\n",
                15,
            ),
            "lost",
        ),
        (failed("No devices were found\n", 6), facts.NO_CARD),
        (HUNG, "did not answer within 10 s"),
        (failed("strange\n", 3), "nvidia-smi failed with 3: strange"),
    ],
)
def test_why_the_command_gives_nothing_is_one_plain_sentence(said: Unanswered, word: str) -> None:
    smi, _ = asking(said)
    found = smi.read(Asked())
    assert found.gpus == ()
    assert not found.final
    assert word in (found.reason or "")


def test_no_command_is_hopeless() -> None:
    smi, command = asking(path=None)
    assert smi.read(Asked()).final
    assert command.calls == []


def test_a_command_that_hangs_is_ended_after_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "SMI_TIMEOUT_S", 0.3)
    with pytest.raises(Unanswered) as hung:
        nvidia.ask_smi(["/bin/sleep", "60"])
    assert hung.value.code is None
    with pytest.raises(Unanswered) as absent:
        nvidia.ask_smi([str(tmp_path / "nothing")])
    assert absent.value.code == NOT_STARTED


def test_on_a_mac_nothing_is_even_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    reading = NvidiaSource().read(Asked())
    assert (reading.final, reading.reason) == (True, facts.NO_DRIVER)


def test_a_process_in_both_lists_counts_once_and_its_mig_parts_add_up() -> None:
    listed = [
        Held(5, 10, 1),
        Held(5, 30, 1),
        Held(5, 7, 2),
        Held(6, None),
        Held(6, 4),
        Held(8, None),
    ]
    assert by_process(listed, 100) == {5: 37, 6: 4, 8: None}


def test_number_0_and_sizes_that_cannot_be_are_dropped() -> None:
    assert by_process([Held(0, 5), Held(9, 101), Held(7, 1 << 55)], 100) == {}
    assert by_process([Held(9, 1 << 55), Held(3, 5)], None) == {3: 5}


def container(tmp_path: Path, opened: str) -> Processes:
    folder = tmp_path / str(ME) / "fd"
    folder.mkdir(parents=True)
    (folder / "0").symlink_to("/dev/null")
    (folder / "7").symlink_to(opened)
    return Processes(trusted=False, proc=tmp_path)


@pytest.mark.parametrize("device", ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"])
def test_in_a_container_a_process_with_the_driver_open_is_believed(
    tmp_path: Path, device: str
) -> None:
    (user,) = container(tmp_path, device).users({ME: 5}, None, Asked(frozenset((ME,))))
    assert (user.pid, user.ours, user.outside) == (ME, True, False)
    assert user.name == psutil.Process().name()


def test_in_a_container_another_process_of_that_number_is_not(tmp_path: Path) -> None:
    (user,) = container(tmp_path, "/tmp/log").users({ME: 5}, None, Asked(frozenset((ME,))))
    assert user == GpuUser(None, memory_bytes=5, outside=True)


def test_a_number_that_nobody_has_is_outside() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    (user,) = Processes(trusted=True).users({ended.pid: 5}, None, Asked())
    assert user.outside


def test_the_first_pid_namespace_is_known_by_its_number(tmp_path: Path) -> None:
    link = tmp_path / "self" / "ns" / "pid"
    assert not facts.numbers_are_ours(tmp_path)
    link.parent.mkdir(parents=True)
    link.symlink_to("pid:[4026532291]")
    assert not facts.numbers_are_ours(tmp_path)
    link.unlink()
    link.symlink_to("pid:[4026531836]")
    assert facts.numbers_are_ours(tmp_path) is ("microsoft" not in os.uname().release)


def test_under_wsl_the_list_is_never_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = "5.15.167-microsoft-WSL2"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", kernel, "v", "x")))
    assert not facts.numbers_are_ours()


def test_what_no_process_explains_is_others_and_never_below_nothing() -> None:
    run = Asked(frozenset((1, 2)))
    users = (GpuUser(1, memory_bytes=60, ours=True), GpuUser(2, memory_bytes=30, ours=True))
    parts = split(100, users, run, trusted=False)
    assert parts == (90, 10, None)
    assert split(80, users, run, trusted=True)[1] == 0
    assert split(None, users, run, trusted=True)[1] is None


def test_only_what_slows_a_card_down_against_the_users_interest_is_told() -> None:
    assert facts.throttle_words(0x1 | 0x2 | 0x100) == ()
    assert facts.throttle_words(0x8 | 0x20 | 0x40) == ("hardware slowdown", "thermal")
    assert facts.throttle_words(0x80) == ("power brake",)


def test_digits_that_are_no_number_are_no_card_and_no_process() -> None:
    assert parse_cards("\u00b2, GPU-1, NVIDIA H100" + ", 1" * 12) == []
    assert parse_apps("GPU-1, \u00b2, 100\nGPU-1, 42, \u00b2") == {"GPU-1": [Held(42, None)]}
