"""The events are the same however the bytes are split."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.ingest.console.stream import HEAD_BYTES, TAIL_BYTES
from runner.model.events import ConsoleEvent, StepShown
from tests import DATA

LOGS = sorted([*DATA.glob("runs/*.log"), *DATA.glob("failures/*.log")])
SHORT_RUNS = [log for log in DATA.glob("runs/*.log") if log.stat().st_size <= 20_000]


def parse(*pieces: bytes) -> tuple[str, int]:
    """Events in a form in which NaN equals itself, and the count of unknown lines."""
    parser = ConsoleParser()
    events: list[ConsoleEvent] = []
    for piece in pieces:
        events += parser.feed(piece)
    events += parser.finish()
    return repr(events), parser.unknown_lines


def points_in_long_characters(data: bytes) -> set[int]:
    """Split points beside bytes that only mean something together."""
    near = (
        i + d
        for i, byte in enumerate(data)
        if byte >= 0x80 or byte in b"\r\n\x1b]%|["
        for d in (0, 1)
    )
    return set(near)


def check_splits(data: bytes, points: set[int]) -> int:
    """Every split point in `points`. A split matters only until the end of its line is read: from
    there on the parser must be in the very state that it has without the split."""
    base, start, checked = ConsoleParser(), 0, 0
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        frozen = pickle.dumps(base)
        expected = repr(base.feed(data[start:stop])), state(base)
        for point in points.intersection(range(start + 1, stop)):
            split: ConsoleParser = pickle.loads(frozen)
            events = split.feed(data[start:point]) + split.feed(data[point:stop])
            assert (repr(events), state(split)) == expected, (point, data[point - 40 : point + 10])
            checked += 1
        start = stop
    return checked


def state(parser: ConsoleParser) -> str:
    """All that a parser remembers, but for the list it handed out last."""
    left = {k: v for k, v in vars(parser).items() if k != "_events"}
    return repr({k: vars(v) if hasattr(v, "__dict__") else v for k, v in left.items()})


@pytest.mark.parametrize("log", SHORT_RUNS, ids=lambda p: p.stem)
def test_every_split_point_of_a_short_log(log: Path) -> None:
    data = log.read_bytes()
    assert check_splits(data, set(range(len(data)))) > 8000


@pytest.mark.parametrize("log", LOGS, ids=lambda p: p.stem)
def test_sampled_split_points(log: Path) -> None:
    data = log.read_bytes()
    chance = random.Random(log.name)
    awkward = sorted(points_in_long_characters(data))
    points = set(chance.sample(awkward, min(400, len(awkward))))
    points.update(chance.sample(range(1, len(data)), min(200, len(data) - 1)))
    assert check_splits(data, points) > 0


@pytest.mark.parametrize("log", LOGS, ids=lambda p: p.stem)
def test_two_pieces_and_single_bytes(log: Path) -> None:
    data = log.read_bytes()
    whole = parse(data)
    for point in random.Random(log.name).sample(range(1, len(data)), 3):
        assert parse(data[:point], data[point:]) == whole
    assert parse(*(data[i : i + 1] for i in range(len(data)))) == whole


BAR = b"steps:   5%|\xe2\x96\x8c         | 12/230 [00:12<03:40,  1.01it/s, avr_loss=0.123]"


def test_a_bar_at_the_end_of_an_endless_line_is_found_in_bounded_memory() -> None:
    parser, held = ConsoleParser(), 0
    events: list[ConsoleEvent] = []
    for piece in [b"x" * 65536] * 160 + [BAR]:
        events += parser.feed(piece)
        held = max(held, len(pickle.dumps(parser)))
    assert held < 4 * (HEAD_BYTES + TAIL_BYTES)
    steps = [e for e in events if isinstance(e, StepShown)]
    assert [(e.shown_step, e.total, e.average) for e in steps] == [(12, 230, 0.123)]
    assert steps[0].offset == 160 * 65536 + len(BAR)


@pytest.mark.parametrize("piece", [1000, 4096, 70_001])
def test_an_endless_line_reads_the_same_whole_and_in_pieces(piece: int) -> None:
    chance = random.Random(3)
    filler = bytes(chance.choices(b"abc ]%|[:1", k=300_000))
    data = (
        b"start\n" + filler + BAR + filler[:90_000] + b"\rsteps: 690it [00:18, 38.00it/s]\n" + BAR
    )
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)]
    assert parse(*pieces) == parse(data)
    assert "shown_step=690" in parse(data)[0]


def test_bytes_of_any_kind_raise_nothing() -> None:
    chance = random.Random(11)
    for _ in range(60):
        noise = chance.randbytes(3000)
        parse(noise)
        parse(BAR[:40] + noise + BAR + noise[:200] + b"\x1b]8;;" + noise)


def test_spoilt_logs_raise_nothing_and_read_the_same_in_pieces() -> None:
    chance = random.Random(5)
    logs = [log.read_bytes() for log in LOGS]
    for _ in range(250):
        data = bytearray(chance.choice(logs))
        start = chance.randrange(len(data))
        data = data[start : start + chance.randrange(1, 20_000)]
        for _ in range(chance.randrange(40)):
            at = chance.randrange(len(data) + 1)
            if chance.random() < 0.5:
                del data[at : at + chance.randrange(40)]
            else:
                data[at:at] = bytes(chance.choices(b"\r\n \x1b[]|%:0/9.kitsteps", k=12))
        cut = chance.randrange(len(data) + 1)
        whole = bytes(data)
        assert parse(whole[:cut], whole[cut:]) == parse(whole)


def test_numbers_beyond_reason_are_no_steps() -> None:
    digits = "9" * 5000
    log = f"steps:  1%|x| 1.5k/2M [00:00<00:00, 1it/s]\nnum epochs: {digits}\n"
    log += f"steps: {digits}it [00:00, 1it/s]\nimage_count: {digits}\nepoch 1/{digits}\n"
    assert "StepShown" not in parse(log.encode())[0]
