"""Console sentences of a trainer and their meaning: the types; each trainer has its own sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from runner.model import Phase
from runner.model.events import ConsoleEvent

#: a sentence and the offset of its end in the console -> its event
Reader = Callable[[str, int], ConsoleEvent | None]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A known sentence: its beginning, the phase it announces, its event."""

    start: str
    phase: Phase | None = None
    read: Reader | None = None
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`harmless_starts`: printed without a level, and harmless; `harmless_warnings`: in records of level
    WARNING and above, printed by good runs too. Both in lower case."""

    sentences: tuple[Sentence, ...]
    harmless_starts: tuple[str, ...] = ()
    harmless_warnings: tuple[str, ...] = ()
    _by_first_word: dict[str, list[Sentence]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for sentence in self.sentences:
            self._by_first_word.setdefault(_first_word(sentence.start), []).append(sentence)

    def sentence_of(self, text: str) -> Sentence | None:
        """The known sentence that `text` (without leading spaces) is, if any."""
        for sentence in self._by_first_word.get(_first_word(text), ()):
            if text.startswith(sentence.start):
                return sentence
        return None


def _first_word(text: str) -> str:
    return text.split(" ", 1)[0]


_JAPANESE = re.compile(r" / (?=[^\n]*[^\x00-\x7f])")


def english(text: str) -> str:
    """A bilingual sentence without its Japanese half, but with the value after it."""
    match = _JAPANESE.search(text)
    if match is None:
        return text
    rest = text[match.end() :]
    last_wide = max(i for i, c in enumerate(rest) if not c.isascii())
    value = rest[last_wide + 1 :].partition(": ")[2]
    return f"{text[: match.start()]}: {value}" if value else text[: match.start()]
