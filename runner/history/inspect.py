"""A console log of anybody's, read to the end and judged: `plasma-tui inspect`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from runner.analysis.facts import RunFacts
from runner.analysis.outcome import judge
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import LOSS_TAGS
from runner.model import Cause, Outcome
from runner.model.events import AttemptSeen, CheckpointSaving, ConsoleEvent
from runner.state.step_mapper import StepMapper
from runner.state.translator import Translator

_BLOCK_BYTES = 256 * 1024
_EXIT = re.compile(r"(code|signal):(-?\d+)$")


@dataclass(frozen=True, slots=True)
class InspectReport:
    """What a log tells. None: the log does not say.

    `steps_seen`: the largest number the bar showed. `total_steps`, `batches_per_epoch`, `epochs`:
    of the banner. `images`: image files of all subsets to train on, without regularisation images,
    validation images and repeats (where the dataset's description is missing, the files of all
    folders found). `last_average_loss`: of the last bar, None when it is no finite number.
    `first_nonfinite_step`: the bar's number at the first loss that is not finite; from the event
    files' exact losses where given. `checkpoints`: names of the files in the order of saving.
    With several attempts in one log, the numbers are the last attempt's and `checkpoints` holds
    the files of all.
    """

    outcome: Outcome
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
    unknown_lines: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        cause = self.cause
        return {
            "schema": 1,
            "outcome": str(self.outcome),
            "cause": cause
            and {
                "key": cause.key,
                "evidence": cause.evidence,
                "advice": cause.advice,
                "fix": cause.fix,
                "changes": list(cause.changes),
            },
            "reasons": list(self.reasons),
            "steps_seen": self.steps_seen,
            "total_steps": self.total_steps,
            "batches_per_epoch": self.batches_per_epoch,
            "epochs": self.epochs,
            "images": self.images,
            "device": self.device,
            "last_average_loss": self.last_average_loss,
            "first_nonfinite_step": self.first_nonfinite_step,
            "checkpoints": list(self.checkpoints),
            "unknown_lines": self.unknown_lines,
        }


class LogReading:
    """The newest attempt of a log while it is read; takes every event of the parser."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, None] = {}
        self.translator = Translator(1, catching_up=True)

    def on(self, events: Iterable[ConsoleEvent]) -> None:
        """Take these events; the rows and journal lines that they make are wanted by nobody."""
        for event in events:
            if isinstance(event, AttemptSeen):
                self.translator = Translator(event.attempt, catching_up=True)
                continue
            if isinstance(event, CheckpointSaving):
                self.checkpoints[_name(event.path)] = None
            self.translator.on_console(event, 0.0)
        self.translator.take_rows()
        self.translator.take_events(0.0)

    def finish(self) -> None:
        """The log is read."""
        self.translator.finish()


def report_of(
    last: Translator,
    checkpoints: Iterable[str],
    exit_text: str | None,
    exact: int | None,
    unknown_lines: int,
) -> InspectReport:
    """Everything together, judged. `last`: of the last attempt; `exact`: first bad step by exact losses, bar's
    number."""
    bar, banner = last.bar, last.state.banner
    bad = exact if exact is not None else bar.first_nonfinite
    code, signal = parse_exit(exit_text)
    verdict = judge(
        RunFacts(
            evidence=last.evidence.evidence(),
            exit_code=code,
            signal=signal,
            first_step=1,
            last_step=bar.shown_step or None,
            total_steps=banner.get("total_steps"),
            first_nonfinite_step=bad,
            device=last.state.device,
            images=last.images.found,
        )
    )
    finite = bar.average is not None and math.isfinite(bar.average)
    return InspectReport(
        outcome=verdict.outcome,
        cause=verdict.cause,
        reasons=verdict.reasons,
        steps_seen=bar.shown_step,
        total_steps=banner.get("total_steps"),
        batches_per_epoch=banner.get("batches_per_epoch"),
        epochs=banner.get("epochs", last.state.epochs),
        images=last.images.found,
        device=last.state.device,
        last_average_loss=bar.average if finite else None,
        first_nonfinite_step=bad,
        checkpoints=tuple(checkpoints),
        unknown_lines=unknown_lines,
    )


def inspect_log(
    path: Path, exit_text: str | None = None, tensorboard: Path | None = None
) -> InspectReport:
    """Read and judge a console log of any size in bounded memory.

    `exit_text`: `code:1` or `signal:9`, None if it is not known. `tensorboard`: a folder with the
    run's event files, for the exact losses. Raises ValueError for another exit text, OSError when
    the log cannot be read.
    """
    parse_exit(exit_text)
    parser, reading = ConsoleParser(launches=True), LogReading()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            reading.on(parser.feed(block))
    reading.on(parser.finish())
    reading.finish()
    last = reading.translator
    exact = None if tensorboard is None else first_bad(tensorboard, last.state.mapper)
    return report_of(last, reading.checkpoints, exit_text, exact, parser.unknown_lines)


def parse_exit(text: str | None) -> tuple[int | None, int | None]:
    """`code:1` -> (1, None), `signal:9` -> (None, 9), None -> (None, None). Raises ValueError."""
    if text is None:
        return None, None
    match = _EXIT.match(text.strip())
    if match is None:
        raise ValueError(f"exit {text!r} is not understood: write code:1 or signal:9")
    number = int(match[2])
    return (number, None) if match[1] == "code" else (None, number)


def first_bad(folder: Path, mapper: StepMapper) -> int | None:
    """The first loss that is not finite, as the bar's number: TensorBoard counts from the start of
    an epoch where the bar counts from the resumed step."""
    from runner.ingest.tfevents import ScalarTail

    tail, first = ScalarTail(folder), None
    while scalars := tail.poll(1.0):
        for scalar in scalars:
            if scalar.tag in LOSS_TAGS and not math.isfinite(scalar.value):
                first = min(scalar.step, first if first is not None else scalar.step)
    if first is None:
        return None
    true, zero = mapper.true_from_global(first), mapper.true_from_bar(0)
    return first if true is None or zero is None else true - zero


def _name(path: str) -> str:
    """The last part of a path of either kind of system."""
    if "\\" in path:
        return PureWindowsPath(path).name
    return PurePosixPath(path).name
