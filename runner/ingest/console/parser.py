"""The trainer's console, byte by byte, to events. Pure and incremental: no clock, no file."""

from __future__ import annotations

import re
from collections import deque

from runner.ingest.console.dataset import DatasetReader
from runner.ingest.console.faults import TRACEBACK, FaultReader, fatal_word
from runner.ingest.console.launches import LOOP, LaunchWatch
from runner.ingest.console.records import Record, plain_text, record_start
from runner.ingest.console.stream import WINDOW_BYTES, Bar, Text, TokenStream
from runner.model import Phase
from runner.model.events import (
    AttemptSeen,
    ConsoleEvent,
    LinesUnread,
    ModelSaved,
    NothingToTrain,
    PhaseChanged,
    StepShown,
    ValidationSeen,
    WarningSeen,
)
from runner.trainers.console import Sentence, Vocabulary, english
from runner.trainers.sd_scripts.vocabulary import VOCABULARY

_MARKER = re.compile(r"--- plasma-tui attempt (\d{1,9})\b")
_COUNTED = re.compile(
    r"\d+ (?:train|reg|validation) images\b|\.\.\. and \d+ more|.*\.\.\. and \d+ more$"
)
_IMAGE_PATH = re.compile(
    r"[^:]*\.(?:png|jpe?g|webp|bmp|avif|jxl)(?:\.\.\. and \d+ more)?$", re.IGNORECASE
)
_PYTHON_WARNING = re.compile(
    r".*:\d+: \w*Warning: |usage: |\s*warnings\.warn\(|\w*Warning: "
    r"|(?:DEBUG|INFO|WARNING)(?:\[\w+\]|:[\w.]+)?:|NOTE: |Error caught was: No module named 'triton"
)
_GLOG = re.compile(
    r"[IWEF]\d{4} |\[[IWE]\d* \S+\.cpp:\d+\] |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: "
    r"|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\] "
)
_WARNING_CHARS = 400
_UNREAD_LINES, _UNREAD_CHARS = 3, 200


