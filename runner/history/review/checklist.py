"""Checklist for an ended run: point by point, each with its evidence. Pure. `skip` means unknown or not
applicable; it never counts as passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from runner.analysis.smoke import BUSY_PERCENT
from runner.history.review.model import Review
from runner.model import Checkpoint, CheckResult, Outcome
from runner.model.checkpoint import MISSING
from runner.model.units import count, duration, file_size, some
from runner.model.units import loss as loss_text
from runner.trainers.names import unmarked_name

#: more names per line are unreadable
NAMED = 8

#: (pass, warn, fail or skip; the evidence)
Verdict = tuple[str, str]
_POINTS: list[tuple[str, str, Callable[[Review], Verdict | None]]] = []
_Judge = TypeVar("_Judge", bound=Callable[[Review], Verdict | None])


def checklist(review: Review) -> tuple[CheckResult, ...]:
    """Every point for a started run; for a live one up to now."""
    judged = ((name, title, judge(review)) for name, title, judge in _POINTS)
    return tuple(CheckResult(name, *told, title=title) for name, title, told in judged if told)


def _point(title: str) -> Callable[[_Judge], _Judge]:
    """The function decides this point, or returns None if it does not apply; the list defines the order."""

    def add(judge: _Judge) -> _Judge:
        _POINTS.append((judge.__name__.strip("_"), title, judge))
        return judge

    return add


@_point("It ended well")
def _ended(review: Review) -> Verdict:
    snapshot = review.snapshot
    outcome, cause = snapshot.outcome, snapshot.status.cause if snapshot.status else None
    how = review.attempts[-1].how if review.attempts else "no attempt is known"
    if review.living:
        return "skip", f"it is {snapshot.state}"
    if outcome is None and snapshot.spec is not None and snapshot.spec.origin:
        why = snapshot.status.reasons[1:2] if snapshot.status else ()
        return "skip", "; ".join(("imported, not monitored", *why))
    if outcome is None:
        return "skip", f"no verdict yet; {how}"
    text = f"{str(outcome).replace('_', ' ')}, {how}"
    if outcome is Outcome.SUCCEEDED:
        return "pass", text
    reason = f"; cause {cause.key}: {cause.evidence}" if cause is not None else ""
    return "warn" if outcome in (Outcome.STOPPED, Outcome.UNKNOWN) else "fail", f"{text}{reason}"


# ----------------------------------------------------------------- files


@_point("All expected files exist and are valid")
def _files(review: Review) -> Verdict:
    """Every expected file: by name, with size, complete, finite, and existing."""
    by_name = {unmarked_name(one.name): one for one in review.counted}
    names = list(review.due) or [one.name for one in review.counted if not one.removed]
    if not names:
        return "skip" if review.living else "fail", "no checkpoint was written"
    told: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    broken = []
    for name in names:
        words, good = file_words(by_name.get(name), review)
        told[good].append(f"{name} {words}" if good else f"{name}: {words}")
        if good is False and name in by_name:
            broken.append(told[good][-1])
    listed = f": {some(told[True], NAMED)}" if told[True] else ""
    if review.living:
        words = f"{len(told[True])} of {len(names)} so far{listed}"
        return "fail" if broken else "skip", "; ".join([words, *broken[:NAMED]])
    head = f"{len(told[True])} of {count(len(names), 'file')}"
    if not review.due:
        head += " that were written (expected files unknown)"
    if told[False]:
        return "fail", f"{head}{listed}. Problems:  {some(told[False], NAMED)}"
    more = f". Not checked:  {some(told[None], NAMED)}" if told[None] else ""
    return "warn" if more or not review.due else "pass", f"{head}{listed}{more}"


def file_words(one: Checkpoint | None, review: Review) -> tuple[str, bool | None]:
    """(description, is it good); None: unknown."""
    if one is None:
        return "was never written", False
    if one.removed:
        return "deleted by the trainer, as configured", True
    if review.never_seen(one):
        return one.problem or "not found", None
    if one.replaced is not None:
        return f"was {one.replaced}", False
    if one.missing:
        return one.problem or MISSING, False
    if one.complete is False:
        return one.problem or "not complete", False
    if one.finite is False:
        return one.problem or "contains NaN or Inf", False
    size = file_size(one.size_bytes)
    if one.complete is None or one.finite is None:
        return f"{size}, {one.problem or 'not checked'}", None
    return size, True


@_point("Sizes are as expected")
def _sizes(review: Review) -> Verdict:
    sizes = {
        c.name: c.size_bytes for c in review.counted if c.size_bytes is not None and not c.removed
    }
    if not sizes:
        return "skip", "no checkpoint was checked"
    ends = (min(sizes.values()), max(sizes.values()))
    span = " to ".join(dict.fromkeys(map(file_size, ends)))
    empty = [name for name, size in sizes.items() if not size]
    if empty:
        return "fail", f"of zero bytes: {some(empty, NAMED)}"
    if review.expect.checkpoint_mb is None:
        return "skip", f"{span}; no expectation set ([expect] checkpoint_mb)"
    low, high = review.expect.checkpoint_mb
    wanted = f"expected {low:g} to {high:g} MB"
    outside = [f"{name} {file_size(s)}" for name, s in sizes.items() if not low <= s / 1e6 <= high]
    if outside:
        return "fail", f"{wanted}, outside:  {some(outside, NAMED)}"
    return "pass", f"{span}, {wanted}"


# ----------------------------------------------------------------- loss, steps


def _unread(review: Review) -> bool:
    """A log in which no step was understood proves nothing."""
    snapshot = review.snapshot
    inspected = snapshot.spec is not None and snapshot.spec.origin == "inspected"
    return inspected and snapshot.outcome is None and not (snapshot.status and snapshot.status.step)


@_point("The loss is finite at the last step")
def _last_loss(review: Review) -> Verdict:
    facts = review.losses
    if not facts.rows and review.imported:
        return "skip", "no event file with losses"
    if not facts.rows:
        return "skip" if review.living or _unread(review) else "fail", "no step recorded"
    where = f"at step {facts.last_step}"
    bad = f"all of {facts.finite} recorded losses are finite"
    if facts.nonfinite:
        first = facts.first_nonfinite_step
        bad = f"{facts.nonfinite} of {facts.rows} losses NaN, the first at step {first}"
    if facts.last is None:
        return "warn", f"no loss was recorded {where}; {bad}"
    kind = "exact" if facts.last_exact else "the trainer's running average"
    text = f"{loss_text(facts.last)} {where} ({kind}), smoothed {loss_text(facts.smooth)}; {bad}"
    if not math.isfinite(facts.last):
        return "fail", text
    return "warn" if facts.nonfinite else "pass", text


@_point("All steps were trained")
def _steps(review: Review) -> Verdict:
    status, wanted = review.snapshot.status, review.expect.steps
    if status is None:
        return "skip", "unknown"
    done, total = status.step, status.total_steps
    text = f"{done} of {total if total is not None else 'an unknown number of'} steps"
    if review.losses.missing_steps > 0:
        text += f"; {count(review.losses.missing_steps, 'step')} without a journaled loss"
    if review.living:
        return "skip", f"{text} so far"
    if _unread(review):
        return "skip", "no step was seen in the log"
    if total is not None and done < total:
        if review.imported:
            return "warn", f"the newest file says {text}; a resumed training restarts its count"
        return "warn" if review.snapshot.outcome is Outcome.STOPPED else "fail", text
    if wanted is not None and done != wanted:
        return "warn", f"{text}, [expect] steps is {wanted}"
    if total is None:
        return "skip", text
    return "pass", f"{text}{', as expected' if wanted is not None else ''}"


# ----------------------------------------------------------------- device


@_point("Device as expected")
def _device(review: Review) -> Verdict:
    status, wanted = review.snapshot.status, review.expect.device
    if status is None or status.device is None:
        return "skip", "the trainer did not report its device"
    used = status.device
    if wanted is None:
        return "skip", f"{used} (no expectation set)"
    if used.split(":")[0] == wanted.split(":")[0]:
        return "pass", f"{used}, as expected"
    return "fail", f"{used}, expected {wanted}"


@_point("The GPU was busy")
def _gpu(review: Review) -> Verdict:
    status, readings = review.snapshot.status, review.snapshot.hardware
    if status is None:
        return "skip", "unknown"
    if status.device is not None and status.device.startswith("cpu"):
        return "skip", "trained on the CPU: no GPU used"
    use = status.hardware
    most = use.gpu_util_max
    if most is None:
        most = max((s.gpu_percent for s in readings if s.gpu_percent is not None), default=None)
    if most is None:
        why = readings[-1].reasons.get("gpu", "") if readings else ""
        return "skip", f"not measured{f': {why}' if why else ''}"
    words = [f"{use.gpu_name or 'the GPU'} at most {most:.0f} %"]
    if use.gpu_util_mean is not None:
        words.append(f"{use.gpu_util_mean:.0f} % on average while training")
    if use.gpu_idle_s is not None:
        words.append(f"idle for {duration(use.gpu_idle_s)} of {duration(use.gpu_training_s)}")
    return "pass" if most >= BUSY_PERCENT else "fail", ", ".join(words)


@_point("All images were used")
def _images(review: Review) -> Verdict:
    wanted = review.expect.images
    if review.images is None:
        return "skip", "the trainer did not report the number"
    reg = f" and {review.reg_images} for regularisation" if review.reg_images else ""
    text = f"{count(review.images, 'image')}{reg}"
    if wanted is None:
        return "skip", f"{text} (no expectation set)"
    if wanted != review.images:
        return "warn", f"{text}, expected {wanted}"
    return "pass", f"{text}, as expected"


# ----------------------------------------------------------------- before and while


@_point("A smoke test was approved before")
def _smoke(review: Review) -> Verdict:
    spec, plan = review.snapshot.spec, review.snapshot.plan
    if spec is None:
        return "skip", "unknowns start"
    if spec.smoke:
        return "skip", "this is a smoke test itself"
    if spec.origin:
        return "skip", "not started by plasma-tui"
    given = spec.approval
    if given is None:
        return "skip", "no gate, so no smoke test was required"
    if plan is not None and plan.approval is not None and plan.approval.smoke_run is None:
        given = plan.approval
        return "warn", f"attempt {plan.attempt} continued without one by {given.by}: {given.reason}"
    if given.smoke_run is None:
        return "warn", f"started without one by {given.by}{_reason(given.reason)}"
    return "pass", f"{given.smoke_run}, approved by {given.by}{_reason(given.reason)}"


def _reason(text: str) -> str:
    return f": {text}" if text else ""


@_point("No earlier checkpoint was overwritten")
def _overwritten(review: Review) -> Verdict | None:
    """Only if it happened: who agreed, and why."""
    given = review.snapshot.spec.overwrite if review.snapshot.spec is not None else None
    if given is None:
        return None
    told = f"{count(len(given.files), 'file')} overwritten, approved by {given.by}"
    return "warn", f"{told}{_reason(given.reason)}"


@_point("No alarms or warnings")
def _alarms(review: Review) -> Verdict:
    status, outcome = review.snapshot.status, review.snapshot.outcome
    alarms = status.alarms if status is not None else ()
    if review.imported:
        return "skip", "not monitored"
    warned = sum(number for _, number in review.warnings)
    kinds = ", ".join(dict.fromkeys(str(one.kind).replace("_", " ") for one in alarms))
    found = f"{count(len(alarms), 'alarm')} ({kinds})" if alarms else "no alarm"
    found += f", {count(warned, 'warning')} of the trainer"
    if outcome in _ENDINGS:
        return "warn", f"{found}, but {_ENDINGS[outcome]}"
    return "warn" if alarms or warned else "pass", found


#: abnormal ends without an alarm
_ENDINGS: dict[Outcome | None, str] = {
    Outcome.KILLED: "the run was killed",
    Outcome.FAILED: "the run failed",
    Outcome.DIVERGED: "the loss became NaN",
    Outcome.NOTHING_TRAINED: "nothing was trained",
}
