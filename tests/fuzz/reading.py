"""Targets: the console, the journals, the small files of a run folder, TensorBoard records."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.channels import Channels
from runner.history.imported_runs.log_bytes import NoLog, copy_log
from runner.history.imported_runs.log_reading import read_log
from runner.history.inspect import inspect_log
from runner.ingest.console.imported import ImportedLog
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import exact_steps
from runner.ingest.tfevents import EventFile, Scalar, ScalarTail
from runner.model import (
    Approval,
    AttemptPlan,
    Checkpoint,
    ExitRecord,
    HardwareSample,
    JournalEvent,
    KeeperRecord,
    Label,
    RunSpec,
    Status,
)
from runner.model.events import ConsoleEvent
from runner.store.appender import Appender
from runner.store.journal import (
    ROW,
    UNDECODABLE,
    Unreadable,
    decode_json,
    encode_json,
    lines_of,
    read_json,
    step_row,
    step_rows,
)
from runner.store.series import LossFold
from runner.store.tails import JournalTail
from tests.fuzz.guards import Broken, folder, place


def pieces(data: bytes) -> list[bytes]:
    """The bytes in parts, always the same ones for the same bytes."""
    chance = random.Random(data[:64])
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def require(holds: bool, text: str, *values: object) -> None:
    if not holds:
        raise Broken(f"{text}: {values!r}"[:2000])


# ----------------------------------------------------------------------------- console


def _events(parser: ConsoleParser | ImportedLog, parts: Iterable[bytes]) -> list[ConsoleEvent]:
    found = [event for part in parts for event in parser.feed(part)]
    return found + parser.finish()


def console(data: bytes) -> None:
    """The same events and counts however the bytes are split; offsets within the bytes."""
    for make in (ConsoleParser, ImportedLog):
        whole, split = make(), make()
        expected, found = _events(whole, [data]), _events(split, pieces(data))
        require(repr(found) == repr(expected), "a split changes the events", found, expected)
        require(split.unknown_lines == whole.unknown_lines, "a split changes the unknown lines")
        require(all(0 <= e.offset <= len(data) for e in expected), "an offset is outside", expected)


def log(data: bytes) -> None:
    """An imported log: unpacked, turned to UTF-8, read with its clock, evaluated."""
    source, target = place("nohup.out", data), folder() / "console.log"
    try:
        copied = copy_log(source, target)
    except NoLog:
        return
    require(target.stat().st_size == copied.size_bytes, "the copy has another size")
    read_log(target, None, 1.8e9)
    report = inspect_log(target)
    encode_json(report.to_json())
    require(report.unknown_lines <= report.lines, "more unknown lines than lines", report)


# ----------------------------------------------------------------------------- journals


def _grown(path: Path, kind: Any, parts: Sequence[bytes]) -> tuple[list[Any], int]:
    """What a reader takes from a file that grows by these parts."""
    values: list[Any] = []
    path.write_bytes(b"")
    tail = JournalTail(path, kind, values.extend, values.clear)
    for part in parts:
        with path.open("ab") as stream:
            stream.write(part)
        tail.read_values(60)
    return values, tail.bad_lines


def journal(data: bytes) -> None:
    """Rows, events and readings: the same at any growth, a prefix at any truncation, and a torn line is never
    a value, nor costs the one behind it."""
    for name, kind in (("steps", ROW), ("events", JournalEvent), ("hardware", HardwareSample)):
        path = folder() / f"{name}.jsonl"
        whole = _grown(path, kind, [data])
        grown = _grown(path, kind, pieces(data))
        require(repr(whole) == repr(grown), "growth changes the values", whole, grown)
        cut = random.Random(data[-64:]).randrange(len(data) + 1)
        part = _grown(path, kind, [data[:cut]])[0]
        same = repr(part) == repr(whole[0][: len(part)])
        require(same, "a truncated journal is no prefix", part, whole[0])
    _torn(data, cut)
    rows, _ = step_rows(data)
    fold, at_once = LossFold(capacity=8), LossFold(capacity=8)
    at_once.extend(rows)
    for row in rows:
        fold.extend([row])
    require(
        fold.series().last_step == at_once.series().last_step, "folding depends on blocks", rows
    )


def _torn(data: bytes, cut: int) -> None:
    """A supervisor dies in a line, the next one appends."""
    path = place("torn.jsonl", data[:cut])
    before, _ = step_rows(data[:cut] + b"\n")
    appender = Appender(path)
    appender.append(step_row(7, 1.5, math.nan, 0.25, None, 2))
    appender.close()
    after, _ = step_rows(path.read_bytes())
    wanted = [*before, (7, 1.5, "nan", 0.25, None, 2)]
    require(repr(after) == repr(wanted), "a torn line changes others", before, after)


# ----------------------------------------------------------------------------- small files


@dataclass(frozen=True)
class _Preflight:
    checks: tuple[dict[str, Any], ...] = ()


KINDS: tuple[Any, ...] = (
    Status, RunSpec, AttemptPlan, ExitRecord, KeeperRecord, Label, Approval, Checkpoint, Channels,
    HardwareSample, JournalEvent,
)  # fmt: skip


def record(data: bytes) -> None:
    """status.json and its like: Unreadable, or a value that survives being written and read again."""
    path = place("status.json", data)
    for kind in KINDS:
        try:
            value = read_json(path, kind)
        except Unreadable:
            continue
        again = decode_json(encode_json(value), kind)
        require(repr(again) == repr(value), "changed by writing and reading", value, again)
        try:
            lines_of(encode_json(value) + b"\n", kind)
        except UNDECODABLE as error:
            raise Broken("a line raises") from error


# ----------------------------------------------------------------------------- TensorBoard


def _scalars(path: Path, parts: Sequence[bytes]) -> list[Scalar]:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    tail, found = ScalarTail(path.parent), list[Scalar]()
    for part in parts:
        with path.open("ab") as stream:
            stream.write(part)
        tail.finder.again()
        found += tail.poll(60)
    return found


def records(data: bytes) -> None:
    """The same numbers at any growth; what is cut off or damaged gives a prefix."""
    path = folder() / "tensorboard" / "events.out.tfevents.1.host.1.0"
    whole = _scalars(path, [data])
    require(repr(_scalars(path, pieces(data))) == repr(whole), "growth changes the numbers")
    cut = random.Random(data[-64:]).randrange(len(data) + 1)
    found = _scalars(path, [data[:cut]])
    require(repr(found) == repr(whole[: len(found)]), "a cut file is no prefix", found, whole)
    if cut < len(data):
        path.write_bytes(data[:cut] + bytes([data[cut] ^ 0x41]) + data[cut + 1 :])
        whole_records = [*EventFile(place("whole.tfevents", data)).records()]
        damaged = [*EventFile(path).records()]
        require(damaged == whole_records[: len(damaged)], "a damaged record is read", cut)
    exact_steps(whole)
