"""Run folders with sample images beside them, as a trainer leaves them: for tests."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

from runner.model import (
    AttemptPlan,
    AttemptStatus,
    ExitRecord,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import write_json
from runner.store.rundir import RunDir

#: when the first attempt of every such run began
BEGAN_AT = 1_795_000_000.0


def png(width: int = 8, height: int = 8, rgb: tuple[int, int, int] = (200, 60, 40)) -> bytes:
    """A whole picture of one colour, by the standard library alone."""
    rows = (b"\0" + bytes(rgb) * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def make_run(folder: Path, *, prompts: str = "a fox --d 7\nan owl\n", **spec: Any) -> RunDir:
    """A run named `spyke` of one attempt that began at BEGAN_AT and goes on."""
    run = RunDir(folder / "runs" / "one")
    run.path.mkdir(parents=True)
    project = folder / "project"
    (project / "out" / "sample").mkdir(parents=True)
    prompt_file = project / "prompts.txt"
    prompt_file.write_text(prompts, encoding="utf-8")
    os.utime(prompt_file, (BEGAN_AT - 100, BEGAN_AT - 100))
    command = ("python", "train_network.py", "--sample_prompts=prompts.txt")
    made = RunSpec(
        id="one", name="spyke", command=command, cwd=str(project), env={}, created_at=BEGAN_AT - 10,
        host="here", output_dir=str(project / "out"), output_name="spyke", **spec,
    )  # fmt: skip
    write_json(run.spec, made)
    add_attempt(run, 1)
    return run


def add_attempt(
    run: RunDir, number: int, *, base_step: int = 0, folder: str = "out", began_at: float = BEGAN_AT
) -> Path:
    """The plan of an attempt, and the folder of its images."""
    spec = json.loads(run.spec.read_text())
    project = Path(spec["cwd"])
    plan = AttemptPlan(
        number, tuple(spec["command"]), {}, str(project), str(project / folder), "spyke",
        base_step=base_step,
    )  # fmt: skip
    write_json(run.attempt(number), plan)
    sample = project / folder / "sample"
    sample.mkdir(parents=True, exist_ok=True)
    return sample


def status_of(
    run: RunDir, *attempts: tuple[int, int, float, float | None], state: RunState = RunState.RUNNING
) -> None:
    """`attempts`: first step, last step, began at, ended at."""
    told = tuple(
        AttemptStatus(
            number, began_at, first, last,
            ExitRecord(number, 0, None, ended_at) if ended_at is not None else None,
        )
        for number, (first, last, began_at, ended_at) in enumerate(attempts, start=1)
    )  # fmt: skip
    write_json(run.status, Status(state, len(told), BEGAN_AT, attempts=told))


def journal(run: RunDir, attempt: int, kind: str, **data: object) -> None:
    line = {"at": BEGAN_AT, "kind": kind, "attempt": attempt, "offset": 1, "data": data}
    with run.events.open("a") as stream:
        stream.write(json.dumps(line, separators=(",", ":")) + "\n")


def banner(run: RunDir, attempt: int = 1, batches: int = 210, total: int = 840) -> None:
    journal(run, attempt, "banner", batches_per_epoch=batches, accumulation=1, total_steps=total)


def draw(
    folder: Path,
    number: str,
    prompt: int = 0,
    *,
    at: float = BEGAN_AT + 60,
    seed: int | None = None,
    name: str = "spyke",
    data: bytes | None = None,
) -> Path:
    """An image under the trainer's name for it, of that time."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.localtime(at))
    end = "" if seed is None else f"_{seed}"
    path = folder / f"{name}_{number}_{prompt:02d}_{stamp}{end}.png"
    path.write_bytes(png() if data is None else data)
    os.utime(path, (at, at))
    return path