class ConsoleParser:
    """Parses the bytes of a console log into events.

    The events are the same however the bytes are split. A bar is reported at its closing bracket, a line at
    its end, a log record as soon as it can no longer change. Memory stays bounded; nothing raises.
    `unknown_lines` of the `lines` read as text (no bars, nothing blank) are unknown: a measure of how far the
    trainer's format has changed, or of how little of this log it is. `launches`: the log may contain several
    launches without our marker lines, such as a nohup.out; an `AttemptSeen` marks each new one. `flat`: its
    lines have lost their indents. `vocabulary`: the trainer's sentences; the built-in trainer and kohya's
    others print the same as sd-scripts.
    """

    _vocabulary = VOCABULARY  # of the class: no part of a parser's state

    def __init__(
        self, *, launches: bool = False, flat: bool = False, vocabulary: Vocabulary = VOCABULARY
    ) -> None:
        self._flat = flat
        if vocabulary is not VOCABULARY:
            self._vocabulary = vocabulary
        self.lines = self.unknown_lines = 0
        self._launches = LaunchWatch() if launches else None
        self._stream = TokenStream()
        self._faults = FaultReader()
        self._dataset = DatasetReader()
        self._record: Record | None = None  # the newest record, while lines may continue it
        self._reading = False  # has there been text since the last bar?
        self._told = True  # has the newest record been turned into events?
        self._phase: Phase | None = None
        self._detail = ""
        self._shown: tuple[int, float | None] | None = None
        self._validated: set[bool] = set()  # kinds of validation whose bar has been complete
        self._begun = b""  # a bar whose end is on a later line
        self._label = ""  # the last sentence: what a bar without a title is about
        self._noise = False  # indented lines belong to a Python warning
        self._after_fault = False  # lines below an exception belong to its message
        # unknown lines, with their ends, since the last known one
        self._unread: deque[tuple[int, str]] = deque(maxlen=_UNREAD_LINES)
        self._events: list[ConsoleEvent] = []

    def feed(self, data: bytes) -> list[ConsoleEvent]:
        """More bytes of the console; the events that they complete."""
        events = self._events = []
        for token in self._stream.feed(data):
            if isinstance(token, Bar):
                self._begun = b""
                self._bar(token)
            else:
                self._text(token)
        if self._launches is not None:
            self._launches.note(events)
        return events

    def finish(self) -> list[ConsoleEvent]:
        """End of input: emit what was held back."""
        events = self._events = []
        for token in self._stream.finish():
            self._text(token)
        self._end_record()
        self._faults.finish(events)
        self._tell_unread()
        return events

    # ------------------------------------------------------------------ bars

    def _step(self, shown: StepShown) -> None:
        self._interrupt()
        state = (shown.shown_step, shown.average)
        if state != self._shown:  # else the last bar of a dying trainer, drawn again
            self._unread.clear()
        if self._phase is not Phase.TRAINING:
            # tqdm's monitor thread may redraw the same state in the middle of a save
            same = self._phase in LOOP and state == self._shown
            if not same:
                self._enter(Phase.TRAINING, "", shown.offset)
        self._shown = state
        self._events.append(shown)

    def _bar(self, bar: Bar) -> None:
        if bar.title == b"steps":
            self._step(bar.step)
            return
        self._interrupt()
        if bar.title in (b"validation steps", b"epoch validation steps"):
            self._validate(bar)
            return
        done = bar.percent
        if done is None or self._phase in (None, Phase.TRAINING, Phase.SAVING, Phase.FINISHED):
            return
        label = bar.title.decode("utf-8", "replace") or english(self._label)[:60].rstrip(" .:/")
        if self._phase in LOOP:
            label = ""  # the sentences before a sample's bar are its prompt and settings
        assert self._phase is not None
        self._enter(self._phase, f"{label} {done // 10 * 10} %".strip(), bar.end)

    def _validate(self, bar: Bar) -> None:
        """Bars of earlier validations are drawn again, complete, whenever a bar is closed."""
        whole_epoch = bar.title.startswith(b"epoch")
        loss = bar.postfix.get("val_epoch_avg_loss" if whole_epoch else "val_avg_loss")
        if bar.done != bar.total:
            if bar.done != b"0" or bar.total == b"1":
                self._validated.discard(whole_epoch)
            self._enter(Phase.VALIDATING, "", bar.end)
        elif loss is not None and whole_epoch not in self._validated:
            self._validated.add(whole_epoch)
            self._events.append(ValidationSeen(bar.end, loss, whole_epoch))

    def _interrupt(self) -> None:
        """A bar ends any text being read."""
        if not self._reading:
            return
        self._reading = False
        self._end_record()
        self._faults.close(self._events)
        self._noise = self._after_fault = False

    # ------------------------------------------------------------------ text

    def _text(self, token: Text) -> None:
        if self._begun:
            rest = self._mend(token)
            if rest is None:
                return
            token = rest
        if token.raw.startswith(b"steps:"):
            if token.broken:
                self._begun = token.raw
            shown = token.step
            if shown is not None:
                self._step(shown)
                return
        self._reading = True
        line = plain_text(token.raw).rstrip()
        if not line or line.isspace():
            return
        self.lines += 1
        if self._phase is None:
            self._enter(Phase.LAUNCHING, "", token.end)
        record = self._record
        if record is not None and record.continues_in(line):
            self._continue_record(line[record.column :], token.end)
        elif (started := record_start(line, token.end)) is not None:
            self._begin_record(started)
            if started.message.strip() and line.endswith(TRACEBACK):
                self._plain(TRACEBACK, token.end)  # another stream began in the middle of the line
        elif self._flat and self._flat_continuation(line):
            self._continue_record(line, token.end)
        else:
            self._plain(line, token.end)

    def _mend(self, token: Text) -> Text | None:
        """The next line after the beginning of a bar: what of it is not part of the bar."""
        begun, self._begun = self._begun, b""
        mended = token.mends(begun)
        if mended is not None:
            bar, rest = mended
            self._step(bar.step)
            return rest if rest.raw else None
        if token.drawn and len(begun) < WINDOW_BYTES:
            self._begun = begun + token.raw
            return None
        return token

    def _begin_record(self, record: Record) -> None:
        self._end_record()
        self._unread.clear()
        self._faults.close(self._events)
        self._look_for_launch(record.message.lstrip(), record.end)
        self._noise = self._after_fault = False
        self._record, self._told = record, False
        self._dataset.inside = False
        if record.whole or self._dataset.heading(record.message):
            self._tell()

    def _flat_continuation(self, line: str) -> bool:
        """Does the line continue a record, in a log whose lines have lost their indents?"""
        if self._told or self._record is None or self._vocabulary.sentence_of(line) is not None:
            return False
        return self._record.overflows_with(line) and not self._faults.begins(line)

    def _continue_record(self, piece: str, end: int) -> None:
        assert self._record is not None
        text = piece.strip()
        if self._dataset.heading(text):
            return
        if self._dataset.inside:
            self._dataset.line(text, end, self._events)
        elif not self._told:
            self._record.add(piece, end)

    def _end_record(self) -> None:
        if not self._told:
            self._tell()
        self._record = None

    def _tell(self) -> None:
        """Turn the newest record into events."""
        self._told = True
        record = self._record
        if record is None or not record.message:
            return
        serious = record.level in ("WARNING", "ERROR", "CRITICAL")
        known = self._say(record.message.lstrip(), record.end, record.level)
        if serious and not known:
            self._warn(record.level, record.message, record.end)

    def _plain(self, line: str, end: int) -> None:
        self._end_record()
        text = line.strip()
        self._look_for_launch(text, end)
        if self._faults.line(line, end, self._events):
            self._tell_unread()
            self._after_fault = True
            return
        marker = _MARKER.match(text)
        if marker is not None:
            self._new_attempt(int(marker[1]), end)
        elif self._dataset.heading(text):
            self._say(text, end, "")
        elif self._dataset.inside and (line[0] == " " or (self._flat and self._dataset.has(text))):
            self._dataset.line(text, end, self._events)
        elif not self._say(text, end, "") and not self._is_noise(line, text):
            self.unknown_lines += 1
            self._unread.append((end, text[:_UNREAD_CHARS]))
        else:
            self._unread.clear()

    def _tell_unread(self) -> None:
        if self._unread:
            lines = tuple(text for _, text in self._unread)
            self._events.append(LinesUnread(self._unread[-1][0], lines))
            self._unread.clear()

    # ------------------------------------------------------------------ sentences

    def _say(self, text: str, end: int, level: str) -> bool:
        """Report a sentence; True if it is known and complete."""
        self._label = text
        sentence = self._vocabulary.sentence_of(text)
        if sentence is None:
            fatal = fatal_word(text, end, in_record=bool(level))
            if fatal is not None:
                self._events.append(fatal)
            return fatal is not None
        if not level and not sentence.start.startswith("["):
            self._dataset.inside = False
        return self._report(sentence, text, end, level)

    def _report(self, sentence: Sentence, text: str, end: int, level: str) -> bool:
        if sentence.phase is not None:
            self._enter(sentence.phase, "", end)
        event = sentence.read(text, end) if sentence.read is not None else None
        if event is not None:
            self._events.append(event)
        if sentence.warns:
            self._warn(level or "WARNING", text, end)
        return sentence.warns or isinstance(event, NothingToTrain | ModelSaved) or not level

    def _warn(self, level: str, text: str, end: int) -> None:
        if level == "INFO" or text.lower().startswith(self._vocabulary.harmless_warnings):
            return
        if _IMAGE_PATH.match(text):
            return  # one of the images that `No caption file found for K images` is about
        self._events.append(WarningSeen(end, level, english(text)[:_WARNING_CHARS]))

    def _is_noise(self, line: str, text: str) -> bool:
        """Known lines without meaning for us."""
        if _PYTHON_WARNING.match(line):
            self._noise = True
            return True
        if self._after_fault or (self._noise and line[0] in " \t}"):
            return True
        self._noise = False
        harmless = text.lower().startswith(self._vocabulary.harmless_starts)
        return harmless or bool(_COUNTED.match(text) or _GLOG.match(text))

    # ------------------------------------------------------------------ phases

    def _enter(self, phase: Phase, detail: str, end: int) -> None:
        if self._phase is Phase.FINISHED:
            return
        if self._phase in LOOP and phase not in LOOP:
            return  # sentences of the start, repeated by samples or by a worker
        if phase is self._phase and detail in ("", self._detail):
            return
        self._phase, self._detail = phase, detail
        self._events.append(PhaseChanged(end, phase, detail))

    def _look_for_launch(self, text: str, end: int) -> None:
        """Does another launch start here?"""
        watch = self._launches
        if watch is None or not watch.is_first_word(text):
            return
        self._faults.close(self._events)
        if watch.begins(text, self._phase, self._events):
            self._new_attempt(watch.attempt + 1, end)

    def _new_attempt(self, attempt: int, end: int) -> None:
        if self._launches is not None:
            self._launches.restart(attempt)
        self._faults = FaultReader()
        self._phase, self._detail, self._shown = None, "", None
        self._events.append(AttemptSeen(end, attempt))
        self._enter(Phase.LAUNCHING, "", end)
