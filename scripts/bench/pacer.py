#!/usr/bin/env python3
"""A trainer that tells when it printed: prints as sd-scripts does, at random moments, without torch.

    python pacer.py --output_dir DIR --output_name NAME --steps N --pause MIN MAX [--stamps FILE]

Every step is one write of the bar with its average loss; just after the write the step and
time.monotonic() go to the stamps file. With --logging_dir the exact loss then goes to a TensorBoard
event file, flushed at every step, in the order of sd-scripts (train_network.py: set_postfix, then the
trackers' log). After `--silent_after` steps it prints
nothing for ten minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import struct
import sys
import time
from pathlib import Path
from typing import Any

#: how much an average loss of the console keeps of what it was
KEEPS = 0.95


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a trainer that tells when it printed")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--output_name", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--epoch_steps", type=int, default=100)
    parser.add_argument("--pause", type=float, nargs=2, default=(0.25, 0.25))
    parser.add_argument("--save_every_n_steps", type=int, default=0)
    parser.add_argument("--silent_after", type=int, default=0)
    parser.add_argument("--stamps")
    parser.add_argument("--logging_dir")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Events:
    """The event file of one training; every scalar is flushed at once."""

    def __init__(self, folder: str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(Path(folder) / "network_train"))

    def add(self, step: int, loss: float) -> None:
        value: Any = self._summary.Value(tag="loss/current", simple_value=loss)
        summary = self._summary(value=[value])
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()


def banner(args: argparse.Namespace) -> int:
    epochs: int = -(-args.steps // args.epoch_steps)
    for line in (
        "accelerator device: cpu",
        "running training / 学習開始",
        f"  num train images * repeats / 学習画像の数×繰り返し回数: {args.epoch_steps}",
        f"  num batches per epoch / 1epochのバッチ数: {args.epoch_steps}",
        f"  num epochs / epoch数: {epochs}",
        "  batch size per device / バッチサイズ: 1",
        "  gradient accumulation steps / 勾配を合計するステップ数 = 1",
        f"  total optimization steps / 学習ステップ数: {args.steps}",
    ):
        print(line, flush=True)
    return epochs


def write_bar(step: int, total: int, average: float) -> None:
    cells = "█" * (10 * step // total)
    sys.stderr.write(
        f"\rsteps: {100 * step // total:3d}%|{cells:<10}| {step}/{total} "
        f"[00:01<00:02,  4.00it/s, avr_loss={average:.3g}]"
    )
    sys.stderr.flush()


def save(args: argparse.Namespace, name: str) -> None:
    path = Path(args.output_dir) / f"{name}.safetensors"
    print(f"\nsaving checkpoint: {path}", flush=True)
    head = json.dumps({"t": {"dtype": "F32", "shape": [256], "data_offsets": [0, 1024]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0" * 1024)


def train(args: argparse.Namespace) -> None:
    dice = random.Random(args.seed)
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    events = Events(args.logging_dir) if args.logging_dir else None
    stamps = Path(args.stamps).open("a", buffering=1) if args.stamps else None  # noqa: SIM115
    epochs = banner(args)
    average = 0.2
    for step in range(1, args.steps + 1):
        if (step - 1) % args.epoch_steps == 0:
            print(f"\nepoch {(step - 1) // args.epoch_steps + 1}/{epochs}\n", flush=True)
        time.sleep(dice.uniform(*args.pause))
        loss = (0.08 + 0.12 * math.exp(-step / 150)) * dice.uniform(0.5, 1.5)
        average = KEEPS * average + (1 - KEEPS) * loss
        write_bar(step, args.steps, average)
        if stamps is not None:
            stamps.write(f"{step} {time.monotonic()}\n")
        if events is not None:
            events.add(step, loss)
        if args.save_every_n_steps and step % args.save_every_n_steps == 0:
            save(args, f"{args.output_name}-step{step:08d}")
        if step == args.silent_after:
            time.sleep(600)
    save(args, args.output_name)
    print("model saved.", flush=True)


if __name__ == "__main__":
    train(options())
