"""A run held to what a person looks at after it: point by point, each with its evidence. Pure.

`skip` is "not known" or "does not apply"; it is never a yes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.analysis.smoke import BUSY_PERCENT
from runner.history.review.document import Point
from runner.history.review.model import Review
from runner.model import Checkpoint, Outcome, RunState
from runner.model.units import count, duration, file_size, some
from runner.model.units import loss as loss_text
from runner.state.lineage import current
from runner.trainers.sd_scripts.names import unmarked_name

#: more names in one line are read by nobody
NAMED = 8


def checklist(review: Review) -> tuple[Point, ...]:
    """Every point of a run that has begun; of a living one as far as it has come."""
    return (
        _ended(review),
        _files(review),
        _sizes(review),
        _last_loss(review),
        _steps(review),
        _device(review),
        _gpu(review),
        _images(review),
        _smoke(review),
        *_overwritten(review),
        _alarms(review),
    )


def living(review: Review) -> bool:
    return review.snapshot.state not in (RunState.ENDED, RunState.LOST)


def _ended(review: Review) -> Point:
    title, snapshot = "It ended well", review.snapshot
    last = review.attempts[-1] if review.attempts else None
    how = last.how if last is not None else "no attempt is known"
    if living(review):
        return Point(title, "skip", f"it is {snapshot.state}")
    if snapshot.outcome is None:
        spec = snapshot.spec
        if spec is not None and spec.origin:
            return Point(title, "skip", "made of what was found: nobody watched it")
        return Point(title, "skip", f"nobody has judged it yet; {how}")
    word = str(snapshot.outcome).replace("_", " ")
    if snapshot.outcome is Outcome.SUCCEEDED:
        return Point(title, "pass", f"{word}, {how}")
    cause = snapshot.status.cause if snapshot.status is not None else None
    why = f"; cause {cause.key}: {cause.evidence}" if cause is not None else ""
    status = "warn" if snapshot.outcome is Outcome.STOPPED else "fail"
    return Point(title, status, f"{word}, {how}{why}")


# ----------------------------------------------------------------- files


def _files(review: Review) -> Point:
    """Every file that had to be written: by name, with its size, whole, finite, and still there."""
    title = "Every expected file is there and valid"
    written = _current(review)
    by_name = {unmarked_name(one.name): one for one in written}
    names = list(review.due) or [one.name for one in written if not one.removed]
    if not names:
        return Point(title, "skip" if living(review) else "fail", "no file of weights was written")
    told = [(name, *file_words(by_name.get(name), review)) for name in names]
    wrong = [f"{name}: {words}" for name, words, good in told if good is False]
    unknown = [f"{name}: {words}" for name, words, good in told if good is None]
    good = [f"{name} {words}" for name, words, good in told if good]
    if living(review):
        still = [name for name, _, _ in told if name not in by_name]
        broken = [text for text in wrong if text.split(":")[0] not in still]
        words = f"{len(good)} of {len(names)} so far{_list(good)}"
        return Point(title, "fail" if broken else "skip", "; ".join([words, *broken[:NAMED]]))
    head = f"{len(good)} of {count(len(names), 'file')}"
    if not review.due:
        head += " that were written (which ones had to be was not known)"
    if wrong:
        return Point(title, "fail", f"{head}{_list(good)}. Not so: {some(wrong, NAMED)}")
    if unknown or not review.due:
        more = f". Not looked at: {some(unknown, NAMED)}" if unknown else ""
        return Point(title, "warn", f"{head}{_list(good)}{more}")
    return Point(title, "pass", f"{head}{_list(good)}")


def _current(review: Review) -> tuple[Checkpoint, ...]:
    """Without those whose steps a later attempt trained again."""
    status = review.snapshot.status
    return current(review.checkpoints, status.attempts if status is not None else ())


def file_words(one: Checkpoint | None, review: Review) -> tuple[str, bool | None]:
    """(what it is, is it good); None: not known."""
    if one is None:
        return "was never written", False
    if one.removed:
        return "deleted by the trainer, as it was told to", True
    if never_seen(one, review):
        return one.problem or "not found", None
    if one.replaced is not None:
        return f"was {one.replaced}", False
    if one.missing or (one.path in review.sizes_now and review.sizes_now[one.path] is None):
        return "is gone", False
    now = review.sizes_now.get(one.path)
    if now is not None and one.size_bytes is not None and now != one.size_bytes:
        return f"has changed since: {now:,} bytes, not {one.size_bytes:,}", False
    if one.complete is False:
        return one.problem or "not complete", False
    if one.finite is False:
        return one.problem or "holds values that are not finite", False
    size = file_size(one.size_bytes)
    if one.complete is None or one.finite is None:
        return f"{size}, {one.problem or 'not looked at'}", None
    return size, True


def never_seen(one: Checkpoint, review: Review) -> bool:
    """A file that a log names and that was not here when the run was made of it: it may lie on another
    machine."""
    spec = review.snapshot.spec
    return spec is not None and bool(spec.origin) and one.size_bytes is None


def _list(items: Sequence[str]) -> str:
    return f": {some(items, NAMED)}" if items else ""


def _sizes(review: Review) -> Point:
    title, spec = "Sizes are as expected", review.snapshot.spec
    kept = [c for c in _current(review) if not c.removed and c.size_bytes is not None]
    sizes = [c.size_bytes or 0 for c in kept]
    if not kept:
        return Point(title, "skip", "no file of weights was looked at")
    span = file_size(min(sizes))
    if file_size(max(sizes)) != span:
        span = f"{span} to {file_size(max(sizes))}"
    bounds = spec.expect.checkpoint_mb if spec is not None else None
    empty = [c.name for c in kept if not c.size_bytes]
    if empty:
        return Point(title, "fail", f"of zero bytes: {some(empty, NAMED)}")
    if bounds is None:
        return Point(
            title, "skip", f"{span}; [expect] checkpoint_mb does not say what they should be"
        )
    low, high = bounds
    outside = [
        f"{c.name} {file_size(c.size_bytes)}" for c in kept
        if not low <= (c.size_bytes or 0) / 1e6 <= high
    ]  # fmt: skip
    if outside:
        return Point(
            title, "fail", f"expected {low:g} to {high:g} MB, outside of it: {some(outside, NAMED)}"
        )
    return Point(title, "pass", f"{span}, expected {low:g} to {high:g} MB")


# ----------------------------------------------------------------- loss, steps


def _imported(review: Review) -> bool:
    """Made of files: there is no journal, and not even a console."""
    spec = review.snapshot.spec
    return spec is not None and spec.origin == "imported"


def _last_loss(review: Review) -> Point:
    facts = review.losses
    title = "The loss is finite at the last step"
    if not facts.rows and _imported(review):
        return Point(title, "skip", "no event file tells the losses")
    if not facts.rows:
        return Point(title, "skip" if living(review) else "fail", "no step was journaled")
    kind = "exact" if facts.last_exact else "the trainer's running average"
    where = f"at step {facts.last_step}"
    bad = (
        f"{facts.nonfinite} of {facts.rows} losses not finite, the first at step "
        f"{facts.first_nonfinite_step}"
        if facts.nonfinite
        else f"all of {facts.finite} recorded losses are finite"
    )
    if facts.last is None:
        return Point(title, "warn", f"no loss was recorded {where}; {bad}")
    text = f"{loss_text(facts.last)} {where} ({kind}), smoothed {loss_text(facts.smooth)}; {bad}"
    if not math.isfinite(facts.last):
        return Point(title, "fail", text)
    return Point(title, "warn" if facts.nonfinite else "pass", text)


def _steps(review: Review) -> Point:
    title, snapshot = "All steps were trained", review.snapshot
    status, spec = snapshot.status, snapshot.spec
    if status is None:
        return Point(title, "skip", "nothing is known of it")
    done, total = status.step, status.total_steps
    wanted = spec.expect.steps if spec is not None else None
    text = f"{done} of {total if total is not None else 'an unknown number of'} steps"
    if review.losses.missing_steps > 0:
        text += f"; {count(review.losses.missing_steps, 'step')} without a journaled loss"
    if living(review):
        return Point(title, "skip", f"{text} so far")
    if total is not None and done < total and _imported(review):
        told = f"the newest file says {text}; a resumed training counts anew"
        return Point(title, "warn", told)
    if total is not None and done < total:
        return Point(title, "warn" if snapshot.outcome is Outcome.STOPPED else "fail", text)
    if wanted is not None and done != wanted:
        return Point(title, "warn", f"{text}, [expect] steps is {wanted}")
    if total is None:
        return Point(title, "skip", text)
    return Point(title, "pass", f"{text}{', as expected' if wanted is not None else ''}")


# ----------------------------------------------------------------- device


def _device(review: Review) -> Point:
    title, snapshot = "It trained on the right device", review.snapshot
    used = snapshot.status.device if snapshot.status is not None else None
    wanted = snapshot.spec.expect.device if snapshot.spec is not None else None
    if used is None:
        return Point(title, "skip", "the trainer never named its device")
    if wanted is None:
        return Point(title, "skip", f"{used}; [expect] device does not say what it should be")
    same = used.split(":")[0] == wanted.split(":")[0]
    text = f"{used}, as expected" if same else f"{used}, expected {wanted}"
    return Point(title, "pass" if same else "fail", text)


def _gpu(review: Review) -> Point:
    title, snapshot = "The GPU was busy", review.snapshot
    status = snapshot.status
    if status is None:
        return Point(title, "skip", "nothing is known of it")
    if status.device is not None and status.device.startswith("cpu"):
        return Point(title, "skip", "it trained on the CPU: no GPU took part")
    use = status.hardware
    most = use.gpu_util_max
    if most is None:
        seen = [s.gpu_percent for s in snapshot.hardware if s.gpu_percent is not None]
        most = max(seen, default=None)
    if most is None:
        newest = snapshot.hardware[-1] if snapshot.hardware else None
        why = newest.reasons.get("gpu", "") if newest is not None else ""
        return Point(title, "skip", f"not measured{f': {why}' if why else ''}")
    words = [f"{use.gpu_name or 'the GPU'} at most {most:.0f} %"]
    if use.gpu_util_mean is not None:
        words.append(f"{use.gpu_util_mean:.0f} % on average while training")
    if use.gpu_idle_s is not None:
        words.append(f"idle for {duration(use.gpu_idle_s)} of {duration(use.gpu_training_s)}")
    return Point(title, "pass" if most >= BUSY_PERCENT else "fail", ", ".join(words))


def _images(review: Review) -> Point:
    title, spec = "All images were used", review.snapshot.spec
    wanted = spec.expect.images if spec is not None else None
    reg = f" and {review.reg_images} for regularisation" if review.reg_images else ""
    if review.images is None:
        return Point(title, "skip", "the trainer did not say how many")
    text = f"{count(review.images, 'image')}{reg}"
    if wanted is None:
        return Point(
            title, "skip", f"{text}; [expect] images does not say how many there should be"
        )
    if wanted != review.images:
        return Point(title, "warn", f"{text}, expected {wanted}")
    return Point(title, "pass", f"{text}, as expected")


# ----------------------------------------------------------------- before and while


def _smoke(review: Review) -> Point:
    title, spec = "A smoke test was approved before", review.snapshot.spec
    if spec is None:
        return Point(title, "skip", "nothing is known of its start")
    if spec.smoke:
        return Point(title, "skip", "this is a smoke test itself")
    given = spec.approval
    if spec.origin:
        return Point(title, "skip", "it was not started from here")
    if given is None:
        return Point(title, "skip", "it was started without a gate, so none was asked for")
    plan = review.snapshot.plan
    if plan is not None and plan.approval is not None and plan.approval.smoke_run is None:
        given = plan.approval
        text = f"attempt {plan.attempt} continued without one by {given.by}: {given.reason}"
        return Point(title, "warn", text)
    if given.smoke_run is None:
        why = f": {given.reason}" if given.reason else ""
        return Point(title, "warn", f"started without one by {given.by}{why}")
    return Point(title, "pass", f"{given.smoke_run}, approved by {given.by}")


def _overwritten(review: Review) -> tuple[Point, ...]:
    """Only where it happened: who agreed, and why."""
    given = review.snapshot.spec.overwrite if review.snapshot.spec is not None else None
    if given is None:
        return ()
    why = f": {given.reason}" if given.reason else ""
    text = f"{count(len(given.files), 'file')} overwritten, approved by {given.by}{why}"
    return (Point("No earlier checkpoint was overwritten", "warn", text),)


def _alarms(review: Review) -> Point:
    title, status = "No alarms or warnings", review.snapshot.status
    alarms = status.alarms if status is not None else ()
    if _imported(review):
        return Point(title, "skip", "nobody watched it")
    warned = sum(number for _, number in review.warnings)
    told = count(warned, "warning") + " of the trainer"
    found = f"no alarm, {told}"
    if alarms:
        kinds = ", ".join(dict.fromkeys(str(one.kind).replace("_", " ") for one in alarms))
        found = f"{count(len(alarms), 'alarm')} ({kinds}), {told}"
    ending = _ENDINGS.get(review.snapshot.outcome) if review.snapshot.outcome else None
    if ending is not None:
        return Point(title, "warn", f"{found}, but {ending}")
    return Point(title, "warn" if alarms or warned else "pass", found)


#: ends that nothing announced and that are no ordinary ones
_ENDINGS = {
    Outcome.KILLED: "the run was killed",
    Outcome.FAILED: "the run failed",
    Outcome.DIVERGED: "the loss became not finite",
    Outcome.NOTHING_TRAINED: "nothing was trained",
}
