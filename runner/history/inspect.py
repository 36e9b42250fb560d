"""Reads and evaluates any console log: `plasma-tui inspect`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, zip_longest
from math import isfinite
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import msgspec
from msgspec import Struct

from runner.analysis.facts import RunFacts
from runner.analysis.outcome import judge
from runner.history.report import plain
from runner.ingest.console.imported import ImportedLog
from runner.ingest.exact import LOSS_TAGS
from runner.model import Cause, Outcome, Phase
from runner.model.events import (
    AttemptSeen,
    CheckpointSaving,
    ConsoleEvent,
    LinesUnread,
    PhaseChanged,
    StepShown,
)
from runner.model.units import count, finite
from runner.state.step_mapper import StepMapper
from runner.state.translator import Translator

_BLOCK_BYTES = 256 * 1024
#: the exit is unknown
_NO_EXIT = ("none", "unknown")
_EXIT = re.compile(r"(code|signal):(-?\d+)$")


class InspectReport(Struct, frozen=True, kw_only=True):
    """Facts from a log. None: not in the log. `steps_seen`: the largest number the bar showed. `total_steps`,
    `batches_per_epoch`, `epochs`: of the banner, else of the bar and the epoch's line. `images`: image files
    of all subsets to train on, without regularisation images, validation images and repeats (without a
    dataset description, the files of all folders found). `last_average_loss`: of the last bar, None if not
    finite. `first_nonfinite_step`: the bar's number at the first loss that is not finite; from exact losses
    of event files, if given. `checkpoints`: names of the files in the order of saving. With several attempts
    in one log, the numbers are the last attempt's and `checkpoints` holds the files of all. `lines`: with
    text, without bars; `unknown_lines` of them were not understood. `trainer_log` False: nothing in it looks
    like a trainer's output. `outcome` None: that, or too little was understood for a verdict.
    """

    schema: int = 1
    outcome: Outcome | None
    cause: Cause | None
    reasons: tuple[str, ...]
    steps_seen: int
    total_steps: int | None
    batches_per_epoch: int | None
    epochs: int | None
    images: int | None
    device: str | None
    last_average_loss: float | None
    first_nonfinite_step: int | None
    checkpoints: tuple[str, ...]
    model_saved: bool
    lines: int
    unknown_lines: int
    trainer_log: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = plain(self)
        return found


def report_of(
    last: Translator,
    checkpoints: Iterable[str],
    exit_text: str | None,
    exact: int | None,
    lines: tuple[int, int],
) -> InspectReport:
    """Everything together, with its verdict. `last`: of the last attempt; `exact`: first bad step by exact
    losses, bar's number; `lines`: all, and the unknown ones."""
    bar, state = last.bar, last.state
    total = state.banner.get("total_steps", bar.total)
    bad = exact if exact is not None else bar.first_nonfinite
    code, signal = parse_exit(exit_text)
    verdict = judge(
        RunFacts(
            evidence=last.evidence.evidence(),
            exit_code=code,
            signal=signal,
            first_step=1,
            last_step=bar.shown_step or None,
            total_steps=total,
            first_nonfinite_step=bad,
            device=state.device,
            images=last.images.found,
            flat=last.flat.found,
            lines=lines[0],
            unknown_lines=lines[1],
        )
    )
    return InspectReport(
        outcome=verdict.outcome,
        cause=verdict.cause,
        reasons=verdict.reasons,
        steps_seen=bar.shown_step,
        total_steps=total,
        batches_per_epoch=state.banner.get("batches_per_epoch"),
        epochs=state.banner.get("epochs", state.epochs),
        images=last.images.found,
        device=state.device,
        last_average_loss=finite(bar.average),
        first_nonfinite_step=bad,
        checkpoints=tuple(checkpoints),
        model_saved=state.model_saved,
        lines=lines[0],
        unknown_lines=lines[1],
    )


def inspect_log(
    path: Path, exit_text: str | None = None, tensorboard: Path | None = None
) -> InspectReport:
    """Read and evaluate a console log of any size in bounded memory.

    `exit_text`: `code:1` or `signal:9`, None if unknown. `tensorboard`: a folder with the
    run's event files, for the exact losses. Raises ValueError for another exit text, OSError when
    the log cannot be read.
    """
    parse_exit(exit_text)
    parser, last = ImportedLog(), Translator(1, catching_up=True)
    names: dict[str, None] = {}
    known = False  # was any line a known trainer line?

    def take(events: list[ConsoleEvent]) -> None:
        nonlocal last, known
        for event, after in zip_longest(events, events[1:]):
            if isinstance(event, StepShown):
                last.flat.on_average(event.shown_step, event.average)
                if _continued(event, after):
                    continue
            known = known or not _is_silent(event)
            if isinstance(event, AttemptSeen):
                last = Translator(event.attempt, catching_up=True)
                continue
            if isinstance(event, CheckpointSaving):
                names[_name(event.path)] = None
            last.on_console(event, 0.0)
        last.take_rows()  # drop them and the events: memory stays bounded
        last.take_events(0.0)

    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            take(parser.feed(block))
    take(parser.finish())
    last.finish()
    exact = None if tensorboard is None else first_bad(tensorboard, last.state.mapper)
    report = report_of(last, names, exit_text, exact, (parser.lines, parser.unknown_lines))
    if known or exit_text not in (None, *_NO_EXIT) or not parser.unknown_lines:
        return report
    why = f"none of its {count(parser.unknown_lines, 'line')} looks like trainer output"
    return msgspec.structs.replace(
        report, outcome=None, cause=None, reasons=(why,), trainer_log=False
    )


def _is_silent(event: ConsoleEvent) -> bool:
    """Of any text, whoever wrote it."""
    launched = isinstance(event, PhaseChanged) and event.phase is Phase.LAUNCHING
    return launched or isinstance(event, LinesUnread)


def _continued(event: StepShown, after: ConsoleEvent | None) -> bool:
    """Does the next state of the bar have all that a report needs of this one? Of 100,000 steps, it has the
    last and the first bad one."""
    if not isinstance(after, StepShown) or after.shown_step < event.shown_step:
        return False
    return event.average is None or (after.average is not None and isfinite(event.average))


def parse_exit(text: str | None) -> tuple[int | None, int | None]:
    """`code:1` -> (1, None), `signal:9` -> (None, 9), None and `none` -> (None, None). Raises ValueError."""
    if text is None or text.strip() in _NO_EXIT:
        return None, None
    match = _EXIT.match(text.strip())
    if match is None:
        raise ValueError(f"exit {text!r} is invalid: use code:1 or signal:9, none if unknown")
    number = int(match[2])
    return (number, None) if match[1] == "code" else (None, number)


def first_bad(folder: Path, mapper: StepMapper) -> int | None:
    """The first loss that is not finite, as the bar's number: TensorBoard counts from the start of an epoch,
    the bar from the resumed step."""
    from runner.ingest.tfevents import ScalarTail

    tail = ScalarTail(folder)
    scalars = chain.from_iterable(iter(lambda: tail.poll(1.0), []))
    bad = (one.step for one in scalars if one.tag in LOSS_TAGS and not isfinite(one.value))
    first = min(bad, default=None)
    if first is None:
        return None
    true, zero = mapper.true_from_global(first), mapper.true_from_bar(0)
    return first if true is None or zero is None else true - zero


def _name(path: str) -> str:
    """The last part of a POSIX or Windows path."""
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
