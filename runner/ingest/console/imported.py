"""Reads an imported log, as opposed to the console of a run of ours: with several launches in it, with a
prefix in front of every line, with lines that have lost their indents.

The first bytes are held back until the prefix is known; from there on it is cut off as the bytes come. Offsets
of events are those of the log as it is. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import replace

from runner.ingest.console.faults import fatal_word
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.console.prefix import PREFIX_BYTES, SURE, Prefix, find_prefix, is_flat
from runner.ingest.console.prefix_times import PrefixClock
from runner.ingest.console.records import has_time, plain_text, record_start
from runner.model.events import ConsoleEvent
from runner.trainers.console import Vocabulary
from runner.trainers.sd_scripts.vocabulary import VOCABULARY

#: enough to find the prefix by
SAMPLE_BYTES = 64 * 1024
#: how many lines back an event may end
_LINES_KEPT = 2000
_STEPS = re.compile(r"\s*steps:")
_BAR = re.compile(r"\s*(?:[\w ]{1,40}: *)?\d{1,3}%[| ]")
_FAULT = re.compile(
    r'usage: |Traceback \(most|\s*File ".*", line \d|[│╭╰]|(?:\w+\.)*[A-Z]\w*Error\b'
)


class ImportedLog:
    """As `ConsoleParser`: bytes in, events out. `take_times`: times of its lines, by the byte where they
    begin, if the prefix has them; `near_at`: when the log was last written."""

    def __init__(self, near_at: float = 0.0, vocabulary: Vocabulary = VOCABULARY) -> None:
        self._vocabulary = vocabulary
        self._parser = ConsoleParser(launches=True, vocabulary=vocabulary)
        self._clock = PrefixClock(near_at)
        self._cutter: _Cutter | None = None
        self._held: bytes | None = b""

    @property
    def unknown_lines(self) -> int:
        return self._parser.unknown_lines

    @property
    def lines(self) -> int:
        """Lines read as text, known and unknown."""
        return self._parser.lines

    @property
    def timed(self) -> bool:
        """Do its lines have times of their own?"""
        return self._cutter is not None and self._cutter.timed

    @property
    def undated(self) -> bool:
        """Have these times no day?"""
        return self._clock.undated

    def feed(self, data: bytes) -> list[ConsoleEvent]:
        if self._held is not None:
            self._held += data
            if len(self._held) < SAMPLE_BYTES:
                return []
            data = self._begin()
        return self._read(data)

    def finish(self) -> list[ConsoleEvent]:
        events = self._read(self._begin()) if self._held is not None else []
        if self._cutter is not None:
            events += self._placed(self._parser.feed(self._cutter.finish()))
        return events + self._placed(self._parser.finish())

    def take_times(self) -> list[tuple[int, float]]:
        """Since the last call."""
        if self._cutter is None:
            return []
        times, self._cutter.times = self._cutter.times, []
        return times

    def _begin(self) -> bytes:
        """Enough has been held back: find the prefix."""
        held, self._held = self._held or b"", None
        prefix = find_prefix(held[:SAMPLE_BYTES], self._knows)
        flat = prefix.flat if prefix is not None else is_flat(held[:SAMPLE_BYTES].split(b"\n"))
        if prefix is not None:
            self._cutter = _Cutter(prefix, self._clock)
        if flat:
            self._parser = ConsoleParser(launches=True, flat=True, vocabulary=self._vocabulary)
        return held

    def _read(self, data: bytes) -> list[ConsoleEvent]:
        if self._cutter is None:
            return self._parser.feed(data)
        return self._placed(self._parser.feed(self._cutter.cut(data)))

    def _placed(self, events: list[ConsoleEvent]) -> list[ConsoleEvent]:
        cutter = self._cutter
        if cutter is None:
            return events
        return [replace(event, offset=cutter.origin(event.offset)) for event in events]

    def _knows(self, raw: bytes) -> int:
        """Is it a line of a trainer?"""
        if raw.startswith(b"[default"):
            return 0
        line = plain_text(raw[:1000].lstrip(b"\r")).rstrip()
        text = line.lstrip()
        if _STEPS.match(line) or _FAULT.match(line) or has_time(line):
            return SURE
        record = record_start(line, 0)
        text = text if record is None else record.message
        if self._vocabulary.sentence_of(text) or fatal_word(text, 0, in_record=False):
            return SURE
        harmless = text.lower().startswith(self._vocabulary.harmless_starts)
        return 1 if harmless or _BAR.match(line) else 0


class _Cutter:
    """Cuts the prefix off each line, and knows where the rest was."""

    def __init__(self, prefix: Prefix, clock: PrefixClock) -> None:
        self._line = re.compile(rb"(?:(?<=[\r\n])|\A)(?:" + prefix.pattern.pattern + rb")")
        self._clock = clock
        self._pending = b""
        self._fresh = True  # does the pending text begin a line?
        self._read = self._written = 0  # bytes of the log, and of what is left of it
        self._places: list[tuple[int, int]] = [(0, 0)]  # (left, cut off before it)
        self.times: list[tuple[int, float]] = []
        self.timed = False

    def cut(self, data: bytes, *, final: bool = False) -> bytes:
        """The lines without it; the beginning of a line is held until its prefix must be complete."""
        text = self._pending + data
        begun = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if not final and len(text) - begun < PREFIX_BYTES and (begun or self._fresh):
            text, self._pending = text[:begun], text[begun:]
        else:
            self._pending = b""
        pieces, used = [], 0
        for match in self._line.finditer(text):
            if match.start() == 0 and not self._fresh:
                continue
            pieces.append(text[used : match.start()])
            self._written += match.start() - used
            used = match.end()
            self._places.append((self._written, self._read + used - self._written))
            at = self._clock.time_of(match.group().decode("ascii", "replace"))
            if at is not None:
                self.timed = True
                if not self.times or self.times[-1][1] != at:
                    self.times.append((self._read + match.start(), at))
        pieces.append(text[used:])
        self._written += len(text) - used
        self._read += len(text)
        if text:
            self._fresh = text[-1:] in b"\r\n"
        del self._places[: -_LINES_KEPT - text.count(b"\n") - text.count(b"\r")]
        return b"".join(pieces)

    def finish(self) -> bytes:
        return self.cut(b"", final=True)

    def origin(self, offset: int) -> int:
        """The byte of the log for a byte of what is left of it. The end of a line is before the next prefix."""
        place = max(0, bisect_left(self._places, (offset, 0)) - 1)
        return offset + self._places[place][1]
