"""Compares a run folder with what the soak's trainer is known to have trained."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from runner.state.losses import read_steps
from runner.store.journal import LineTail, number_text, step_rows
from runner.store.rundir import RunDir
from tests.torture.outcome import Tally
from tests.torture.soak_trainer import average_of, loss_of

#: sizes that a long run must not exceed
STATUS_BYTES, STEP_BYTES, EVENT_BYTES = 200_000, 100, 300
#: rows that only add an exact loss to an earlier row, of all steps; a supervisor that follows a trainer of
#: thousands of steps a second, or reads again, cannot hold every row until its loss arrives
ADDED_SHARE = 0.5


def check_ledger(tally: Tally, run: RunDir, steps: int) -> None:
    """Every step once, in order, with its loss; a later row of a step may only add its exact loss."""
    rows, wrong, last = Counter[str](), Counter[str](), 0
    first_wrong: dict[str, str] = {}
    with_loss = bytearray(steps + 2)

    def note(kind: str, row: object) -> None:
        wrong[kind] += 1
        first_wrong.setdefault(kind, str(row))

    for block in LineTail(run.steps).read(float("inf")):
        found, bad = step_rows(block)
        wrong["unreadable"] += bad
        for row in found:
            step, _, loss, average, _, _ = row
            if not 1 <= step <= steps:
                note("a step that was never trained", row)
                continue
            if step == last + 1:
                last = step
                rows["steps"] += 1
            elif step <= last and loss is not None and average is None:
                rows["added"] += 1
            else:
                note("out of order or twice", row)
            if loss is not None:
                if with_loss[step]:
                    note("two losses of a step", row)
                with_loss[step] = 1
                if number_text(float(loss)) != number_text(loss_of(step)):
                    note("another loss than trained", row)
            if average is not None and float(average) != average_of(step):
                note("another average than printed", row)
    tally.claim(rows["steps"] == steps, f"{rows['steps']} of {steps} steps are in the ledger")
    tally.claim(sum(with_loss) == steps, f"{sum(with_loss)} of {steps} steps have their exact loss")
    for kind, count in wrong.items():
        tally.claim(not count, f"{kind}: {count} rows, the first {first_wrong.get(kind)}")
    tally.at_most("rows_added_share", rows["added"] / steps, ADDED_SHARE)
    table = read_steps(run.steps)
    same = all(
        number_text(value) == number_text(loss_of(step))
        for step, value in zip(table.steps, table.values, strict=True)
    )
    tally.claim(len(table) == steps and same, "the ledger as read differs from the training")


def check_files(tally: Tally, run: RunDir, steps: int) -> None:
    """The run folder after the end: every file sound and of a sane size."""
    sizes = {path.name: path.stat().st_size for path in run.path.iterdir() if path.is_file()}
    for name, size in sorted(sizes.items()):
        if size > 100_000:
            tally.numbers[f"{name}_MB"] = size / 1e6
    tally.at_most("status.json_bytes", sizes["status.json"], STATUS_BYTES)
    tally.at_most("steps.jsonl_bytes_per_step", sizes["steps.jsonl"] / steps, STEP_BYTES)
    tally.at_most("supervisor.log_bytes", sizes["supervisor.log"], 10_000)
    for path in sorted(run.path.glob("*.json")):
        tally.claim(_is_json(path.read_text()), f"{path.name} is no JSON")
    for path in sorted(run.path.glob("*.jsonl")):
        with path.open() as stream:
            bad = sum(not _is_json(line) for line in stream) if path != run.steps else 0
        tally.claim(not bad, f"{path.name}: {bad} lines are no JSON")
    left = [path.name for path in run.path.rglob("*.tmp")]
    tally.claim(not left, f"temporary files are left: {left}")
    summary = json.loads(run.summary_json.read_text()) if run.summary_json.exists() else {}
    tally.claim(summary, "there is no summary")
    tally.numbers["summary.json_bytes"] = len(json.dumps(summary))
    shown = json.dumps(summary)
    tally.claim(f"{steps}" in shown and "succeeded" in shown, "the summary has other facts")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
