"""What the loss chart shows of a run, and the words of its title. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice

from runner.model import AttemptStatus, LossBucket, RunSnapshot, RunState
from runner.model.lean import dataclass
from runner.model.units import duration, loss
from tui.kit.chart import (
    EXPECTED,
    RESUME,
    SAMPLE,
    TICK,
    WRITTEN,
    Bin,
    Chart,
    Curve,
    Mark,
    View,
)
from tui.kit.scale import EPOCH, SETTLED_AFTER_POINTS, STEP, TIME
from tui.words.progress import expected_checkpoints, loss_now, progress_of

AXES = (STEP, EPOCH, TIME)
#: from the most words to the fewest
Words = tuple[str, ...]
#: weights that the smoothed loss keeps at each step, in the order of the key; the first one is the runner's
#: own
SMOOTHINGS = (0.97, 0.99, 0.999, 0.0, 0.9)


@dataclass(frozen=True, slots=True)
class ChartModel:
    """Steps are true steps. `end_step`: right edge of the x axis; `epochs`: (number, last step), thinned;
    `written`, `expected`, `samples`: of checkpoints and images; `resumes`: (attempt, first step) of later
    attempts; `attempts`: the newest one and the replaced steps, from the most words to the fewest."""

    run: str = ""
    name: str = ""
    buckets: tuple[LossBucket, ...] = ()
    end_step: int = 1
    last_step: int = 0
    epochs: tuple[tuple[int, int], ...] = ()
    steps_per_epoch: float | None = None
    written: tuple[int, ...] = ()
    expected: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()
    resumes: tuple[tuple[int, int], ...] = ()
    attempts: tuple[str, ...] = ()
    value: str = ""
    last: str = ""
    exact: bool = True
    read_fraction: float = 1.0


def chart_model(snapshot: RunSnapshot | None) -> ChartModel:
    if snapshot is None:
        return ChartModel()
    progress, series, status = progress_of(snapshot), snapshot.loss, snapshot.status
    last = series.last_step or 0
    end = progress.total_steps or (_headroom(last) if snapshot.state is RunState.RUNNING else last)
    end = max(end, last, 1)
    files = status.checkpoints if status else ()
    kept = {c.step for c in files if c.step is not None and not (c.removed or c.missing)}
    sampled = {e.data.get("step") for e in snapshot.events if e.kind == "sampling"}
    attempts = status.attempts if status else ()
    spec = snapshot.spec
    return ChartModel(
        run=snapshot.path,
        name=snapshot.label or (spec.name if spec is not None else snapshot.id),
        buckets=series.buckets,
        end_step=end,
        last_step=last,
        epochs=_epochs(progress.steps_per_epoch, end),
        steps_per_epoch=progress.steps_per_epoch,
        written=tuple(sorted(kept)),
        expected=tuple(one.step for one in expected_checkpoints(snapshot)),
        samples=tuple(sorted(step for step in sampled if isinstance(step, int) and step <= end)),
        resumes=tuple((a.attempt, a.first_step) for a in attempts[1:] if a.first_step is not None),
        attempts=_attempt_words(attempts),
        value=loss(loss_now(snapshot)) if series.rows else "",
        last=loss(series.last) if series.last is not None else "",
        exact=series.exact or not series.rows,
        read_fraction=snapshot.read_fraction,
    )


def replaced_steps(attempts: Sequence[AttemptStatus]) -> tuple[tuple[int, int], ...]:
    """First and last of the steps that a later attempt trained again; the older ones no longer count."""
    found = []
    reached = 0
    for one in attempts:
        if one.first_step is None:
            continue
        if one.first_step <= reached:
            found.append((one.first_step, reached))
        reached = one.last_step if one.last_step is not None else one.first_step
    return tuple(found)


def span_word(span: tuple[int, int]) -> str:
    return f"{span[0]}-{span[1]}" if span[0] != span[1] else str(span[0])


def _attempt_words(attempts: Sequence[AttemptStatus]) -> tuple[str, ...]:
    """Empty for a run that was never resumed."""
    begun = [one for one in attempts[1:] if one.first_step is not None]
    if not begun:
        return ()
    newest = f"attempt {begun[-1].attempt} from {begun[-1].first_step}"
    again = replaced_steps(attempts)
    if not again:
        return (newest,)
    every = f"{', '.join(map(span_word, again))} trained again"
    last = f"{span_word(again[-1])} trained again"
    return tuple(dict.fromkeys((f"{newest}, {every}", every, last)))


def _headroom(last: int) -> int:
    """A right edge for a run of unknown length that moves seldom: the next 1, 2 or 5 times 10^n."""
    if last < 10:
        return 10
    size: int = 10 ** int(math.log10(last))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= last)


def _epochs(steps_per_epoch: float | None, end: int) -> tuple[tuple[int, int], ...]:
    """Every n-th epoch with its last step, at most 40."""
    if steps_per_epoch is None or steps_per_epoch < 1:
        return ()
    number = int(end / steps_per_epoch + 1e-9)
    every = max(1, math.ceil(number / 40))
    return tuple((k, round(k * steps_per_epoch)) for k in range(every, number + 1, every))


def loss_at(
    buckets: Sequence[LossBucket], step: int, smoothing: float = SMOOTHINGS[0]
) -> float | None:
    """The smoothed loss at a true step, NaN where it is not finite; None: no loss was recorded around it."""
    at = bisect_left(buckets, step, key=lambda bucket: bucket.last_step)
    if at < len(buckets) and buckets[at].first_step > step:
        at -= 1  # a step between two rows: the console shows not every one
    if not 0 <= at < len(buckets):
        return None
    if smoothing == SMOOTHINGS[0]:
        return buckets[at].smooth
    value = smoothed(buckets[: at + 1], smoothing)[-1][1]
    return math.nan if value is None else value


# ---------------------------------------------------------------------------
# A chart of the model: smoothed, on an axis, beside an earlier run.


@dataclass(frozen=True, slots=True)
class Look:
    """The user's view of the loss. `rate`: with the learning rate as a second line."""

    view: View = View()
    smoothing: float = SMOOTHINGS[0]
    axis: str = STEP
    rate: bool = False


