"""How fast console bytes become events, and how much memory one endless line takes."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

from runner.ingest.console.parser import ConsoleParser
from scripts.bench.figures import Figure

PARSER_BUDGET_MB_S = 20.0
LINE_MEMORY_BUDGET_MB = 2.0
LOGS = Path(__file__).parents[2] / "tests" / "data" / "runs"
#: as much as the supervisor reads at once
BLOCK_BYTES = 1 << 20
TEXT_BYTES = 8_000_000
LINE_BYTES = 10_000_000
REPEATS = 5


def measure_parser(folder: Path) -> list[Figure]:
    """All recorded logs one after the other, again and again; and the bars of one long run."""
    logs = sorted(LOGS.glob("*.log"))
    mixed = b"".join(log.read_bytes() for log in logs)
    bars = b"".join(
        f"\rsteps:  {step // 10000:2d}%|{'█' * 4:<10}| {step}/1000000 "
        f"[1:23:45<2:34:56,  1.23it/s, avr_loss=0.{step % 1000:03d}]".encode()
        for step in range(1, 50_000)
    )
    peaks = [_peak_mb(b"x"), _peak_mb("█".encode()), _peak_mb(b"\x1b[0m")]
    return [
        Figure(
            "parser", "parser, recorded logs", _speeds(mixed), "MB/s", PARSER_BUDGET_MB_S,
            at_least=True,
        ),
        Figure(
            "parser", "parser, bars only", _speeds(bars), "MB/s", PARSER_BUDGET_MB_S, at_least=True
        ),
        Figure(
            "parser", "parser, peak memory of a 10 MB line", tuple(peaks), "MB",
            LINE_MEMORY_BUDGET_MB, "max", note="beyond the 64 KiB blocks that are fed",
        ),
    ]  # fmt: skip


def _speeds(text: bytes) -> tuple[float, ...]:
    """MB a second of processor time, several times."""
    data = text * max(1, TEXT_BYTES // len(text))
    found = []
    for _ in range(REPEATS):
        parser = ConsoleParser()
        began = time.process_time()
        for at in range(0, len(data), BLOCK_BYTES):
            parser.feed(data[at : at + BLOCK_BYTES])
        parser.finish()
        found.append(len(data) / 1e6 / (time.process_time() - began))
    return tuple(found)


def _peak_mb(unit: bytes) -> float:
    """Most memory that the parser held at once while a line of 10 MB without an end was fed."""
    block = unit * ((1 << 16) // len(unit))
    parser = ConsoleParser()
    tracemalloc.start()
    try:
        for _ in range(LINE_BYTES // len(block)):
            parser.feed(block)
        parser.finish()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
