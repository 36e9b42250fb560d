"""A console log of anybody's, read to the end and judged: `plasma-tui inspect`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from runner.analysis.outcome import RunFacts, Verdict, judge
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import LOSS_TAGS
from runner.model import (
    AttemptSeen,
    BannerSeen,
    Cause,
    CheckpointSaving,
    ConsoleEvent,
    DeviceSeen,
    EpochStarted,
    Outcome,
    StepShown,
    SubsetSeen,
)
from runner.state.evidence import EvidenceCollector
from runner.state.ledger import AttemptLedger

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
    """The numbers of a log while it is read; takes every event of the parser."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, None] = {}
        self._begin()

    def _begin(self) -> None:
        self.banner: dict[str, int] = {}
        self.device: str | None = None
        self.epochs: int | None = None
        self.steps_seen = 0
        self.average: float | None = None
        self.first_nonfinite: int | None = None
        self.evidence = EvidenceCollector()
        self.ledger = AttemptLedger()
        self._subsets: dict[str, int] = {}
        self._found: dict[str, int] = {}

    def on(self, event: ConsoleEvent) -> None:
        """Take one event."""
        self.evidence.on(event)
        self.ledger.on(event)
        match event:
            case StepShown():
                self._on_step(event)
            case BannerSeen(name=name, value=value):
                self.banner[name] = value
            case EpochStarted(epochs=epochs):
                self.epochs = epochs
            case DeviceSeen(device=device):
                self.device = self.device or device
            case CheckpointSaving(path=path):
                self.checkpoints[_name(path)] = None
            case SubsetSeen(is_reg=None):
                self._found[event.image_dir] = event.images
            case SubsetSeen(is_reg=False):
                self._subsets[event.image_dir] = event.images
            case AttemptSeen():
                self._begin()
            case _:
                pass

    def _on_step(self, shown: StepShown) -> None:
        self.steps_seen = max(self.steps_seen, shown.shown_step)
        if shown.average is None:
            return
        self.average = shown.average
        if self.first_nonfinite is None and not math.isfinite(shown.average):
            self.first_nonfinite = shown.shown_step

    @property
    def images(self) -> int | None:
        """Files to train on; several processes describe the same folders."""
        counts = self._subsets or self._found
        return sum(counts.values()) if counts else None

    def report(self, exit_text: str | None, exact: int | None, unknown_lines: int) -> InspectReport:
        """Everything together, judged. `exact`: first bad step by exact losses, bar's number."""
        bad = exact if exact is not None else self.first_nonfinite
        verdict = self._judged(exit_text, bad)
        finite = self.average is not None and math.isfinite(self.average)
        return InspectReport(
            outcome=verdict.outcome,
            cause=verdict.cause,
            reasons=verdict.reasons,
            steps_seen=self.steps_seen,
            total_steps=self.banner.get("total_steps"),
            batches_per_epoch=self.banner.get("batches_per_epoch"),
            epochs=self.banner.get("epochs", self.epochs),
            images=self.images,
            device=self.device,
            last_average_loss=self.average if finite else None,
            first_nonfinite_step=bad,
            checkpoints=tuple(self.checkpoints),
            unknown_lines=unknown_lines,
        )

    def _judged(self, exit_text: str | None, bad: int | None) -> Verdict:
        code, signal = parse_exit(exit_text)
        return judge(
            RunFacts(
                evidence=self.evidence.evidence(),
                exit_code=code,
                signal=signal,
                first_step=1,
                last_step=self.steps_seen or None,
                total_steps=self.banner.get("total_steps"),
                first_nonfinite_step=bad,
                device=self.device,
                images=self.images,
            )
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
            for event in parser.feed(block):
                reading.on(event)
    for event in parser.finish():
        reading.on(event)
    exact = None if tensorboard is None else _first_bad(tensorboard, reading.ledger)
    return reading.report(exit_text, exact, parser.unknown_lines)


def parse_exit(text: str | None) -> tuple[int | None, int | None]:
    """`code:1` -> (1, None), `signal:9` -> (None, 9), None -> (None, None). Raises ValueError."""
    if text is None:
        return None, None
    match = _EXIT.match(text.strip())
    if match is None:
        raise ValueError(f"exit {text!r} is not understood: write code:1 or signal:9")
    number = int(match[2])
    return (number, None) if match[1] == "code" else (None, number)


def _first_bad(folder: Path, ledger: AttemptLedger) -> int | None:
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
    true, zero = ledger.true_from_global(first), ledger.true_from_bar(0)
    return first if true is None or zero is None else true - zero


def _name(path: str) -> str:
    """The last part of a path of either kind of system."""
    if "\\" in path:
        return PureWindowsPath(path).name
    return PurePosixPath(path).name
