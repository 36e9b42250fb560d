"""Reading one state of a tqdm bar. Its clock is not read: since v0.10 elapsed, ETA and rate are
reset every step, so times come from the steps and our own clock."""

from __future__ import annotations

import re

from runner.ingest.console.stream import Bar, Text
from runner.model.events import StepShown

#: A bar that tqdm cut off at the terminal's width: the count is there, the postfix is not.
_CUT_OFF = re.compile(rb" *steps: *\d{1,3}%\|[^|\r\n\0]{0,3000}\| *(\d{1,18})/(\d{1,18})\b")


def postfix(inner: bytes) -> dict[str, float]:
    """The numbers behind times and rate: `00:12<03:40, 1.01it/s, avr_loss=0.123` -> avr_loss."""
    values: dict[str, float] = {}
    for part in inner.split(b", ")[2:]:
        name, _, value = part.partition(b"=")
        try:
            values[name.decode("utf-8", "replace")] = float(value)
        except ValueError:
            continue
    return values


def step_shown(bar: Bar) -> StepShown:
    """A state of the bar `steps`. The running average is `avr_loss`; up to v0.7.0, and in
    train_textual_inversion still, it is called `loss`."""
    values = postfix(bar.inner)
    average = values.get("avr_loss")
    if average is None:
        average = values.get("loss")
    total = int(bar.total) if bar.total is not None else None
    return StepShown(bar.end, int(bar.done), total, average, values)


def cut_off_step(text: Text) -> StepShown | None:
    """The step of a bar without its end, as `TQDM_NCOLS` or a narrow terminal leave it."""
    match = _CUT_OFF.match(text.raw)
    if match is None:
        return None
    return StepShown(text.end, int(match[1]), int(match[2]), None)


def percent(bar: Bar) -> int | None:
    """How far any bar is, 0 to 100; None without a total."""
    try:
        total = float(bar.total or 0)
        return min(100, int(100 * float(bar.done) / total)) if total else None
    except ValueError:
        return None
