"""Memory of a Mac, and what macmon tells: captured shapes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from runner.hardware.apple_system import (
    EVERY_S,
    TRIES,
    Heat,
    Macmon,
    footprint_in,
    heat_in,
    level_of,
    swapped_out,
)
from runner.hardware.source import Unanswered

VM_STAT = b"""\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                4518.
Pages active:                            194947.
Pages inactive:                          191193.
Pages stored in compressor:             1022243.
Pages occupied by compressor:            454496.
Swapins:                                 470789.
Swapouts:                                929703.
"""


def test_swapped_out_pages_are_bytes_by_the_page_size_of_the_machine() -> None:
    assert swapped_out(VM_STAT) == 929703 * 16384
    assert swapped_out(VM_STAT.replace(b"16384", b"4096")) == 929703 * 4096


def test_an_odd_answer_of_vm_stat_is_unknown() -> None:
    assert swapped_out(b"nothing") is None


@pytest.mark.parametrize(
    ("said", "level"), [(-1, None), (0, None), (1, 1), (2, 2), (3, 3), (4, 4), (5, 4)]
)
def test_pressure_above_critical_is_critical(said: int, level: int | None) -> None:
    assert level_of(said) == level


def test_the_footprint_is_the_eighth_number_behind_the_uuid() -> None:
    usage = struct.pack("=16s10Q", b"u" * 16, *range(100, 110))
    assert len(usage) == 96
    assert footprint_in(usage) == 107
    assert footprint_in(usage[:95]) is None


def test_a_line_of_macmon_gives_watts_and_degrees() -> None:
    line = b'{"gpu_power": 12.5, "temp": {"cpu_temp_avg": 50.1, "gpu_temp_avg": 61.25}, "x": []}\n'
    assert heat_in(line) == Heat(12.5, 61.25)
    assert heat_in(b'{"gpu_power": 0.0, "temp": {"gpu_temp_avg": 0.0}}') == Heat(0.0, None)
    assert heat_in(b'{"gpu_power": 3, "temp": null}') == Heat(3.0, None)


@pytest.mark.parametrize(
    "odd", [b"", b"panicked at", b"[1]", b'{"gpu_power": "12"}', b'{"gpu_power": NaN}', b"\xff"]
)
def test_an_odd_answer_of_macmon_is_a_reason(odd: bytes) -> None:
    assert heat_in(odd) == Heat(reason="unknown output of macmon")


class FakeMacmon:
    def __init__(self, answer: bytes | None) -> None:
        self.answer, self.now, self.calls = answer, 100.0, 0

    def ask(self, command: Sequence[str], timeout_s: float) -> bytes:
        self.calls += 1
        if self.answer is None:
            raise Unanswered("macmon failed with exit code 101")
        return self.answer


def test_macmon_is_asked_seldom_and_its_answer_kept() -> None:
    fake = FakeMacmon(b'{"gpu_power": 9.0}')
    macmon = Macmon(fake.ask, lambda: ("macmon",), lambda: fake.now)
    assert macmon.read() == macmon.read() == Heat(9.0)
    assert fake.calls == 1
    fake.now += EVERY_S
    assert (macmon.read(), fake.calls) == (Heat(9.0), 2)


def test_a_macmon_that_crashes_is_left_alone_after_some_tries() -> None:
    fake = FakeMacmon(None)
    macmon = Macmon(fake.ask, lambda: ("macmon",), lambda: fake.now)
    for _ in range(TRIES + 3):
        assert macmon.read().reason == "macmon failed with exit code 101"
        fake.now += EVERY_S
    assert fake.calls == TRIES


def test_without_macmon_the_reason_says_what_would_help() -> None:
    fake = FakeMacmon(b"{}")
    heat = Macmon(fake.ask, lambda: None, lambda: fake.now).read()
    assert heat.reason is not None and "brew install macmon" in heat.reason
    assert fake.calls == 0
