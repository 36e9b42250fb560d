"""What an ended run leaves for people and tools: summary.md and summary.json in its folder."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.journal import write_json
from runner.model import Checkpoint, RunSnapshot, Status
from runner.reader import RunReader
from runner.report import show_json
from runner.rundir import RunDir
from runner.units import UNKNOWN, duration, file_size, loss, memory_size, pace

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def plain(text: str, limit: int = 300) -> str:
    """Foreign text for Markdown: one line, no control characters, nothing that formats."""
    flat = " ".join(_CONTROL.sub(" ", text).split())
    cut = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    return _SPECIAL.sub(r"\\\1", cut)


def write_summary(run: RunDir, final: Status) -> None:
    """Write both forms, by rename; `final` is about to become status.json: whoever sees the run
    ended shall find its summary. Raises OSError."""
    read = RunReader(run.path, console=False).read_all()
    snapshot = replace(read, status=final, state=final.state, outcome=final.outcome)
    write_json(run.summary_json, show_json(snapshot))
    temporary = run.summary_md.with_name(f".summary.{os.getpid()}.tmp")
    try:
        temporary.write_text(markdown(snapshot), encoding="utf-8")
        temporary.replace(run.summary_md)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def markdown(snapshot: RunSnapshot) -> str:
    """The summary as Markdown: the verdict first, then its evidence."""
    spec = snapshot.spec
    title = plain(spec.name if spec is not None else snapshot.id)
    parts = [f"# {title}: {headline(snapshot)}", *_reasons(snapshot), _facts(snapshot)]
    parts += [_checkpoints(snapshot), _attempts(snapshot), _alarms(snapshot), _checks(snapshot)]
    if spec is not None:
        parts.append("## Command\n\n```sh\n" + shlex.join(spec.command) + "\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def headline(snapshot: RunSnapshot) -> str:
    """`succeeded, 920 of 920 steps in 41 min`."""
    status = snapshot.status
    word = str(snapshot.outcome or snapshot.state).replace("_", " ")
    if status is None:
        return word
    total = f" of {status.total_steps}" if status.total_steps is not None else ""
    took = None
    if status.started_at is not None and status.ended_at is not None:
        took = status.ended_at - status.started_at
    return f"{word}, {status.step}{total} steps in {duration(took)}"


def _reasons(snapshot: RunSnapshot) -> list[str]:
    status = snapshot.status
    if status is None:
        return []
    lines = [f"- {plain(reason)}" for reason in status.reasons]
    if status.cause is not None:
        lines.append(f"- cause: {status.cause.key}: {plain(status.cause.evidence)}")
        if status.cause.advice:
            lines.append(f"- what to do: {plain(status.cause.advice)}")
    return ["\n".join(lines)] if lines else []


def _facts(snapshot: RunSnapshot) -> str:
    data = show_json(snapshot)
    hardware, losses = data["hardware"], data["loss"]
    bad = losses["first_nonfinite_step"]
    rows = [
        ("run", snapshot.id),
        ("device", data["device"] or UNKNOWN),
        ("epochs", f"{data['epoch'] or UNKNOWN} of {data['epochs'] or UNKNOWN}"),
        ("batches an epoch", str(data["batches_per_epoch"] or UNKNOWN)),
        ("pace", pace(data["seconds_per_step"])),
        ("last loss", loss(losses["last"]) + (" (exact)" if losses["exact"] else " (average)")),
        ("smoothed loss", loss(losses["smooth"])),
        ("first loss that was not finite", f"step {bad}" if bad is not None else "none"),
        ("memory of the training, peak", memory_size(hardware["training_memory_max_bytes"])),
        *_gpu_rows(hardware),
        ("warnings in the console", str(data["warnings"])),
    ]
    started = data["started_at"]
    if started is not None:
        rows.insert(1, ("started", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))))
    table = "\n".join(f"| {name} | {plain(value)} |" for name, value in rows)
    return f"## Facts\n\n| what | value |\n|---|---|\n{table}"


def _gpu_rows(hardware: dict[str, Any]) -> list[tuple[str, str]]:
    """Was the GPU used? Without one, what there was instead."""
    if hardware["gpu_util_max"] is None:
        return [("GPU", hardware["reasons"].get("gpu", UNKNOWN))]
    busy = f"at most {hardware['gpu_util_max']:.0f} %"
    if hardware["gpu_util_mean"] is not None:
        busy += f", {hardware['gpu_util_mean']:.0f} % on average while training"
    if hardware["gpu_idle_s"]:
        busy += f", idle for {duration(hardware['gpu_idle_s'])} of it"
    rows = [("GPU", hardware["gpu"] or UNKNOWN), ("GPU busy", busy)]
    rows.append(("GPU memory, peak", memory_size(hardware["gpu_memory_max_bytes"])))
    if hardware["energy_wh"] is not None:
        rows.append(("energy of the GPU", f"{hardware['energy_wh']:.1f} Wh"))
    return rows


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "NO", None: UNKNOWN}[value]


def _checkpoint(c: Checkpoint) -> str:
    gone = " (gone)" if c.missing else " (deleted by the trainer)" if c.removed else ""
    name = plain(c.name) + gone
    step = str(c.step) if c.step is not None else UNKNOWN
    state = "whole" if c.state_complete else ("none" if c.state_path is None else "NOT whole")
    cells = (name, step, file_size(c.size_bytes), _yes(c.complete), _yes(c.finite), state)
    norm = UNKNOWN if c.norm is None else f"{c.norm:.3g}"
    remark = plain(c.problem or c.remark or "")
    return f"| {' | '.join(cells)} | {loss(c.loss)} | {norm} | {remark} |"


def _checkpoints(snapshot: RunSnapshot) -> str:
    found = snapshot.status.checkpoints if snapshot.status is not None else ()
    if not found:
        return "## Checkpoints\n\nNone was written."
    head = (
        "| file | step | size | complete | finite | state | loss | norm | remark |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows = "\n".join(_checkpoint(c) for c in found)
    folder = Path(found[-1].path).parent
    return f"## Checkpoints\n\nIn `{str(folder).replace('`', '')}`.\n\n{head}\n{rows}"


def _attempts(snapshot: RunSnapshot) -> str:
    found = snapshot.status.attempts if snapshot.status is not None else ()
    if len(found) < 2:
        return ""
    rows = []
    for a in found:
        how = "unknown"
        if a.exit is not None:
            how = f"exit {a.exit.code}" if a.exit.code is not None else f"signal {a.exit.signal}"
        rows.append(f"| {a.attempt} | {a.first_step} | {a.last_step} | {how} |")
    head = "| attempt | first step | last step | ended by |\n|---|---|---|---|"
    return "## Attempts\n\n" + head + "\n" + "\n".join(rows)


def _alarms(snapshot: RunSnapshot) -> str:
    found = snapshot.status.alarms if snapshot.status is not None else ()
    if not found:
        return ""
    lines = []
    for alarm in found:
        over = " (over)" if alarm.over_at is not None else ""
        lines.append(f"- {str(alarm.kind).replace('_', ' ')}{over}: {plain(alarm.text, 400)}")
    return "## Alarms\n\n" + "\n".join(lines)


def _checks(snapshot: RunSnapshot) -> str:
    if not snapshot.preflight:
        return ""
    rows = "\n".join(
        f"| {plain(c.title or c.name)} | {c.status} | {plain(c.evidence)} |"
        for c in snapshot.preflight
    )
    return f"## Preflight\n\n| check | result | evidence |\n|---|---|---|\n{rows}"


def summary_text(path: Path) -> str:
    """The Markdown of any run, ended or not."""
    return markdown(RunReader(path, console=False).read_all())