class Places:
    """Steps to places on an axis and back: through known points, and on at the pace of the last one."""

    def __init__(self, model: ChartModel, axis: str) -> None:
        known = [(1.0, 1.0)]
        if axis == EPOCH and model.steps_per_epoch:
            known = [(model.steps_per_epoch, 1.0)]
        elif axis == TIME:
            from runner.history.compare_lines import seconds_trained

            seconds = seconds_trained(model.buckets, [step for _, step in model.resumes])
            timed = zip(model.buckets, seconds, strict=True)
            known = [(float(b.last_step), s) for b, s in timed if s] or known
        self.steps, self.xs = [0.0], [0.0]
        for step, x in known:
            if x > self.xs[-1]:
                self.steps.append(step)
                self.xs.append(x)

    def x_of(self, step: float) -> float:
        return _between(step, self.steps, self.xs)

    def step_of(self, x: float) -> float:
        return _between(x, self.xs, self.steps)


def _between(value: float, ins: Sequence[float], outs: Sequence[float]) -> float:
    if value > ins[-1] or len(ins) == 2:
        return outs[-1] * value / ins[-1]
    at = max(1, bisect_left(ins, value))
    share = (value - ins[at - 1]) / (ins[at] - ins[at - 1])
    return outs[at - 1] + share * (outs[at] - outs[at - 1])


def has_axis(model: ChartModel, axis: str) -> bool:
    if axis == EPOCH:
        return bool(model.steps_per_epoch)
    return axis == STEP or any(bucket.elapsed_s is not None for bucket in model.buckets)


def smoothed(buckets: Sequence[LossBucket], smoothing: float) -> list[tuple[int, float | None]]:
    """(last step, loss) of each bucket; None where no loss is finite. The runner smooths each step; other
    strengths are made of the means of buckets, which are the steps in runs of up to 2,048."""
    found: list[tuple[int, float | None]] = []
    average = weight = 0.0
    for one in buckets:
        value = one.smooth if smoothing == SMOOTHINGS[0] else None
        finite = one.count - one.nonfinite
        if smoothing != SMOOTHINGS[0] and one.mean is not None and finite > 0:
            keep = smoothing**finite
            average, weight = keep * average + (1 - keep) * one.mean, keep * weight + 1 - keep
            value = average / weight
        if finite <= 0 or value is None:
            if not found or found[-1][1] is not None:
                found.append((one.last_step, None))
        elif math.isfinite(value):
            found.append((one.last_step, value))
    return found


def loss_chart(model: ChartModel, look: Look, ghost: ChartModel | None = None) -> Chart:
    places = Places(model, look.axis)
    x_of = places.x_of
    curves = []
    if ghost is not None:
        theirs = Places(ghost, look.axis).x_of
        points = smoothed(ghost.buckets, look.smoothing)
        curves.append(Curve(tuple((theirs(x), y) for x, y in points), "dim", ".", pattern="####  "))
    if look.rate:
        rates = [(x_of(b.last_step), b.rate) for b in model.buckets if b.rate is not None]
        curves.append(Curve(tuple(rates), "accent", "-", pattern="#   ", own_scale=True))
    line = tuple((x_of(x), y) for x, y in smoothed(model.buckets, look.smoothing))
    curves.append(Curve(line, thick=True))
    widest = max((b.last_step - b.first_step + 1 for b in model.buckets), default=1)
    return Chart(
        curves=tuple(curves),
        band=tuple(
            Bin(x_of(b.first_step - 1), x_of(b.last_step), b.low, b.high, b.nonfinite > 0)
            for b in model.buckets
        ),
        marks=_marks(model, look.axis, places),
        end=x_of(model.end_step),
        newest=x_of(model.last_step),
        unit=look.axis,
        numbered=look.axis != STEP,
        least=x_of(max(10, 8 * widest)) if look.axis != TIME else x_of(model.last_step) / 50 or 1.0,
    )


