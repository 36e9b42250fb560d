"""The undisturbed run of the same seed: its losses, and the tensors of its checkpoints byte by byte."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from runner.files.header import Broken, read_header
from runner.store.rundir import RunDir


def tensors_digest(path: Path) -> str | None:
    """SHA-256 of a safetensors file's tensors: names, types, shapes and bytes, without the metadata
    (which holds times and a session's number). None: the file is not complete."""
    try:
        header, offset, size = read_header(path)
        if path.stat().st_size != size:
            return None
        data = path.read_bytes()[offset:]
    except (Broken, OSError):
        return None
    table = {name: value for name, value in header.items() if name != "__metadata__"}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode() + data).hexdigest()


@dataclass(frozen=True, slots=True)
class Row:
    """`holds`: the values that are not null."""

    step: int
    loss: float | None
    attempt: int
    holds: frozenset[str] = frozenset()


def rows_of(run: RunDir) -> tuple[list[Row], list[int]]:
    """(rows of steps.jsonl as written, numbers of unreadable lines). A later line without a new value for the
    same step and attempt is kept: the judge counts."""
    rows, bad = [], []
    try:
        lines = run.steps.read_bytes().split(b"\n")
    except OSError:
        return [], []
    for number, line in enumerate(lines[:-1]):
        try:
            step, _, loss, average, lr, attempt = json.loads(line)[:6]
            values = {"loss": loss, "average": average, "lr": lr}
            holds = frozenset(name for name, value in values.items() if value is not None)
            exact = None if loss is None else float(loss)
            rows.append(Row(int(step), exact, int(attempt), holds))
        except (ValueError, TypeError):
            bad.append(number)
    return rows, bad


@dataclass(frozen=True, slots=True)
class Reference:
    """`tensors`: by true step; `losses`: exact, by true step."""

    tensors: dict[int, str]
    losses: dict[int, float]


def reference_of(run: RunDir, output: Path, steps: int) -> Reference:
    """Of an undisturbed run that succeeded. The final file belongs to the last step."""
    tensors = {}
    for path in output.glob("*.safetensors"):
        _, mark, number = path.stem.partition("-step")
        digest = tensors_digest(path)
        assert digest is not None, path
        tensors[int(number) if mark else steps] = digest
    losses = {row.step: row.loss for row in rows_of(run)[0] if row.loss is not None}
    return Reference(tensors, losses)
