"""What must hold after a life, whatever was done to it. Every function yields what is wrong."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from runner.model import AttemptPlan, RunSnapshot, RunSpec, Status
from runner.store.attempt import attempts_of
from runner.store.journal import Unreadable, read_json, readable
from runner.store.rundir import RunDir
from tests.torture.life import Life, succeeded
from tests.torture.reference import Reference, rows_of, tensors_digest

#: a new supervisor's first heartbeat, as a person waits for it on a machine that has time
READOPTION_S = 2.0
RESIDENT_MB = 300.0
LOSS_NEAR = 1e-6


def judge(life: Life, last: RunSnapshot, reference: Reference) -> Iterator[str]:
    """After the life's last attempt has its verdict."""
    yield from _left_behind(life)
    yield from _files(life.run, life.destroyed, torn=life.torn_lines_allowed)
    yield from _steps(life, reference, complete=succeeded(last))
    yield from _checkpoints(life, last, reference)
    if life.resident_mb > RESIDENT_MB:
        yield f"a supervisor used {life.resident_mb:.0f} MB"


def judge_gone(life: Life, reference: Reference) -> Iterator[str]:
    """After the run folder of a living training was deleted, and every process has ended."""
    yield from _left_behind(life)
    if life.run.path.exists():
        # the trainer's own event file may still come if its writer had not begun
        found = [p for p in life.run.path.rglob("*") if not p.is_dir() and "tfevents" not in p.name]
        if found:
            yield f"the deleted run folder is back with {[p.name for p in found][:5]}"
    # a resumed attempt writes into a folder of its own
    digests = {tensors_digest(path) for path in life.project.rglob("life*.safetensors")}
    if digests - {None} - set(reference.tensors.values()):
        yield "a checkpoint differs from every undisturbed one"
    console = life.gone_console.read() if life.gone_console is not None else b""
    # TensorBoard's writer opens its file by name for every flush, and raises in the trainer
    by_itself = b"FileNotFoundError" in console and b"tfevents" in console
    if not life.harmed and not by_itself and (lost := set(reference.tensors.values()) - digests):
        yield f"{len(lost)} checkpoints were not written: the training was harmed"


def _left_behind(life: Life) -> Iterator[str]:
    """No process of the training or of ours, but the screens that are still attached."""
    for role, pids in life.left().items():
        yield f"left behind: {role} {pids}"


def _files(run: RunDir, destroyed: set[str], *, torn: bool) -> Iterator[str]:
    """Valid at every byte: every line of a journal, every JSON file, nothing half written. `torn`: allow a cut
    line, which readers skip: it was written again, or its supervisor was killed."""
    for path in sorted(run.path.glob("*.jsonl")):
        if path.name in destroyed:
            continue
        data = path.read_bytes()
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            try:
                json.loads(line)
            except ValueError:
                if not torn:
                    yield f"{path.name}:{number} is not valid: {line[:60]!r}"
        if data and not data.endswith(b"\n"):
            yield f"{path.name} ends within a line"
    for path in sorted(run.path.glob("*.json")):
        if path.name in destroyed:
            continue
        with contextlib.suppress(FileNotFoundError):
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                yield f"{path.name} is not valid: {error}"
    for kind, path in ((RunSpec, run.spec), (Status, run.status)):
        try:
            read_json(path, kind)
        except Unreadable as error:
            if path.name not in destroyed:
                yield str(error)
    if list(run.inbox.glob("*.json")):
        yield "an order in the inbox has no answer"


def _steps(life: Life, reference: Reference, *, complete: bool) -> Iterator[str]:
    """True steps complete and once each, with the losses of the undisturbed run."""
    rows, _ = rows_of(life.run)
    # a loss that came late has a row of its own, and so has a rate that was written after its loss
    said = Counter((row.attempt, row.step, one) for row in rows for one in row.holds or {"nothing"})
    twice = sorted({step for (_, step, _), number in said.items() if number > 1})
    if twice and "steps.jsonl" not in life.destroyed:
        yield f"steps written twice in one attempt: {twice[:5]}"
    seen = {row.step for row in rows}
    beyond = sorted(step for step in seen if not 1 <= step <= life.trainer.steps)
    if beyond:
        yield f"steps that do not exist: {beyond[:5]}"
    bases, exact_until = _resumes(life)
    # a trainer killed between a save and its next line never said the loss of the saved step
    missing = sorted(set(range(1, life.trainer.steps + 1)) - seen - bases)
    if complete and missing and not life.gaps_allowed:
        yield f"steps without a row: {missing[:5]} ({len(missing)})"
    newest: dict[int, float] = {}
    for row in rows:
        if row.loss is not None:
            newest[row.step] = row.loss
    wrong = [
        step
        for step, loss in newest.items()
        if step in reference.losses
        and step <= exact_until
        and not math.isclose(loss, reference.losses[step], rel_tol=LOSS_NEAR, abs_tol=1e-9)
    ]
    if wrong:
        yield f"losses other than undisturbed: steps {sorted(wrong)[:5]} ({len(wrong)})"


def _resumes(life: Life) -> tuple[set[int], float]:
    """(the steps that attempts continued from; after which of them nothing can be as undisturbed).

    Those are resumes with weights alone, or with a loader's workers. Workers that persist draw their seed from
    the noise's own generator once a training, and again after a resume: measured, all later losses differ.
    """
    run = life.run
    plans = [readable(run.attempt(n), AttemptPlan) for n in attempts_of(run) if n > 1]
    known = [plan for plan in plans if plan is not None]
    rough = [plan.base_step for plan in known if plan.state_path is None or life.workers]
    return {plan.base_step for plan in known}, min(rough, default=math.inf)


def _checkpoints(life: Life, last: RunSnapshot, reference: Reference) -> Iterator[str]:
    """Every file called valid equals the undisturbed one; every invalid file is called so; none is missing."""
    status = last.status
    if status is None:
        yield "no status"
        return
    valid, (_, exact_until) = set(), _resumes(life)
    for one in status.checkpoints:
        digest = tensors_digest(Path(one.path))
        good = one.complete is True and one.finite is True and not one.removed and not one.missing
        if good and digest is None and life.output_deleted and not Path(one.path).exists():
            continue  # deleted after it was verified
        if good and digest is None:
            yield f"{one.name} is called valid and is not"
        elif good and (one.step or 0) > exact_until:
            valid.add(one.step)
        elif good and digest != reference.tensors.get(one.step or 0):
            yield f"{one.name} (step {one.step}, attempt {one.attempt}) differs from the undisturbed run"
        elif good:
            valid.add(one.step)
        elif digest is not None and one.complete is False:
            yield f"{one.name} is valid and is called incomplete: {one.problem}"
    if (
        succeeded(last)
        and not life.output_deleted
        and (lost := sorted(set(life.trainer.saves) - valid))
    ):
        yield f"checkpoints of steps {lost} are not known as valid"