def _marks(model: ChartModel, axis: str, places: Places) -> tuple[Mark, ...]:
    saved = ((WRITTEN, model.written), (EXPECTED, model.expected))
    found: list[tuple[int, str, Words]] = [
        (step, kind, (str(step),)) for kind, steps in saved for step in steps
    ]
    found += [(step, SAMPLE, ("",)) for step in model.samples]
    found += [(step, RESUME, (f"attempt {n}", f"a{n}")) for n, step in model.resumes]
    if axis != EPOCH:
        found += [(step, TICK, (f"e{n}",)) for n, step in model.epochs]
    return tuple(Mark(places.x_of(step), kind, words) for step, kind, words in found)


# ---------------------------------------------------------------------------
# What the title says.


def title_words(model: ChartModel, chart: Chart) -> list[Words]:
    """By worth, each from the most words to the fewest: last step, lowest, source, learning rate,
    attempts."""
    found: list[Words] = []
    if model.last:
        found.append((f"last step {model.last}", f"last {model.last}"))
    line = chart.curves[-1].points if chart.curves else ()
    settled = [
        (y, x) for x, y in line[min(SETTLED_AFTER_POINTS, len(line) // 3) :] if y is not None
    ]
    if settled:
        lowest, x = min(settled)
        found.append((f"lowest {loss(lowest)} at {place_words(chart.unit, x)}",))
    if not model.exact:
        found.append(("console's running average", "console average"))
    rates = (bucket.rate for bucket in reversed(model.buckets) if bucket.rate is not None)
    found += [(f"lr {rate_text(rate)}",) for rate in islice(rates, 1)]
    return [*found, *([model.attempts] if model.attempts else [])]


def rate_text(rate: float) -> str:
    """`7.1e-5`"""
    return f"{rate:.1e}".replace("e-0", "e-")


def place_words(axis: str, x: float, *, unit: bool = False) -> str:
    """`412`, `1.79` or `12 min`; with its `unit`: `step 412`, `epoch 1.79`, `12 min`."""
    if axis == TIME:
        return duration(x)
    text = f"{x:.3g}" if axis == EPOCH else f"{x:.0f}"
    return f"{axis} {text}" if unit else text


def look_words(
    model: ChartModel, look: Look, ghost: ChartModel | None, window: tuple[float, float]
) -> list[Words]:
    """How the chart differs from the usual one."""
    found: list[Words] = []
    if ghost is not None:
        name = ghost.run[-4:]
        found.append((f"dashed: {ghost.name} {name}", f"dashed: {name}"))
    if look.view.window is not None:
        low, high = (place_words(look.axis, x) for x in window)
        unit = {STEP: "steps ", EPOCH: "epochs "}.get(look.axis, "")
        found.append((f"{unit}{low}–{high}", f"{low}–{high}"))
    elif look.axis != STEP:
        found.append((f"by {look.axis}",))
    if look.view.log:
        found.append(("log",))
    if look.smoothing != SMOOTHINGS[0]:
        found.append((f"smoothing {look.smoothing:g}" if look.smoothing else "not smoothed",))
    if look.rate:
        most = max((b.rate for b in model.buckets if b.rate is not None), default=None)
        found.append((f"lr 0–{rate_text(most)}" if most is not None else "no lr recorded",))
    return found


def pointed_words(
    model: ChartModel,
    step: int,
    smoothing: float = SMOOTHINGS[0],
    ghost: ChartModel | None = None,
) -> Words:
    """From the most words to the fewest."""
    words = f"step {step}"
    if model.steps_per_epoch:
        words += f", epoch {math.ceil(step / model.steps_per_epoch)}"
    value = loss_at(model.buckets, step, smoothing)
    if value is not None:
        words += f", loss {loss(value)}"
    short = f"{step}: {loss(value)}" if value is not None else f"step {step}"
    more = ""
    theirs = loss_at(ghost.buckets, step, smoothing) if ghost is not None else None
    if theirs is not None:
        more = f", earlier run {loss(theirs)}"
    elif model.written:
        nearest = min(model.written, key=lambda written: abs(written - step))
        more = f", nearest checkpoint {nearest}"
    return tuple(dict.fromkeys((words + more, words, short)))
