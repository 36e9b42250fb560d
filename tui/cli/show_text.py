"""`show` as text. Pure; all foreign text is cleaned."""

from __future__ import annotations

from collections.abc import Iterator

from runner.history.checkpoint_columns import text_columns
from runner.history.report import headline
from runner.model import OVER, Alarm, AttemptStatus, Label, RunSnapshot, Status
from runner.model.units import clock, count, file_size
from tui.cli.common import progress_line
from tui.text import clean
from tui.words.alarms import alarm_text
from tui.words.cause import cure_of
from tui.words.checkpoints import CheckpointRow, checkpoint_table
from tui.words.job import job_words
from tui.words.loss import replaced_steps, span_word
from tui.words.machine import (
    disk_words,
    newest,
    others,
    output_disk,
    room_of,
    use_sentences,
    user_words,
)
from tui.words.progress import progress_of
from tui.words.questions import price_of_stopping

COLUMNS = text_columns("show")
HEADS = ("checkpoint", *(column.name for column in COLUMNS), "")


def show_lines(snapshot: RunSnapshot, label: Label | None = None) -> Iterator[str]:
    """Everything but the checkpoints."""
    spec, status, label = snapshot.spec, snapshot.status, label or Label()
    name = spec.name if spec is not None else snapshot.id
    line = headline(snapshot) if snapshot.state in OVER else progress_line(snapshot)
    yield f"{clean(label.name) or clean(name)}: {clean(line)}"
    yield f"{clean(snapshot.id)}{_marks(snapshot, label)}"
    yield from (f"  {clean(line)}" for line in label.note.split("\n") if line.strip())
    for problem in snapshot.problems:
        yield f"  ! {clean(problem)}"
    if status is None:
        return
    for reason in status.reasons:
        yield f"  - {clean(reason)}"
    yield from _cause(snapshot, status)
    if snapshot.job is not None:
        yield job_words(snapshot.job, snapshot.read_at)
    yield f"device {clean(status.device) or 'unknown'}, {count(len(status.attempts), 'attempt')}"
    if len(status.attempts) > 1:
        yield from _attempts(status.attempts)
    for alarm in status.alarms:
        yield f"  ! {_alarm(alarm)}"
    yield from _hardware(snapshot, status)
    if snapshot.state not in OVER:
        yield from _price(snapshot, status)


def _marks(snapshot: RunSnapshot, label: Label) -> str:
    """Its origin, its configured name if it was renamed, its group, its tags."""
    spec = snapshot.spec
    words = []
    if spec is not None and spec.origin:
        words.append(f"{clean(spec.origin)} from {clean(spec.origin_path) or 'files'}")
    if spec is not None and label.name and label.name != spec.name:
        words.append(f"configured as {clean(spec.name)}")
    if spec is not None and spec.group:
        words.append(f"group {clean(spec.group)}")
    if label.tags:
        words.append(f"tags: {', '.join(clean(tag) for tag in label.tags)}")
    return "".join(f", {word}" for word in words)


def _cause(snapshot: RunSnapshot, status: Status) -> Iterator[str]:
    cause = status.cause
    if cause is None:
        return
    yield f"  cause: {clean(cause.key)}: {clean(cause.evidence)}"
    if cause.advice:
        yield f"  advice: {clean(cause.advice)}"
    if cure_of(cause):
        yield f"  fix: {' '.join(cure_of(cause))}"
        if snapshot.state in OVER:
            yield f"  `plasma-tui retry {clean(snapshot.id)}` applies it"


def _attempts(attempts: tuple[AttemptStatus, ...]) -> Iterator[str]:
    for one in attempts:
        steps = "no step"
        if one.first_step is not None:
            steps = f"steps {one.first_step} to {one.last_step or one.first_step}"
        yield f"  attempt {one.attempt}: {steps}{_exit(one)}"
    replaced = replaced_steps(attempts)
    if replaced:
        yield f"  trained again (the later results count): {', '.join(map(span_word, replaced))}"


def _exit(one: AttemptStatus) -> str:
    ended = one.exit
    if ended is None:
        return ""
    if ended.signal is not None:
        return f", ended by signal {ended.signal}"
    return f", exit code {ended.code}" if ended.code is not None else ", end not recorded"


def _alarm(alarm: Alarm) -> str:
    over = f", over at {clock('%H:%M', alarm.over_at)}" if alarm.over_at else ""
    return f"since {clock('%H:%M', alarm.since_at)}{over}: {alarm_text(alarm)}"


def _hardware(snapshot: RunSnapshot, status: Status) -> Iterator[str]:
    """Use of the machine; while it runs also other GPU users and the disk."""
    use = status.hardware
    if use.gpu_name:
        source = f", by {clean(use.gpu_source, 20)}" if use.gpu_source else ""
        yield f"hardware: {clean(use.gpu_name, 80)}{source}"
    for sentence in use_sentences(use):
        yield f"  {sentence}"
    if snapshot.state in OVER:
        return
    for user in others(snapshot):
        pid = f" (process {user.pid})" if user.pid is not None else ""
        yield f"  also running: {user_words(user, snapshot.read_at)}{pid}"
    sample = newest(snapshot)
    disk = output_disk(sample) if sample is not None else None
    if disk is not None and disk.free_bytes is not None:
        words = disk_words(room_of(snapshot, disk.free_bytes))
        yield f"  disk: {file_size(disk.free_bytes)} free{', ' + words if words else ''}"


def _price(snapshot: RunSnapshot, status: Status) -> Iterator[str]:
    yield price_of_stopping(progress_of(snapshot))
    if status.stop_after_save:
        who = {"guard": " (ordered by the guard)", "Slurm": " (its Slurm job ends)"}.get(
            status.stop_by or "", ""
        )
        yield f"stops after the next save{who}"


def checkpoint_cells(snapshot: RunSnapshot) -> list[list[str]]:
    """A row for each file that was written, is missing, or won't be written."""
    rows = checkpoint_table(snapshot, snapshot.read_at).rows
    by_step = sorted(rows, key=lambda row: row.order)
    return [_cells(row) for row in by_step if row.kind != "expected"]


def _cells(row: CheckpointRow) -> list[str]:
    words = [column.words(row.cells.get(column.name, "")) for column in COLUMNS]
    return [row.name, *words, _remarks(row)]


def _remarks(row: CheckpointRow) -> str:
    if row.kind == "removed":
        return "deleted by the trainer"
    if row.kind == "missing":
        return "MISSING: not written"
    if row.kind == "impossible":
        return row.age
    return "; ".join(text for text in (row.problem, row.remark, row.fate) if text)
