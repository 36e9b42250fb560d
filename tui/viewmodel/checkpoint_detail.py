"""All that is known of one checkpoint: what the row under the cursor has no room for."""

from __future__ import annotations

from dataclasses import dataclass

from runner.history.checkpoint_columns import NO, NONE, YES
from runner.history.checkpoint_columns import change_text as change
from runner.history.checkpoint_columns import norm_text as norm
from runner.model import BlockNorm, Checkpoint
from tui.text import clean
from tui.viewmodel.checkpoints import CheckpointRow, CheckpointTable


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    role: str = "text"


@dataclass(frozen=True, slots=True)
class BlockLine:
    """The norms of one block; `share`: its mean against the largest mean of this file."""

    name: str
    mean: str
    largest: str
    change: str
    share: float
    modules: int


@dataclass(frozen=True, slots=True)
class CheckpointDetail:
    title: str
    facts: tuple[Fact, ...] = ()
    blocks: tuple[BlockLine, ...] = ()


def detail_of(table: CheckpointTable, index: int) -> CheckpointDetail:
    """Of the row at `index`; norms are told against the file before it that has some."""
    row = table.rows[index]
    if row.source is None:
        return CheckpointDetail(row.name, (Fact("", _coming(row), "dim"),))
    earlier = (r.source for r in reversed(table.rows[:index]) if r.source and r.source.norms)
    before = next(earlier, None)
    return CheckpointDetail(
        row.name, tuple(_facts(table, row, row.source)), _blocks(row.source, before)
    )


def _coming(row: CheckpointRow) -> str:
    if row.kind == "impossible":
        return (
            "The forecast held this file. The resumed attempt counts its saves anew, so they fall on "
            "other steps."
        )
    if row.kind == "missing":
        return f"It should have been written by now: {row.age}."
    when = f": {row.age}" if row.age else ""
    return f"Not written yet{when}{', ' + row.fate if row.fate else ''}."


def _facts(table: CheckpointTable, row: CheckpointRow, one: Checkpoint) -> list[Fact]:
    facts = [Fact("path", clean(one.path, 500))]
    if row.problem:
        facts.append(Fact("problem", row.problem, "bad"))
    if row.remark:
        facts.append(Fact("weights", row.remark, "warn"))
    facts.append(Fact("state", _state(row, one), "bad" if row.cells["state"] == NO else "text"))
    facts += _optional(row, one)
    attempts = dict(table.attempts)
    if one.attempt in attempts:
        number = f"{one.attempt} of {len(attempts)}"
        facts.append(Fact("attempt", f"{number}, {attempts[one.attempt]}", "dim"))
    return facts


def _state(row: CheckpointRow, one: Checkpoint) -> str:
    if row.cells["state"] == NONE:
        return "none saved with it: only its weights can be gone on from"
    words = {YES: "whole, a training can go on from it", NO: "not whole"}
    said = words.get(row.cells["state"], "not looked at yet")
    why = f": {clean(one.state_problem, 300)}" if one.state_problem else ""
    return f"{said}{why}, {clean(one.state_path, 500)}"


def _optional(row: CheckpointRow, one: Checkpoint) -> list[Fact]:
    facts = []
    if one.rank is not None:
        alpha = f", alpha {one.alpha:g}" if one.alpha is not None else ""
        facts.append(Fact("network", f"rank {one.rank}{alpha}"))
    if one.norm is not None:
        largest = f", largest {norm(one.norm_largest)}" if one.norm_largest is not None else ""
        change_cell = row.cells["change"]
        since = f", {change_cell} since the one before" if change_cell else ""
        facts.append(Fact("norm", f"mean {norm(one.norm)}{largest}{since}"))
    validation, smoothed = row.cells["val"], row.cells["loss"] or "unknown"
    if validation:
        facts.append(Fact("loss", f"{smoothed} smoothed, validation {validation}"))
    if one.sample_path:
        facts.append(Fact("sample", clean(one.sample_path, 500)))
    if row.fate:
        facts.append(Fact("kept", f"not for good: {row.fate}", "warn"))
    return facts


def _blocks(one: Checkpoint, before: Checkpoint | None) -> tuple[BlockLine, ...]:
    top = max((block.mean for block in one.norms), default=0.0) or 1.0
    old = {block.block: block for block in before.norms} if before is not None else {}
    return tuple(
        BlockLine(
            clean(block.block, 60),
            norm(block.mean),
            norm(block.largest),
            change(_since(block, old.get(block.block))),
            block.mean / top,
            block.modules,
        )
        for block in one.norms
    )


def _since(block: BlockNorm, before: BlockNorm | None) -> float | None:
    if before is None or before.mean <= 0:
        return None
    return block.mean / before.mean - 1
