"""Finds the start of another launch in a log with several of them without our marker lines, such as a
nohup.out. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.model import Phase
from runner.model.events import AttemptSeen, ConsoleEvent, ExceptionSeen, FatalSeen

#: the first output of `accelerate launch`
_ACCELERATE = "The following values were not passed to `accelerate launch`"
#: the trainer's first lines
_TRAINER = re.compile(
    r"Using v[12] tokenizer|prepare tokenizer|Loading settings from |Loading config from "
)
LOOP = (Phase.TRAINING, Phase.SAVING, Phase.SAMPLING, Phase.VALIDATING, Phase.FINISHED)


class LaunchWatch:
    """`attempt`: the launch that is being read."""

    def __init__(self) -> None:
        self.attempt = 1
        self._failed = False

    def note(self, events: Sequence[ConsoleEvent]) -> None:
        """Update from a piece of the log."""
        self._failed = self._failed or _tells_an_end(events)

    def restart(self, attempt: int) -> None:
        self.attempt, self._failed = attempt, False

    @staticmethod
    def is_first_word(text: str) -> bool:
        """Can a launch start with this line?"""
        return text.startswith(_ACCELERATE) or _TRAINER.match(text) is not None

    def begins(self, text: str, phase: Phase | None, events: Sequence[ConsoleEvent]) -> bool:
        """Does another launch start with this line? Only if the previous one is known to be further: every
        process of a launch may print its first lines."""
        if self._failed or _tells_an_end(events):
            return True
        if text.startswith(_ACCELERATE):
            return phase not in (None, Phase.LAUNCHING)
        return phase in LOOP


def _tells_an_end(events: Sequence[ConsoleEvent]) -> bool:
    """Facts of this launch: earlier output does not belong to it."""
    for event in reversed(events):
        if isinstance(event, AttemptSeen):
            return False
        if isinstance(event, ExceptionSeen | FatalSeen):
            return True
    return False
