"""A run held to what a person looks at after it: point by point, each with its evidence. Pure.

`skip` is "not known" or "does not apply"; it is never a yes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from runner.analysis.smoke import BUSY_PERCENT
from runner.history.review.model import Review
from runner.history.review.sections_files import file_words
from runner.model import CheckResult, Outcome
from runner.model.units import count, duration, file_size, some
from runner.model.units import loss as loss_text
from runner.trainers.names import unmarked_name

#: more names in one line are read by nobody
NAMED = 8

#: (pass, warn, fail or skip; the numbers, files and names that say so)
Verdict = tuple[str, str]
_POINTS: list[tuple[str, str, Callable[[Review], Verdict | None]]] = []
_Judge = TypeVar("_Judge", bound=Callable[[Review], Verdict | None])


def checklist(review: Review) -> tuple[CheckResult, ...]:
    """Every point of a run that has begun; of a living one as far as it has come."""
    return tuple(
        CheckResult(name, *found, title=title)
        for name, title, judge in _POINTS
        if (found := judge(review)) is not None
    )


def _point(title: str) -> Callable[[_Judge], _Judge]:
    """The function decides this point, or returns None where it does not apply; the list has their order."""

    def add(judge: _Judge) -> _Judge:
        _POINTS.append((judge.__name__.strip("_"), title, judge))
        return judge

    return add


@_point("It ended well")
def _ended(review: Review) -> Verdict:
    snapshot = review.snapshot
    last = review.attempts[-1] if review.attempts else None
    how = last.how if last is not None else "no attempt is known"
    if review.living:
        return "skip", f"it is {snapshot.state}"
    if snapshot.outcome is None:
        spec = snapshot.spec
        if spec is not None and spec.origin:
            return "skip", "made of what was found: nobody watched it"
        return "skip", f"nobody has judged it yet; {how}"
    word = str(snapshot.outcome).replace("_", " ")
    if snapshot.outcome is Outcome.SUCCEEDED:
        return "pass", f"{word}, {how}"
    cause = snapshot.status.cause if snapshot.status is not None else None
    why = f"; cause {cause.key}: {cause.evidence}" if cause is not None else ""
    status = "warn" if snapshot.outcome is Outcome.STOPPED else "fail"
    return status, f"{word}, {how}{why}"


# ----------------------------------------------------------------- files


@_point("Every expected file is there and valid")
def _files(review: Review) -> Verdict:
    """Every file that had to be written: by name, with its size, whole, finite, and still there."""
    written = review.counted
    by_name = {unmarked_name(one.name): one for one in written}
    names = list(review.due) or [one.name for one in written if not one.removed]
    if not names:
        return "skip" if review.living else "fail", "no file of weights was written"
    told = [(name, *file_words(by_name.get(name), review)) for name in names]
    wrong = [f"{name}: {words}" for name, words, good in told if good is False]
    unknown = [f"{name}: {words}" for name, words, good in told if good is None]
    good = [f"{name} {words}" for name, words, good in told if good]
    if review.living:
        still = [name for name, _, _ in told if name not in by_name]
        broken = [text for text in wrong if text.split(":")[0] not in still]
        words = f"{len(good)} of {len(names)} so far{_list(good)}"
        return "fail" if broken else "skip", "; ".join([words, *broken[:NAMED]])
    head = f"{len(good)} of {count(len(names), 'file')}"
    if not review.due:
        head += " that were written (which ones had to be was not known)"
    if wrong:
        return "fail", f"{head}{_list(good)}. Not so: {some(wrong, NAMED)}"
    if unknown or not review.due:
        more = f". Not looked at: {some(unknown, NAMED)}" if unknown else ""
        return "warn", f"{head}{_list(good)}{more}"
    return "pass", f"{head}{_list(good)}"


def _list(items: Sequence[str]) -> str:
    return f": {some(items, NAMED)}" if items else ""


@_point("Sizes are as expected")
def _sizes(review: Review) -> Verdict:
    spec = review.snapshot.spec
    kept = [c for c in review.counted if not c.removed and c.size_bytes is not None]
    sizes = [c.size_bytes or 0 for c in kept]
    if not kept:
        return "skip", "no file of weights was looked at"
    span = file_size(min(sizes))
    if file_size(max(sizes)) != span:
        span = f"{span} to {file_size(max(sizes))}"
    bounds = spec.expect.checkpoint_mb if spec is not None else None
    empty = [c.name for c in kept if not c.size_bytes]
    if empty:
        return "fail", f"of zero bytes: {some(empty, NAMED)}"
    if bounds is None:
        return "skip", f"{span}; [expect] checkpoint_mb does not say what they should be"
    low, high = bounds
    outside = [
        f"{c.name} {file_size(c.size_bytes)}" for c in kept
        if not low <= (c.size_bytes or 0) / 1e6 <= high
    ]  # fmt: skip
    if outside:
        return "fail", f"expected {low:g} to {high:g} MB, outside of it: {some(outside, NAMED)}"
    return "pass", f"{span}, expected {low:g} to {high:g} MB"


# ----------------------------------------------------------------- loss, steps


@_point("The loss is finite at the last step")
def _last_loss(review: Review) -> Verdict:
    facts = review.losses
    if not facts.rows and review.imported:
        return "skip", "no event file tells the losses"
    if not facts.rows:
        return "skip" if review.living else "fail", "no step was journaled"
    kind = "exact" if facts.last_exact else "the trainer's running average"
    where = f"at step {facts.last_step}"
    bad = (
        f"{facts.nonfinite} of {facts.rows} losses not finite, the first at step "
        f"{facts.first_nonfinite_step}"
        if facts.nonfinite
        else f"all of {facts.finite} recorded losses are finite"
    )
    if facts.last is None:
        return "warn", f"no loss was recorded {where}; {bad}"
    text = f"{loss_text(facts.last)} {where} ({kind}), smoothed {loss_text(facts.smooth)}; {bad}"
    if not math.isfinite(facts.last):
        return "fail", text
    return "warn" if facts.nonfinite else "pass", text


@_point("All steps were trained")
def _steps(review: Review) -> Verdict:
    snapshot = review.snapshot
    status, spec = snapshot.status, snapshot.spec
    if status is None:
        return "skip", "nothing is known of it"
    done, total = status.step, status.total_steps
    wanted = spec.expect.steps if spec is not None else None
    text = f"{done} of {total if total is not None else 'an unknown number of'} steps"
    if review.losses.missing_steps > 0:
        text += f"; {count(review.losses.missing_steps, 'step')} without a journaled loss"
    if review.living:
        return "skip", f"{text} so far"
    if total is not None and done < total and review.imported:
        told = f"the newest file says {text}; a resumed training counts anew"
        return "warn", told
    if total is not None and done < total:
        return "warn" if snapshot.outcome is Outcome.STOPPED else "fail", text
    if wanted is not None and done != wanted:
        return "warn", f"{text}, [expect] steps is {wanted}"
    if total is None:
        return "skip", text
    return "pass", f"{text}{', as expected' if wanted is not None else ''}"


# ----------------------------------------------------------------- device


@_point("It trained on the right device")
def _device(review: Review) -> Verdict:
    snapshot = review.snapshot
    used = snapshot.status.device if snapshot.status is not None else None
    wanted = snapshot.spec.expect.device if snapshot.spec is not None else None
    if used is None:
        return "skip", "the trainer never named its device"
    if wanted is None:
        return "skip", f"{used}; [expect] device does not say what it should be"
    same = used.split(":")[0] == wanted.split(":")[0]
    text = f"{used}, as expected" if same else f"{used}, expected {wanted}"
    return "pass" if same else "fail", text


@_point("The GPU was busy")
def _gpu(review: Review) -> Verdict:
    snapshot = review.snapshot
    status = snapshot.status
    if status is None:
        return "skip", "nothing is known of it"
    if status.device is not None and status.device.startswith("cpu"):
        return "skip", "it trained on the CPU: no GPU took part"
    use = status.hardware
    most = use.gpu_util_max
    if most is None:
        seen = [s.gpu_percent for s in snapshot.hardware if s.gpu_percent is not None]
        most = max(seen, default=None)
    if most is None:
        newest = snapshot.hardware[-1] if snapshot.hardware else None
        why = newest.reasons.get("gpu", "") if newest is not None else ""
        return "skip", f"not measured{f': {why}' if why else ''}"
    words = [f"{use.gpu_name or 'the GPU'} at most {most:.0f} %"]
    if use.gpu_util_mean is not None:
        words.append(f"{use.gpu_util_mean:.0f} % on average while training")
    if use.gpu_idle_s is not None:
        words.append(f"idle for {duration(use.gpu_idle_s)} of {duration(use.gpu_training_s)}")
    return "pass" if most >= BUSY_PERCENT else "fail", ", ".join(words)


@_point("All images were used")
def _images(review: Review) -> Verdict:
    spec = review.snapshot.spec
    wanted = spec.expect.images if spec is not None else None
    reg = f" and {review.reg_images} for regularisation" if review.reg_images else ""
    if review.images is None:
        return "skip", "the trainer did not say how many"
    text = f"{count(review.images, 'image')}{reg}"
    if wanted is None:
        return "skip", f"{text}; [expect] images does not say how many there should be"
    if wanted != review.images:
        return "warn", f"{text}, expected {wanted}"
    return "pass", f"{text}, as expected"


# ----------------------------------------------------------------- before and while


@_point("A smoke test was approved before")
def _smoke(review: Review) -> Verdict:
    spec = review.snapshot.spec
    if spec is None:
        return "skip", "nothing is known of its start"
    if spec.smoke:
        return "skip", "this is a smoke test itself"
    given = spec.approval
    if spec.origin:
        return "skip", "it was not started from here"
    if given is None:
        return "skip", "it was started without a gate, so none was asked for"
    plan = review.snapshot.plan
    if plan is not None and plan.approval is not None and plan.approval.smoke_run is None:
        given = plan.approval
        text = f"attempt {plan.attempt} continued without one by {given.by}: {given.reason}"
        return "warn", text
    if given.smoke_run is None:
        why = f": {given.reason}" if given.reason else ""
        return "warn", f"started without one by {given.by}{why}"
    return "pass", f"{given.smoke_run}, approved by {given.by}"


@_point("No earlier checkpoint was overwritten")
def _overwritten(review: Review) -> Verdict | None:
    """Only where it happened: who agreed, and why."""
    given = review.snapshot.spec.overwrite if review.snapshot.spec is not None else None
    if given is None:
        return None
    why = f": {given.reason}" if given.reason else ""
    return "warn", f"{count(len(given.files), 'file')} overwritten, approved by {given.by}{why}"


@_point("No alarms or warnings")
def _alarms(review: Review) -> Verdict:
    status = review.snapshot.status
    alarms = status.alarms if status is not None else ()
    if review.imported:
        return "skip", "nobody watched it"
    warned = sum(number for _, number in review.warnings)
    told = count(warned, "warning") + " of the trainer"
    found = f"no alarm, {told}"
    if alarms:
        kinds = ", ".join(dict.fromkeys(str(one.kind).replace("_", " ") for one in alarms))
        found = f"{count(len(alarms), 'alarm')} ({kinds}), {told}"
    ending = _ENDINGS.get(review.snapshot.outcome) if review.snapshot.outcome else None
    if ending is not None:
        return "warn", f"{found}, but {ending}"
    return "warn" if alarms or warned else "pass", found


#: ends that nothing announced and that are no ordinary ones
_ENDINGS = {
    Outcome.KILLED: "the run was killed",
    Outcome.FAILED: "the run failed",
    Outcome.DIVERGED: "the loss became not finite",
    Outcome.NOTHING_TRAINED: "nothing was trained",
}
