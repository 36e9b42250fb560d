"""A log reads the same with a collector's prefix in front of every line as without it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from runner.ingest.console.imported import SAMPLE_BYTES, ImportedLog
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.console.prefix_times import PrefixClock
from runner.model.events import ConsoleEvent
from tests import DATA

#: what different collectors put before line number `n`, `s` seconds after noon
PREFIXES: dict[str, Callable[[int], str]] = {
    "fluxgym": lambda n: f"[2024-09-16 12:{n % 3600 // 60:02}:{n % 60:02}] [INFO] ",
    "fluxgym with errors": lambda n: (
        f"[2024-09-16 12:00:{n % 60:02}] [{'ERROR' if n % 9 == 8 else 'INFO'}] "
    ),
    "milliseconds": lambda n: f"2024-09-16 12:00:{n % 60:02},{n % 1000:03} - INFO - ",
    "streams": lambda n: f"[08:03:{n % 60:02}] [{'STDOUT' if n % 3 else 'STDERR'}] ",
    "time": lambda n: f"2023-09-06 14:59:{n % 60:02} ",
    "docker": lambda n: f"2024-01-01T00:00:{n % 60:02}.{n * 7919 % 10**9:09}Z ",
    "kubernetes": lambda n: f"2024-01-01T00:00:{n % 60:02}.{n:09}Z stderr F ",
    "pod": lambda _: "pod/kohya-7d9f8b6c5d-x2x4z trainer | ",
    "compose": lambda _: "train-1  | ",
    "compose in colours": lambda _: "\x1b[36mtrain-1  | \x1b[0m",
    "two containers": lambda n: f"train-{n % 2 + 1}  | ",
    "two names": lambda n: f"{'alpha' if n % 2 else 'beta'} | ",
    "slurm": lambda n: f"{n % 2}: ",
    "slurm, many": lambda n: f"{n % 12:2}: ",
    "mpirun": lambda n: f"[1,{n % 2}]<stderr>:",
    "torchrun": lambda _: "[default0]:",
    "stderr": lambda _: "Training STDERR: ",
    "tag": lambda _: "[kohya] ",
    "journal": lambda n: f"Sep  6 14:59:{n % 60:02} host python3[12{n % 2}]: ",
    "journal of programs": lambda n: f"Sep 06 14:59:20 host {('python3', 'bash')[n % 2]}[7]: ",
    "logging": lambda _: "INFO:trainer.runner:",
    "kohya wrapper": lambda n: f"2024-05-01 10:11:{n % 60:02} | INFO     | run:12 - ",
    "epoch": lambda n: f"[1694012360.{n % 1000:03}] ",
    "american": lambda n: f"9/16/2024, 12:00:{n % 60:02} PM: ",
    "stream, time and rank": lambda n: f"stderr 2024-01-01T00:00:{n % 60:02}+02:00 [0] ",
    "quote": lambda _: "> ",
    "numbered": lambda n: f"{n + 1:6}  ",
    "arrow": lambda n: f"12:00:{n % 60:02}.{n % 1000:03} ▶ ",
}
SHORT = [
    log
    for log in sorted([*DATA.glob("runs/*.log"), *DATA.glob("failures/*.log")])
    if 600 < log.stat().st_size < 30_000
]
CHOSEN = random.Random(4).sample(SHORT, 24)


def prefixed(data: bytes, prefix: Callable[[int], str]) -> bytes:
    """Each line with its own; blank lines keep theirs."""
    lines = data.split(b"\n")
    last = lines.pop()
    out = b"".join(prefix(n).encode() + line + b"\n" for n, line in enumerate(lines))
    return out + (prefix(len(lines)).encode() + last if last else b"")


def parse(data: bytes, *, imported: bool = True) -> tuple[list[str], int]:
    """The events without their offsets, and the count of unknown lines."""
    parser = ImportedLog() if imported else ConsoleParser(launches=True)
    events = parser.feed(data) + parser.finish()
    return [words(event) for event in events], parser.unknown_lines


def words(event: ConsoleEvent) -> str:
    return repr(event).replace(f"offset={event.offset}", "")


@cache
def without_prefix(log: Path) -> tuple[list[str], int]:
    return parse(log.read_bytes())


@pytest.mark.parametrize("name", PREFIXES)
def test_the_prefix_changes_nothing(name: str) -> None:
    for log in CHOSEN:
        assert parse(prefixed(log.read_bytes(), PREFIXES[name])) == without_prefix(log), log.stem


@pytest.mark.parametrize("log", SHORT, ids=lambda p: p.stem)
def test_a_log_without_a_prefix_is_read_as_it_is(log: Path) -> None:
    data = log.read_bytes()
    imported, plain = ImportedLog(), ConsoleParser(launches=True)
    assert repr(imported.feed(data) + imported.finish()) == repr(plain.feed(data) + plain.finish())
    assert not imported.timed


def test_it_reads_the_same_in_pieces() -> None:
    data = prefixed((DATA / "runs" / "seed_full.log").read_bytes() * 3, PREFIXES["fluxgym"])
    assert len(data) > 2 * SAMPLE_BYTES
    whole = ImportedLog()
    expected = repr(whole.feed(data) + whole.finish())
    for size in (7, 997, 65_537):
        parser, events = ImportedLog(), list[ConsoleEvent]()
        for at in range(0, len(data), size):
            events += parser.feed(data[at : at + size])
        assert repr(events + parser.finish()) == expected


def test_offsets_are_those_of_the_log() -> None:
    """Each event ends where the same text ends without its prefix."""
    plain = (DATA / "runs" / "tiny_nan.log").read_bytes()
    data = prefixed(plain, PREFIXES["docker"])
    first, second = ConsoleParser(launches=True), ImportedLog()
    for a, b in zip(
        first.feed(plain) + first.finish(), second.feed(data) + second.finish(), strict=True
    ):
        assert plain[a.offset - 8 : a.offset][-3:] == data[b.offset - 8 : b.offset][-3:]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("2024-01-01T00:00:05.250000000Z ", 1704067205.25),
        ("2024-01-01T02:00:05+02:00 ", 1704067205.0),
        ("[1694012360.5] ", 1694012360.5),
        ("pod/kohya-7d9f8b6c5d | ", None),
        ("2024-13-77 99:00:00 ", None),
    ],
)
def test_times_with_a_zone(prefix: str, expected: float | None) -> None:
    assert PrefixClock(0.0).time_of(prefix) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("[2024-09-16 12:00:01] [INFO] ", "2024-09-16 12:00:01"),
        ("2024-09-16 12:00:01,500 - ", "2024-09-16 12:00:01"),
        ("2024/09/16 12:00:01 ", "2024-09-16 12:00:01"),
        ("Sep  6 14:59:20 host python[1]: ", "2026-09-06 14:59:20"),
        ("Dec 24 14:59:20 host python[1]: ", "2025-12-24 14:59:20"),
        ("[08:03:35] [STDERR] ", "2026-11-30 08:03:35"),
        ("8:03:35 PM ", "2026-11-30 20:03:35"),
    ],
)
def test_local_times(prefix: str, expected: str) -> None:
    near = time.mktime((2026, 11, 30, 20, 30, 0, 0, 0, -1))
    at = PrefixClock(near).time_of(prefix)
    assert at is not None
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) == expected


def test_times_of_day_go_past_midnight() -> None:
    clock = PrefixClock(time.time())
    times = [clock.time_of(f"[{one}] ") for one in ("23:59:58", "23:59:59", "00:00:01")]
    assert None not in times
    assert times[2] - times[1] == 2.0  # type: ignore[operator]
