"""The source of a Mac, fed with captured answers; on every other system it says so at once."""

from __future__ import annotations

import plistlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.hardware.apple import CLIENTS, CLIENTS_TEXT, GPUS, SELDOM_S, AppleSource, Mac
from runner.hardware.apple_system import Heat
from runner.hardware.source import Asked, Unanswered, ask
from tests.unit.hardware.test_apple_ioreg import M1_MAX, M1_PRO, answer, entry
from tests.unit.hardware.test_apple_memory import VM_STAT

TRAINER = Asked(frozenset({10, 11}), 10)


def metal(pid: int, name: str, seconds: float, node: int = 0) -> dict[str, Any]:
    usage = [{"API": "Metal", "accumulatedGPUTime": round(seconds * 1e9)}]
    node = node or 1000 + pid
    return {
        "IOUserClientCreator": f"pid {pid}, {name}", "AppUsage": usage, "IORegistryEntryID": node,
    }  # fmt: skip


@dataclass
class FakeMac:
    """Answers of a machine that tests change between readings; None: that program fails."""

    gpus: bytes | None = field(default_factory=lambda: answer(M1_PRO))
    clients: bytes | None = field(default_factory=lambda: answer(metal(10, "python3.12", 1.0)))
    text: bytes | None = None
    vm_stat: bytes | None = VM_STAT
    heat: Heat = field(default_factory=lambda: Heat(reason="no macmon"))
    footprints: dict[int, int] = field(default_factory=lambda: {10: 9 << 30, 11: 1 << 30})
    now: float = 50.0
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def ask(self, command: Sequence[str], timeout_s: float) -> bytes:
        self.asked.append(tuple(command))
        answers = {GPUS: self.gpus, CLIENTS: self.clients, CLIENTS_TEXT: self.text}
        found = answers.get(tuple(command), self.vm_stat)
        if found is None:
            raise Unanswered(f"ioreg did not answer within {timeout_s:g} s")
        return found

    def source(self, system: str = "darwin") -> AppleSource:
        return AppleSource(
            Mac(
                system,
                self.ask,
                lambda: 2,
                self.footprints.get,
                lambda: self.heat,
                lambda: self.now,
            )
        )


def test_another_system_is_told_at_once_and_for_good() -> None:
    mac = FakeMac()
    reading = mac.source("linux").read(TRAINER)
    assert (reading.final, reading.reason, reading.gpus) == (True, "not a Mac", ())
    assert mac.asked == []


@pytest.mark.skipif(sys.platform == "darwin", reason="is about the other systems")
def test_the_real_source_is_quiet_here(capfd: pytest.CaptureFixture[str]) -> None:
    assert AppleSource().read(Asked()).final
    assert capfd.readouterr() == ("", "")


def test_a_whole_reading() -> None:
    reading = FakeMac(gpus=answer(M1_MAX), heat=Heat(31.5, 77.0)).source().read(TRAINER)
    (gpu,) = reading.gpus
    assert (gpu.key, gpu.source, gpu.name) == ("apple:AGXAcceleratorG13X", "ioreg", "Apple M1 Max")
    assert (gpu.percent, gpu.memory_used_bytes, gpu.recoveries) == (76.0, 22186737664, 0)
    assert (gpu.power_w, gpu.temperature_c) == (31.5, 77.0)
    assert gpu.memory_run_bytes == reading.footprint_bytes == 10 << 30
    assert gpu.memory_total_bytes is None and gpu.memory_others_bytes is None
    assert gpu.reasons["memory_total_bytes"] == "shared with the system"
    assert (reading.pressure, reading.swapped_out_bytes) == (2, 929703 * 16384)
    assert reading.reason is None and not reading.final


def test_the_key_outlives_a_boot() -> None:
    def key(number: int) -> str:
        mac = FakeMac(gpus=answer({**M1_PRO, "IORegistryEntryID": number}))
        return mac.source().read(TRAINER).gpus[0].key

    assert key(4294968000) == key(4294969999) == "apple:gpu,t6000"


@pytest.mark.parametrize("nothing", [b"", b"garbage", None])
def test_a_virtual_machine_is_unknown_but_its_memory_is_told(nothing: bytes | None) -> None:
    reading = FakeMac(gpus=nothing).source().read(TRAINER)
    assert reading.gpus == ()
    assert reading.reason is not None and "ioreg" in reading.reason
    assert (reading.pressure, reading.footprint_bytes) == (2, 10 << 30)


def test_a_single_zero_stays_what_it_was() -> None:
    mac = FakeMac(gpus=answer(entry("AGXAcceleratorG17X", "Apple M5 Pro", device=0)))
    assert mac.source().read(TRAINER).gpus[0].percent == 0.0


def test_users_are_shares_of_the_time_between_two_readings() -> None:
    mac = FakeMac(clients=answer(metal(10, "python3.12", 100.0), metal(20, "ComfyUI", 7.0),
                                 metal(610, "WindowServer", 50.0), metal(30, "Mail", 3.0)))  # fmt: skip
    source = mac.source()
    first = source.read(TRAINER).gpus[0]
    assert (first.users, first.reasons["users"]) == ((), "first reading")
    mac.now += SELDOM_S
    mac.clients = answer(metal(10, "python3.12", 108.0), metal(20, "ComfyUI", 8.0),
                         metal(610, "WindowServer", 52.0), metal(30, "Mail", 3.05))  # fmt: skip
    gpu = source.read(TRAINER).gpus[0]
    told = [(user.pid, user.name, user.percent, user.ours) for user in gpu.users]
    assert told == [(10, "python3.12", 80.0, True), (20, "ComfyUI", 10.0, False)]
    assert [user.memory_bytes for user in gpu.users] == [None, None]
    assert "users" not in gpu.reasons


