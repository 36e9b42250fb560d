"""The facts of a run folder, read in the plainest way: json, hashlib, numpy. Nothing of plasma-tui is used, so
that its summaries can be held against them (check_summary.py)."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

KEEP = 0.97  # of the smoothed loss, at each step
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def lines_of(path: Path) -> list[Any]:
    """Every line that is JSON."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def number(value: Any) -> float | None:
    return ODD.get(value) if isinstance(value, str) else value


class Steps:
    """The rows that count, after all replays: by true step."""

    def __init__(self, lines: list[Any]) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.trained: dict[int, int] = {}
        self.replaced: dict[int, list[int]] = {}
        self.replaced_s: dict[int, float] = {}
        own: dict[int, dict[int, dict[str, Any]]] = {}
        for step, seconds, loss, average, _, attempt in lines:
            empty = {"loss": None, "average": None, "seconds": None, "attempt": attempt}
            row = own.setdefault(attempt, {}).setdefault(step, empty)
            for name, value in (("loss", number(loss)), ("average", number(average))):
                row[name] = row[name] if value is None else value
            row["seconds"] = seconds if row["seconds"] is None else row["seconds"]
        for attempt, rows in sorted(own.items()):
            self.trained[attempt] = len(rows)
            for step in sorted(n for n in self.rows if n >= min(rows)):
                owner, passed = self.rows[step]["attempt"], self.between(step)
                self.replaced.setdefault(owner, []).append(step)
                if passed is not None:
                    self.replaced_s[owner] = self.replaced_s.get(owner, 0.0) + passed
            self.rows = {n: row for n, row in self.rows.items() if n < min(rows)}
            self.rows |= dict(sorted(rows.items()))

    def between(self, step: int) -> float | None:
        """Seconds from the row before, within one attempt."""
        before = max((n for n in self.rows if n < step), default=None)
        one, two = self.rows.get(before) if before is not None else None, self.rows[step]
        if one is None or one["attempt"] != two["attempt"]:
            return None
        if one["seconds"] is None or two["seconds"] is None:
            return None
        return max(0.0, two["seconds"] - one["seconds"])

    def times(self) -> dict[int, float]:
        """`between` of all rows at once."""
        found, before = {}, None
        for step, row in self.rows.items():
            same = before is not None and before["attempt"] == row["attempt"]
            if same and None not in (before["seconds"], row["seconds"]):
                found[step] = max(0.0, row["seconds"] - before["seconds"])
            before = row
        return found

    def value(self, step: int) -> float | None:
        row = self.rows[step]
        return row["loss"] if row["loss"] is not None else row["average"]

    def smoothed(self) -> dict[int, float]:
        found, top, bottom = {}, 0.0, 0.0
        for step in self.rows:
            value = self.value(step)
            if value is not None and math.isfinite(value):
                top, bottom = KEEP * top + (1 - KEEP) * value, KEEP * bottom + (1 - KEEP)
            if bottom:
                found[step] = top / bottom
        return found


def tensors_of(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], bool]:
    """(arrays by name, metadata, is the file exactly as long as its header says)."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata, body, end, found = header.pop("__metadata__", {}), 8 + length, 0, {}
    for name, told in header.items():
        begin, until = told["data_offsets"]
        raw = data[body + begin : body + until]
        end = max(end, until)
        if told["dtype"] == "BF16":
            array = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            array = np.frombuffer(raw, DTYPES[told["dtype"]])
        found[name] = array.reshape(told["shape"]).astype(np.float64)
    return found, metadata, len(data) == body + end


def lora_norms(arrays: dict[str, np.ndarray]) -> list[float]:
    """Of each module: the Frobenius norm of (alpha / rank) * up @ down."""
    found = []
    for name, down in arrays.items():
        if not name.endswith("lora_down.weight"):
            continue
        up = arrays[name.replace("lora_down", "lora_up")]
        alpha = float(
            arrays.get(name.replace("lora_down.weight", "alpha"), np.array(down.shape[0]))
        )
        product = up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
        found.append(float(np.linalg.norm(product)) * alpha / down.shape[0])
    return found


def console_numbers(text: str) -> dict[str, int]:
    """The newest banner of the trainer."""
    words = {
        "batches": r"num batches per epoch[^:\n]*: *(\d+)", "epochs": r"num epochs[^:\n]*: *(\d+)",
        "accumulation": r"gradient accumulation steps[^=:\n]*[=:] *(\d+)",
        "total": r"total optimization steps[^:\n]*: *(\d+)",
    }  # fmt: skip
    found = {name: re.findall(pattern, text) for name, pattern in words.items()}
    return {name: int(hits[-1]) for name, hits in found.items() if hits}


def exact_losses(folder: Path) -> list[list[float]]:
    """`loss/current` of each event file below a folder, in the order of its steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for file in sorted(folder.rglob("*tfevents*"), key=lambda p: p.name):
        read = EventAccumulator(str(file), size_guidance={"scalars": 0})
        read.Reload()
        if "loss/current" in read.Tags()["scalars"]:
            events = sorted(read.Scalars("loss/current"), key=lambda one: one.step)
            found.append([one.value for one in events])
    return found


def dataset_files(config: Path, base: Path) -> tuple[str, int, int] | None:
    """(fingerprint, images, captions) as docs/summary.md describes it; of a TOML with image folders."""
    told = tomllib.loads(config.read_text(encoding="utf-8"))
    digest, images, captions = hashlib.sha256(), 0, 0
    for dataset in told.get("datasets", []):
        for subset in dataset.get("subsets", []):
            levels = (subset, dataset, told.get("general", {}))
            ending = next(
                (t["caption_extension"] for t in levels if "caption_extension" in t), ".caption"
            )
            folder = base / subset["image_dir"]
            digest.update(b"subset\0" + folder.name.encode() + b"\0")
            for image in sorted(folder.iterdir(), key=lambda p: p.name):
                if image.suffix not in (".png", ".jpg", ".jpeg", ".webp", ".bmp"):
                    continue
                caption = image.with_suffix(ending)
                digest.update(
                    image.name.encode() + b"\0" + str(image.stat().st_size).encode() + b"\0"
                )
                text = b"caption\0" + caption.read_bytes() if caption.exists() else b"none"
                digest.update(text + b"\0")
                images, captions = images + 1, captions + caption.exists()
    return digest.hexdigest(), images, captions
