"""The trainer's bytes cut into tokens: progress bars and pieces of text, however the bytes arrive.

tqdm writes `\\r` *before* a bar and log lines glue themselves behind it, so neither `\\n` nor `\\r`
ends a bar: its closing `]` does. A token depends only on the bytes, never on how they were split.

tqdm draws no `|bar|` where the width is 0, as in Colab: `steps:  25% 250/1000 [00:45<13:42, ...]`. Where
UTF-8 is read as a two-byte code page, the last block swallows the closing `|`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from runner.model.events import StepShown

#: A line longer than HEAD + TAIL keeps its two ends; SEAM replaces what was left out.
HEAD_BYTES = 32 * 1024
TAIL_BYTES = 32 * 1024
#: No bar is wider: the part of an endless line that must be kept to find a bar.
WINDOW_BYTES = 4096
SEAM = b"\0"

#: `  5%|##   | `, `  5% `, or without the closing `|`
_DRAWN = rb"\d{1,3}%(?:\|[^|\r\n\0]{0,3000}\| *| {1,4}|\|[^|\[\r\n\0]{1,300} )"
_INNER = rb" \[(\d[^\]\r\n\0]{0,400})\]"
_RUN_BAR = (
    rb" *steps: *(?:" + _DRAWN + rb"(\d{1,18})/(\d{1,18})|(\d{1,18})it)" + _INNER
)  # fmt: skip
_TOKEN = re.compile(_RUN_BAR + rb"|[^\r\n]+")
_ANY_BAR = re.compile(
    rb"(?:" + _DRAWN + rb"(\d[\d.]{0,17})[kMGTP]?/(\d[\d.]{0,17})[kMGTP]?"
    rb"|(?<![\w.])(\d[\d.]{0,17})[kMGTP]?it)" + _INNER
)  # fmt: skip

#: A bar that tqdm cut off at the terminal's width: it has the count, but not the postfix.
_CUT_OFF = re.compile(rb" *steps: *" + _DRAWN + rb"(\d{1,18})/(\d{1,18})\b")
_BROKEN_BAR = re.compile(
    rb" *steps: *" + _DRAWN + rb"(\d{1,18})/(\d{1,18}) \[(\d[\w .,:<?=/+-]{0,400})\]"
)
_BLOCKS = re.compile(rb"(?:\xe2\x96[\x80-\x9f]|[# |?]){1,1000}")
_BROKEN_BYTES = 1000


class Bar(NamedTuple):
    """One state of a progress bar. `total` is None in the overflow form `steps: 690it [...]`;
    `inner` is the text between the brackets: times, rate, postfix."""

    end: int
    title: bytes
    done: bytes
    total: bytes | None
    inner: bytes

    @property
    def postfix(self) -> dict[str, float]:
        """The numbers behind times and rate: `00:12<03:40, 1.01it/s, avr_loss=0.123` -> avr_loss. The times
        are not read: since v0.10 elapsed, ETA and rate are reset every step."""
        values: dict[str, float] = {}
        for part in self.inner.split(b", ")[2:]:
            name, _, value = part.partition(b"=")
            try:  # of each bar: `suppress` would cost a tenth of its reading
                values[name.decode("utf-8", "replace")] = float(value)
            except ValueError:
                continue
        return values

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100; None without a total."""
        try:
            total = float(self.total or 0)
            return min(100, int(100 * float(self.done) / total)) if total else None
        except ValueError:
            return None

    @property
    def step(self) -> StepShown:
        """Of the bar `steps`. The running average is `avr_loss`; up to v0.7.0, and in
        train_textual_inversion still, it is called `loss`."""
        values = self.postfix
        average = values.get("avr_loss", values.get("loss"))
        total = int(self.total) if self.total is not None else None
        return StepShown(self.end, int(self.done), total, average, values)