def test_ours_is_told_even_when_it_does_nothing() -> None:
    mac = FakeMac()
    source = mac.source()
    source.read(TRAINER)
    mac.now += SELDOM_S
    (user,) = source.read(TRAINER).gpus[0].users
    assert (user.percent, user.ours) == (0.0, True)


def test_clients_that_come_and_go_never_count_backwards() -> None:
    mac = FakeMac(clients=answer(metal(10, "python", 90.0, 1), metal(10, "python", 5.0, 2)))
    source = mac.source()
    source.read(TRAINER)
    mac.now += SELDOM_S
    mac.clients = answer(metal(10, "python", 6.0, 2), metal(10, "python", 2.0, 3))
    (user,) = source.read(TRAINER).gpus[0].users
    assert user.percent == pytest.approx(30.0)
    mac.now += SELDOM_S
    mac.clients = answer(metal(10, "python", 1.0, 2))
    assert source.read(TRAINER).gpus[0].users[0].percent == 0.0


def test_more_than_all_of_the_time_is_all_of_it() -> None:
    mac = FakeMac()
    source = mac.source()
    source.read(TRAINER)
    mac.now += SELDOM_S
    mac.clients = answer(metal(10, "python3.12", 500.0))
    assert source.read(TRAINER).gpus[0].users[0].percent == 100.0


def test_text_is_taken_where_the_property_list_holds_nothing() -> None:
    def text(seconds: int) -> bytes:
        return (
            "+-o AGXDeviceUserClient  <class AGXDeviceUserClient, id 0x1a, active>\n  {\n"
            '    "IOUserClientCreator" = "pid 10, python3.12"\n'
            f'    "AppUsage" = ({{"API"="Metal","accumulatedGPUTime"={seconds}000000000}})\n  }}\n'
        ).encode()

    mac = FakeMac(clients=plistlib.dumps([]), text=text(1))
    source = mac.source()
    source.read(TRAINER)
    mac.now, mac.text = mac.now + SELDOM_S, text(6)
    assert source.read(TRAINER).gpus[0].users[0].percent == 50.0
    assert mac.asked.count(CLIENTS) == 1  # the form that works is remembered


def test_users_that_cannot_be_told_have_a_reason_and_are_asked_again() -> None:
    mac = FakeMac(clients=None)
    source = mac.source()
    gpu = source.read(TRAINER).gpus[0]
    assert gpu.percent == 28.0
    assert gpu.reasons["users"] == "ioreg did not answer within 3 s"
    mac.clients = answer(metal(10, "python3.12", 1.0))
    assert "did not answer" in source.read(TRAINER).gpus[0].reasons["users"]
    mac.now += SELDOM_S
    assert source.read(TRAINER).gpus[0].reasons["users"] == "first reading"


def test_what_is_dear_is_asked_seldom() -> None:
    mac = FakeMac()
    source = mac.source()
    for _ in range(5):
        source.read(TRAINER)
        mac.now += 2.0
    assert mac.asked.count(GPUS) == 5
    assert mac.asked.count(CLIENTS) == 1
    assert len(mac.asked) == 7  # and vm_stat once


def test_a_card_with_memory_of_its_own_is_not_filled_with_the_footprint() -> None:
    card = entry("AMDRadeonX6000", "AMD Radeon Pro", vramUsedBytes=1, vramFreeBytes=2, device=3)
    iris = entry("IntelAccelerator", "Intel Iris", device=1)
    gpus = FakeMac(gpus=answer(iris, card)).source().read(TRAINER).gpus
    assert [gpu.memory_run_bytes for gpu in gpus] == [10 << 30, None]
    assert gpus[1].reasons["memory_run_bytes"] == "not reported for this GPU"


def test_two_alike_have_keys_of_their_own() -> None:
    gpus = FakeMac(gpus=answer(M1_MAX, M1_MAX)).source().read(TRAINER).gpus
    assert len({gpu.key for gpu in gpus}) == 2


def test_no_training_is_a_reason_and_no_footprint() -> None:
    reading = FakeMac().source().read(Asked())
    assert reading.footprint_bytes is None
    assert reading.gpus[0].reasons["memory_run_bytes"] == "no training process"


def test_a_program_that_is_missing_slow_or_failing_is_a_sentence() -> None:
    with pytest.raises(Unanswered, match="no-such-program cannot be started: No such file"):
        ask(["/no-such-program"], 1.0)
    with pytest.raises(Unanswered, match=r"sleep did not answer within 0\.1 s"):
        ask(["sleep", "5"], 0.1)
    with pytest.raises(Unanswered, match="false failed with exit code 1"):
        ask(["false"], 5.0)
    assert ask(["printf", "a\\0b"], 5.0) == b"a\0b"
