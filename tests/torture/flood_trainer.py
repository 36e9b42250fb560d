"""A stand-in trainer that floods its console between two steps; standard library only.

    python flood_trainer.py --output_dir DIR --output_name NAME --kind KIND --mb N [...]     as a run
    python flood_trainer.py --plain FILE --kind KIND --mb N [...]      only the flood, into a file

Writes how long its writes took to DIR/flood.json. As a run it waits before the flood until DIR/go exists.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fake_trainer import banner, bar, save  # noqa: E402  (after the path)

BEFORE, STEPS = 10, 20
MEGABYTE = 1 << 20
BLOCK = 1 << 16
#: shown after the flood, so that a test knows when all of it has been read
LAST_LINE = "end of the flood"

Blocks = Iterator[bytes]


def lines(size: int) -> Blocks:
    """Ordinary log lines."""
    line = b"2026-11-30 12:00:00 INFO     bucket 12: resolution (832, 1216), count: 14   train_util.py:1090\n"
    block = line * (BLOCK // len(line))
    for _ in range(size // len(block)):
        yield block


def endless(size: int) -> Blocks:
    """One line that never ends."""
    for _ in range(size // BLOCK):
        yield b"x" * BLOCK


def invalid(size: int) -> Blocks:
    """Bytes that are no UTF-8, with line ends among them."""
    dice = random.Random(7)
    block = dice.randbytes(BLOCK).replace(b"]", b"\xff")
    for _ in range(size // BLOCK):
        yield block


def nul(size: int) -> Blocks:
    """NUL bytes, as a disk full of holes or a broken pipe leaves them."""
    for _ in range(size // BLOCK):
        yield b"\0" * (BLOCK - 1) + b"\n"


def escapes(size: int) -> Blocks:
    """Attacks on the terminal, most of them never closed."""
    attacks = (
        "\x1b]0;never closed title", "\x1b]52;c;cHduZWQ=", "\x1bP+q544e never closed", "\x1b[2J\x1b[H",
        "\x1b[?1049l\x1b[?25h", "\x1bc", "\x1b_Gf=100;AAAA", "\x9b2J\x9d0;c1", "\u202egnp.\u202c",
        "[bold red]markup[/x] [@click=app.quit]press[/]", "\x07\x08\x0e", "\x1b[" + "9" * 5000 + "m",
        "\x1b]8;;http://evil.example\x1b\\link",
    )  # fmt: skip
    block = "\n".join(attacks * 8).encode() + b"\n"
    for _ in range(max(1, size // len(block))):
        yield block


def updates(size: int) -> Blocks:
    """Bars of another loop, each `\\r` an update."""
    for first in range(0, size // 60, 1000):
        yield b"".join(
            b"\rcaching latents: %3d%%|####      | %d/1000000 [00:01<00:02, 900.00it/s]"
            % (n % 101, n)
            for n in range(first, first + 1000)
        )


def long(size: int) -> Blocks:
    """Lines of 10 MB."""
    for _ in range(max(1, size // (10 * MEGABYTE))):
        for _ in range(10 * MEGABYTE // BLOCK):
            yield b"y" * BLOCK
        yield b"\n"


KINDS: dict[str, Callable[[int], Blocks]] = {
    one.__name__: one for one in (lines, endless, invalid, nul, escapes, updates, long)
}


def flood(target: int, kind: str, size: int, rate_mb: float) -> dict[str, float]:
    """Write it at `rate_mb` megabytes a second (0: at once). Seconds spent in writing, bytes, and the longest
    single write."""
    spent = longest = 0.0
    written, began = 0, time.monotonic()
    for block in KINDS[kind](size):
        before = time.monotonic()
        os.write(target, block)
        passed = time.monotonic() - before
        spent, longest, written = spent + passed, max(longest, passed), written + len(block)
        ahead = written / (rate_mb * MEGABYTE) - (before - began) if rate_mb else 0.0
        if ahead > 0.01:
            time.sleep(ahead)
    return {"write_s": spent, "longest_s": longest, "bytes": written}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir")
    parser.add_argument("--output_name", default="flood")
    parser.add_argument("--ledger")
    parser.add_argument("--plain", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="lines")
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.0, help="megabytes a second, 0: at once")
    args = parser.parse_args()
    # what the fake trainer's functions read
    vars(args).update(
        steps=STEPS, epoch_steps=STEPS, resume=None, writes=None, save_s=0.0, nan_weights_at=0,
        truncate_at=0, deep_header_at=0, empty_state_at=0, save_state=False,
    )  # fmt: skip
    return args


def main() -> None:
    args = arguments()
    size = int(args.mb * MEGABYTE)
    if args.plain is not None:
        target = os.open(args.plain, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        print(json.dumps(flood(target, args.kind, size, args.rate)))
        return
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    banner(args)
    print("\nepoch 1/1\n", flush=True)
    for step in range(1, STEPS + 1):
        bar(step, STEPS, 0.1)
        if step == BEFORE:
            while not (folder / "go").exists():
                time.sleep(0.02)
            found = flood(2, args.kind, size, args.rate)
            (folder / "flood.json").write_text(json.dumps(found))
        time.sleep(0.01)
    print(f"\n{LAST_LINE}", flush=True)
    save(args, args.output_name, STEPS, 1)
    print("\n2026-11-30 12:00:00 INFO     model saved.   train_network.py:1", flush=True)


if __name__ == "__main__":
    main()
