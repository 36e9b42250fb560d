"""Reviews of synthetic runs, for the tests of what is written of them."""

from __future__ import annotations

import math
from dataclasses import replace

from runner.history.review.attempts import attempts_of
from runner.history.review.best import rank
from runner.history.review.epochs import curve, epoch_rows
from runner.history.review.model import BaseModel, DatasetFacts, Moment, Review, SampleFacts
from runner.model import AlarmKind, AttemptPlan, CheckResult, Outcome, RunSnapshot
from runner.model.preview import FlagChange
from runner.state.losses import StepTable, loss_facts
from tests import builders as b
from tests import stories as s


def table_of(values: list[float], attempt: int = 1, first: int = 1) -> StepTable:
    table = StepTable()
    for at, value in enumerate(values):
        table.add((first + at, 3.0 * (at + 1), value, None, None, attempt))
    table.close()
    return table


def review_for(
    snapshot: RunSnapshot, values: list[float] | None = None, **changes: object
) -> Review:
    """As `gather` makes it, but for what lies on a disk."""
    status = snapshot.status
    assert status is not None
    table = table_of(b.losses(status.step) if values is None else values)
    smooth = table.smoothed()
    made = Review(
        snapshot=snapshot,
        losses=loss_facts(table, smooth),
        epochs=epoch_rows(table, smooth, 230),
        curve=curve(table, smooth),
        steps_per_epoch=230,
        attempts=attempts_of(snapshot, table, ()),
        checkpoints=status.checkpoints,
        sizes_now={c.path: c.size_bytes for c in status.checkpoints},
        candidates=rank(status.checkpoints),
        due=tuple(c.name for c in status.checkpoints),
        banner={"batches_per_epoch": 230, "epochs": 4, "total_steps": 920},
        images=23,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def good() -> Review:
    return review_for(b.ended(Outcome.SUCCEEDED))


def point(title: str, status: str, evidence: str) -> CheckResult:
    return CheckResult("a_point", status, evidence, title=title)


def hostile(text: str) -> Review:
    """Every place that foreign text can come to."""
    name = text or "x"
    shown = b.ended(
        Outcome.FAILED, 412, replace(s.OOM, evidence=text, advice=text, changes=(text,))
    )
    assert shown.status is not None and shown.spec is not None
    one = b.checkpoint(200, name=name, path=f"/out/{name}", problem=text, remark=text)
    status = replace(
        shown.status,
        checkpoints=(one, b.checkpoint(400)),
        alarms=(s.alarm(AlarmKind.SLOW, text=text),),
        reasons=(text, text),
        device=text,
    )
    spec = replace(
        shown.spec, name=text, command=("python", text, "--x", text), cwd=text or "/", host=text,
        env={"A": text, "B": None}, output_dir=text or None, config_text=text,
        config_path=text or None, versions={"torch": text},
    )  # fmt: skip
    check = CheckResult("one", "fail", text, None, text, text)
    shown = replace(shown, spec=spec, status=status, problems=(text,), preflight=(check, check))
    return review_for(
        shown,
        due=(name, "missing.safetensors"),
        samples=SampleFacts(2, (text,), (1,), 1, (text, text), 5, ((1, text), (None, text))),
        timeline=(Moment(b.NOW, 1, text), Moment(b.NOW, 2, text)),
        warnings=((text, 3), ("plain", 1)),
        before=text or None,
        changes=(FlagChange(text, text, None),),
        base=BaseModel(text, text, 5, b.NOW),
        metadata={"ss_steps": text, "ss_seed": "1"},
        metadata_of=text or None,
        dataset=DatasetFacts({"dataset": text}, {}, None, text),
        notes=(text,),
        plans=(AttemptPlan(1, (), {}, "/", None, None),),
    )


def diverged() -> Review:
    values = b.losses(520)
    values[430:] = [math.nan] * 90
    return review_for(b.diverged(), values)