class Text(NamedTuple):
    """A line, or the part of one beside a bar, without its end. `end`: the byte just after it."""

    end: int
    raw: bytes

    @property
    def step(self) -> StepShown | None:
        """Of a bar without its end, as `TQDM_NCOLS` or a narrow terminal leave it."""
        match = _CUT_OFF.match(self.raw)
        return StepShown(self.end, int(match[1]), int(match[2]), None) if match else None

    @property
    def broken(self) -> bool:
        """Does a bar begin here that has no end?"""
        return (
            self.raw.startswith(b"steps:") and b"%" in self.raw and len(self.raw) <= _BROKEN_BYTES
        )

    def mends(self, begun: bytes) -> tuple[Bar, Text] | None:
        """A bar that a notebook or a terminal broke over lines, with the text behind it. `begun`: the lines
        before this one."""
        for glue in (b"", b" "):
            match = _BROKEN_BAR.match(begun + glue + self.raw)
            if match is not None:
                rest = (begun + glue + self.raw)[match.end() :]
                inner = match[3].replace(b", ", b",").replace(b",", b", ")
                bar = Bar(self.end - len(rest), b"steps", match[1], match[2], inner)
                return bar, Text(self.end, rest)
        return None

    @property
    def drawn(self) -> bool:
        """Nothing but the blocks of a bar?"""
        return _BLOCKS.fullmatch(self.raw) is not None


class TokenStream:
    """Bytes in, tokens out; at most about 140 KiB are held between two calls."""

    def __init__(self) -> None:
        self._head = b""  # the beginning of an endless line, once its middle was left out
        self._pending = b""
        self._pending_at = 0  # absolute offset of _pending[0]

    def feed(self, data: bytes) -> Iterator[Bar | Text]:
        """Tokens that are complete with these bytes. Exhaust the iterator before the next call."""
        buffer = self._pending + data
        if b"]" not in data and b"\n" not in data and b"\r" not in data:
            self._hold(buffer)
            return
        base, size, rest = self._pending_at, len(buffer), len(buffer)
        for match in _TOKEN.finditer(buffer):
            count, total, overflow, inner = match.groups()
            stop = match.end()
            if inner is not None:
                yield Bar(base + stop, b"steps", count or overflow, total, inner)
                continue
            segment, used = match.group(), 0
            if b"%" in segment or b"it [" in segment:
                tokens, used = _bars_within(segment, base + match.start())
                for token in tokens:
                    yield token if isinstance(token, Bar) else self._text(token.raw, token.end)
            if stop == size:
                rest = match.start() + used
            elif used < len(segment):
                yield self._text(segment[used:], base + stop)
        self._pending_at = base + rest
        self._hold(buffer[rest:])

    def finish(self) -> Iterator[Text]:
        """The last line, if it never got an end."""
        if self._pending:
            pending, self._pending = self._pending, b""
            self._pending_at += len(pending)
            yield self._text(pending, self._pending_at)

    def _hold(self, pending: bytes) -> None:
        if len(pending) > HEAD_BYTES + TAIL_BYTES + 2 * WINDOW_BYTES:
            self._head = self._head or pending[:HEAD_BYTES]
            self._pending_at += len(pending) - TAIL_BYTES - WINDOW_BYTES
            pending = pending[-TAIL_BYTES - WINDOW_BYTES :]
        self._pending = pending

    def _text(self, raw: bytes, end: int) -> Text:
        if self._head:
            raw, self._head = self._head + SEAM + raw[-TAIL_BYTES:], b""
        elif len(raw) > HEAD_BYTES + TAIL_BYTES:
            raw = raw[:HEAD_BYTES] + SEAM + raw[-TAIL_BYTES:]
        return Text(end, raw)


def _bars_within(segment: bytes, start: int) -> tuple[list[Bar | Text], int]:
    """The bars inside one piece of text with the text before each, and how much of it they use.
    `start`: absolute offset of segment[0]."""
    tokens: list[Bar | Text] = []
    used = 0
    for match in _ANY_BAR.finditer(segment):
        before, title = _titled(segment[used : match.start()])
        if before:
            tokens.append(Text(start + used + len(before), before))
        used = match.end()
        count, total, overflow, inner = match.groups()
        done = count or overflow
        if title == b"steps" and not (done + (total or b"")).isdigit():
            title = b""  # a number like 1.5k: another program's bar
        tokens.append(Bar(start + used, title, done, total, inner))
    return tokens, used


def _titled(text: bytes) -> tuple[bytes, bytes]:
    """Text before a bar -> (what is not part of the bar, the bar's title without its colon)."""
    stripped = text.rstrip()
    if not stripped.endswith(b":"):
        return (text if stripped else b""), b""
    for title in (b"epoch validation steps", b"validation steps", b"steps"):
        if stripped.endswith(title + b":"):
            before = stripped[: -len(title) - 1]
            return (before if before.strip() else b""), title
    return b"", stripped[:-1].strip()
