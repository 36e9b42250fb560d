"""A stand-in trainer whose every loss is a known function of its step; standard library only.

    python soak_trainer.py --output_dir DIR --output_name NAME --steps N [--logging_dir DIR] ...

It prints a bar per step, as sd-scripts does, and writes each exact loss to an event file. It trains as fast as
`--ledger` (the run's steps.jsonl) grows: up to `--ahead` steps before it, at `--floor` steps a second if
nothing follows, because no trainer waits for a monitor.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import struct
import time
from pathlib import Path

#: steps between two looks at the ledger; events are flushed then, too
BATCH = 50


def average_of(step: int) -> float:
    """The running average behind a step, as the bar shows it: three digits."""
    return float(f"{0.05 + 0.2 / (1 + step / 1000):.3g}")


def loss_of(step: int) -> float:
    """The exact loss of a step: a float32, as an event file holds it."""
    loss = 0.05 + 0.2 / (1 + step / 1000) + 0.02 * (step * 7919 % 101) / 101
    return float(struct.unpack("<f", struct.pack("<f", loss))[0])


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """CRC32C as TFRecord stores it."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found) + bytes((number,))


#: Event.summary with one value: tag and simple_value
_SUMMARY = b"\x2a\x15\x0a\x13\x0a\x0closs/current\x15"
_HEADS: dict[int, bytes] = {}


def record(step: int, loss: float, at: float) -> bytes:
    """An event with one scalar, as torch's SummaryWriter writes it."""
    event = (
        b"\x09"
        + struct.pack("<d", at)
        + b"\x10"
        + _varint(step)
        + _SUMMARY
        + struct.pack("<f", loss)
    )
    head = _HEADS.get(len(event))
    if head is None:
        length = struct.pack("<Q", len(event))
        head = _HEADS[len(event)] = length + struct.pack("<I", masked_crc(length))
    return head + event + struct.pack("<I", masked_crc(event))


def followed(ledger: Path) -> int:
    """The last step in a steps.jsonl."""
    with contextlib.suppress(OSError, ValueError, IndexError), ledger.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 400))
        rows = stream.read().split(b"\n")
        return int(rows[-2].partition(b",")[0].lstrip(b"["))
    return 0


class Pace:
    """Keeps the trainer near those who follow it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._ledger = Path(args.ledger) if args.ledger else None
        self._ahead, self._floor_s = args.ahead, BATCH / args.floor

    def wait(self, step: int) -> None:
        if self._ledger is None:
            return
        deadline = time.monotonic() + self._floor_s
        while step - followed(self._ledger) > self._ahead and time.monotonic() < deadline:
            time.sleep(0.005)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--output_name", default="soak")
    parser.add_argument("--steps", "--max_train_steps", type=int, default=1000)
    parser.add_argument("--epoch_steps", type=int, default=50_000)
    parser.add_argument("--save_every_n_steps", type=int, default=10_000)
    parser.add_argument("--logging_dir")
    parser.add_argument("--ledger")
    parser.add_argument("--ahead", type=int, default=3000)
    parser.add_argument("--floor", type=float, default=500.0)
    return parser.parse_known_args()[0]


def banner(args: argparse.Namespace) -> int:
    epochs = -(-args.steps // args.epoch_steps)
    print("accelerator device: cpu")
    print("running training / 学習開始")
    print(f"  num train images * repeats / 学習画像の数×繰り返し回数: {args.epoch_steps}")
    print("  num reg images / 正則化画像の数: 0")
    print(f"  num batches per epoch / 1epochのバッチ数: {args.epoch_steps}")
    print(f"  num epochs / epoch数: {epochs}")
    print("  batch size per device / バッチサイズ: 1")
    print("  gradient accumulation steps / 勾配を合計するステップ数 = 1")
    print(f"  total optimization steps / 学習ステップ数: {args.steps}", flush=True)
    return epochs


def save(folder: Path, name: str, step: int) -> None:
    path = folder / f"{name}.safetensors"
    print(f"\nsaving checkpoint: {path}", flush=True)
    header = json.dumps({"t": {"dtype": "F32", "shape": [256], "data_offsets": [0, 1024]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", step) * 256)


def train(args: argparse.Namespace) -> None:
    folder, total = Path(args.output_dir), args.steps
    folder.mkdir(parents=True, exist_ok=True)
    epochs, pace = banner(args), Pace(args)
    if args.logging_dir:
        Path(args.logging_dir).mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.soak.{os.getpid()}.0"
        events = os.open(Path(args.logging_dir) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    held: list[bytes] = []
    for step in range(1, total + 1):
        if (step - 1) % args.epoch_steps == 0:
            print(f"\nepoch {(step - 1) // args.epoch_steps + 1}/{epochs}\n", flush=True)
        cells = "█" * (10 * step // total)
        bar = (
            f"\rsteps: {100 * step // total:3d}%|{cells:<10}| {step}/{total} "
            f"[00:01<00:02, 9.00it/s, avr_loss={average_of(step):.3g}]"
        )
        os.write(2, bar.encode())
        if args.logging_dir:
            held.append(record(step, loss_of(step), time.time()))
        if step % BATCH == 0 or step == total:
            if held:
                os.write(events, b"".join(held))
                held.clear()
            pace.wait(step)
        if args.save_every_n_steps and step % args.save_every_n_steps == 0 and step != total:
            save(folder, f"{args.output_name}-step{step:08d}", step)
    save(folder, args.output_name, total)
    print(
        f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} INFO     model saved.   train_network.py:1",
        flush=True,
    )


if __name__ == "__main__":
    train(arguments())
