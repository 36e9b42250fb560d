"""Facts that only the console has: the end, the bar, the images; collected while reading. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from runner.model import Phase
from runner.model.events import (
    CheckpointSaving,
    ConsoleEvent,
    ExceptionSeen,
    FatalSeen,
    LinesUnread,
    ModelSaved,
    NothingToTrain,
    PhaseChanged,
    ResumeSeen,
    StepShown,
    SubsetSeen,
    WarningSeen,
)
from runner.trainers.names import KOHYA_NAMES, FileNames

_EXCEPTIONS_KEPT = 50
_FATALS_KEPT = 20
_WARNINGS_KEPT = 100

#: Tracebacks that sd-scripts and its libraries print and survive.
_BENIGN = re.compile(r"No module named 'triton|matching Triton is not available")
#: torchrun's record about the end of a rank
_RANK_FAILED = "failed (exitcode"
#: Raised by a launcher about its child: never the reason for the child's end.
_LAUNCHER = ("CalledProcessError", "ChildFailedError", "SignalException", "ProcessExitedException")


@dataclass(frozen=True, slots=True)
class Evidence:
    """`exceptions`, `fatals`: those after which the bar did not advance, in order: earlier ones did not end
    the training. `phase`: what the trainer was doing when the first of them was raised, else at the end.
    `final_begun`: the final file, without step or epoch in its name, was being written. `resumed`: a state
    was loaded. `unread`: the last unknown lines, just before an exception or the end, or
    the last unknown record of level ERROR."""

    exceptions: tuple[ExceptionSeen, ...] = ()
    fatals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    nothing_to_train: str | None = None
    model_saved: bool = False
    phase: Phase | None = None
    final_begun: bool = False
    resumed: bool = False
    unread: tuple[str, ...] = ()

    @property
    def own_exceptions(self) -> tuple[ExceptionSeen, ...]:
        """The trainer's own exceptions: without the launcher's, harmless ones and interrupts."""
        return tuple(e for e in self.exceptions if not is_launchers(e) and not is_interrupt(e))

    @property
    def launcher_exceptions(self) -> tuple[ExceptionSeen, ...]:
        return tuple(e for e in self.exceptions if is_launchers(e))


def is_launchers(exception: ExceptionSeen) -> bool:
    """Raised by accelerate or torchrun over the end of their child?"""
    return exception.name.rsplit(".", 1)[-1] in _LAUNCHER


#: the exception of Ctrl-C and SIGINT
INTERRUPT = "KeyboardInterrupt"


def is_interrupt(exception: ExceptionSeen) -> bool:
    return exception.name == INTERRUPT


class EvidenceCollector:
    """Takes every console event of one attempt; stores a bounded amount."""

    def __init__(self, names: FileNames = KOHYA_NAMES) -> None:
        self._names = names
        self._found = Evidence()
        self._fault_phase: Phase | None = None
        self._shown = self._fault_shown = 0

    def on(self, event: ConsoleEvent) -> None:
        """Take one event; most are irrelevant for the end."""
        found = self._found
        match event:
            case StepShown(shown_step=shown):
                self._shown = max(shown, self._shown)
                # a closed bar is drawn again, with the step in progress
                if (found.exceptions or found.fatals) and shown > self._fault_shown + 1:
                    self._keep(exceptions=(), fatals=())
                    self._fault_phase = None
            case PhaseChanged(phase=phase):
                self._keep(phase=phase)
            case ExceptionSeen() if not _BENIGN.search(event.message):
                self._note_fault()
                self._keep(exceptions=(*found.exceptions, event)[-_EXCEPTIONS_KEPT:])
            case FatalSeen(text=text):
                self._note_fault()
                self._keep(fatals=(*found.fatals, text)[-_FATALS_KEPT:])
            case WarningSeen(level=level, text=text) if text not in found.warnings:
                self._keep(warnings=(*found.warnings, text)[:_WARNINGS_KEPT])
                if level in ("ERROR", "CRITICAL") and not text.startswith(_RANK_FAILED):
                    self._keep(unread=(text,))
            case NothingToTrain(text=text):
                self._keep(nothing_to_train=text)
            case ModelSaved():
                self._keep(model_saved=True)
            case ResumeSeen(state_path=str()):
                self._keep(resumed=True)
            case LinesUnread(lines=lines):
                self._keep(unread=lines)
            case CheckpointSaving(path=path):
                self._keep(final_begun=self._names.parse(PurePath(path).name).final)

    def _note_fault(self) -> None:
        """Where the first fault was: the bar advances past it if the training survives."""
        if not (self._found.exceptions or self._found.fatals):
            self._fault_phase, self._fault_shown = self._found.phase, self._shown

    def _keep(self, **fields: Any) -> None:
        self._found = replace(self._found, **fields)

    def evidence(self) -> Evidence:
        """What is known so far."""
        return replace(self._found, phase=self._fault_phase or self._found.phase)


@dataclass(slots=True)
class Bar:
    """What the trainer's bar showed. `total`: of its last state, None in the overflow form."""

    shown_step: int = 0
    total: int | None = None
    average: float | None = None
    first_nonfinite: int | None = None

    def show(self, event: StepShown) -> None:
        if event.shown_step > self.shown_step:
            self.shown_step = event.shown_step
        self.total = event.total
        if event.average is None:
            return
        self.average = event.average
        if self.first_nonfinite is None and not math.isfinite(event.average):
            self.first_nonfinite = event.shown_step


@dataclass(slots=True)
class Images:
    """Image files by folder: several processes report the same ones."""

    subsets: dict[str, int] = field(default_factory=dict)
    reg_subsets: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)

    def see(self, event: SubsetSeen) -> None:
        if event.is_reg is None:
            self.folders[event.image_dir] = event.images
        else:
            subsets = self.reg_subsets if event.is_reg else self.subsets
            subsets[event.image_dir] = event.images

    @property
    def described(self) -> int | None:
        """Training images, without regularisation images and repeats."""
        return sum(self.subsets.values()) if self.subsets else None

    @property
    def regularisation(self) -> int:
        return sum(self.reg_subsets.values())

    @property
    def found(self) -> int | None:
        """The same; without a dataset description, the files of all folders found."""
        return self.described if self.subsets or not self.folders else sum(self.folders.values())
