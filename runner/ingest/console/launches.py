"""Where another launch begins in a log that holds several of them without a line of ours between, as a
nohup.out does. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.model import Phase
from runner.model.events import AttemptSeen, ConsoleEvent, ExceptionSeen, FatalSeen

#: `accelerate launch` says it before all else
_ACCELERATE = "The following values were not passed to `accelerate launch`"
#: the trainer's own first words
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
        """What a piece of the log told."""
        self._failed = self._failed or _tells_an_end(events)

    def restart(self, attempt: int) -> None:
        self.attempt, self._failed = attempt, False

    @staticmethod
    def is_first_word(text: str) -> bool:
        """Can a launch begin with this line?"""
        return text.startswith(_ACCELERATE) or _TRAINER.match(text) is not None

    def begins(self, text: str, phase: Phase | None, events: Sequence[ConsoleEvent]) -> bool:
        """Does another launch begin with this first word? Only where the one before is known to have come
        further: every process of a launch may say its first words."""
        if self._failed or _tells_an_end(events):
            return True
        if text.startswith(_ACCELERATE):
            return phase not in (None, Phase.LAUNCHING)
        return phase in LOOP


def _tells_an_end(events: Sequence[ConsoleEvent]) -> bool:
    """Of this launch: what came before its beginning says nothing of it."""
    for event in reversed(events):
        if isinstance(event, AttemptSeen):
            return False
        if isinstance(event, ExceptionSeen | FatalSeen):
            return True
    return False
