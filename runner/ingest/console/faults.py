"""Tracebacks and other last lines of a process, from lines of text."""

from __future__ import annotations

import re

from runner.model.events import ConsoleEvent, ExceptionSeen, FatalSeen

MESSAGE_CHARS = 4000
_FRAMES_KEPT = 64
_LINES_KEPT = 40

_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r"\s+(?:\| )?File \".*\", line \d+(?:, in (\S+))?")
_BOX_FRAME = re.compile(r"[│|?] .*:\d+ in (\w+|<\w+>)")
#: A box's upper edge; without the characters for it rich draws it with `-`, a wrong code page with `?`.
_BOX = re.compile(r"[^\w\s]{3} ?Traceback \(most recent call last\)")
_NAME = r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*"
_RAISED = re.compile(rf"({_NAME})(?:: ?(.*))?$", re.DOTALL)
#: Without a traceback above it only a name that cannot be anything else counts.
_RAISED_ALONE = re.compile(
    r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid)): (.*)$", re.DOTALL
)
_FATAL = re.compile(
    r".*can't open file '.*': \[Errno 2\]"
    r"|\S*[Pp]ython[\w.]*: (?:No module named |Error while finding module |can't )"
    r"|\S+\.py: error: "
    r"|[\w.-]+: error: (?:unrecognized|argument |the following|ambiguous)"
    r"|[Aa]ccelerate(?: \S+)*: error: "
    r"|.*: (?:line )?\d+:? +\d+ (?:Killed|Terminated|Segmentation fault|Bus error|Aborted)\b"
    r"|(?:Killed|Terminated|Segmentation fault|Bus error|Aborted|Illegal instruction)"
    r"(?:: \d+)?(?: \(core dumped\))?$"
    r"|Fatal Python error: "
    r"|terminate called after throwing |what\(\): |libc\+\+abi: |LLVM ERROR: "
    r"|.*: failed assertion "
    r"|.*(?:oom-kill event|oom_kill event)"
    r"|.*CUDA Setup failed despite "
    r"|.*: command not found$|.*: No such file or directory$"
)
#: Records of level INFO after which sd-scripts exits.
_LEAVING = re.compile(r".*\.toml not found\.$|Config file already exists\. Aborting")


def fatal_word(text: str, end: int, *, in_record: bool) -> FatalSeen | None:
    """What ends a process without a traceback: a log record after which the trainer exits, or a line outside
    of them."""
    if _LEAVING.match(text) or (not in_record and _FATAL.match(text)):
        return FatalSeen(end, text[:MESSAGE_CHARS])
    return None


class FaultReader:
    """Follows tracebacks line by line: plain ones, rich's boxes, several in a chain.

    An exception with a multi-line message (its first line ends in a colon, as in torch and the launcher) is
    held back until its last line is known."""

    def __init__(self) -> None:
        self._in_traceback = False
        self._ignored = False
        self._frames: list[str] = []
        self._strangers = 0
        self._box_width = 0
        self._held: ExceptionSeen | None = None
        self._held_lines = 0
        self._last_length = 0  # of the newest line of its message, as printed

    def line(self, text: str, end: int, events: list[ConsoleEvent]) -> bool:
        """Read one line; True when it belongs to a traceback or to an exception's message."""
        if self._held is not None and self._goes_on(text, end, events):
            return True
        if _TRACEBACK in text and (text.endswith(_TRACEBACK + ":") or _BOX.search(text)):
            self._begin(text)
            return True
        if text.startswith("Exception ignored in"):
            self._ignored = True
            return True
        if text.startswith(("During handling of the above", "The above exception was the direct")):
            return True
        if self._in_traceback:
            return self._in_frames(text, end, events)
        alone = _RAISED_ALONE.match(text)
        if alone is not None:
            self._raised(text, alone[1], alone[2], end, events)
        return alone is not None

    def close(self, events: list[ConsoleEvent]) -> None:
        """Emit what was held back: nothing more belongs to it."""
        if self._held is not None:
            events.append(self._held)
            self._held = None

    def _begin(self, text: str) -> None:
        self._in_traceback, self._strangers = True, 0
        self._frames = []
        self._box_width = len(text) if _BOX.search(text) else 0

    def _in_frames(self, text: str, end: int, events: list[ConsoleEvent]) -> bool:
        frame = _FRAME.match(text) or _BOX_FRAME.match(text)
        if frame is not None:
            self._frames = [*self._frames[1 - _FRAMES_KEPT :], frame[1] or ""]
            return True
        if text[0] in " \t│╭╰─┌└|+?":
            return True
        raised = _RAISED.match(text)
        if raised is not None:
            self._in_traceback = False
            self._raised(text, raised[1], raised[2] or "", end, events)
            return True
        self._strangers += 1  # another process wrote between the frames
        if self._strangers > 5:
            self._in_traceback = False
        return False

    def _raised(
        self, text: str, name: str, message: str, end: int, events: list[ConsoleEvent]
    ) -> None:
        frames, self._frames = tuple(self._frames), []
        if self._ignored:
            self._ignored = False
            return
        seen = ExceptionSeen(end, name, _shortened(message.strip()), frames)
        # `AssertionError` alone is complete, `RuntimeError:` has its message below
        unfinished = text.endswith(":") or name.endswith("ChildFailedError")
        if unfinished or self._box_width:
            self._held, self._held_lines, self._last_length = seen, 0, len(text)
        else:
            events.append(seen)

    def _goes_on(self, text: str, end: int, events: list[ConsoleEvent]) -> bool:
        held = self._held
        assert held is not None
        self._held_lines += 1
        if self._belongs(held, text) and self._held_lines <= 10 * _LINES_KEPT:
            if self._held_lines <= _LINES_KEPT:
                message = _shortened(f"{held.message}\n{text.strip()}")
                self._held = ExceptionSeen(end, held.name, message, held.frames)
            self._last_length = len(text)
            return True
        self._box_width = 0
        self.close(events)
        return False

    def _belongs(self, held: ExceptionSeen, text: str) -> bool:
        if held.name.endswith("ChildFailedError"):
            return held.message.count("\n=====") < 2 and not text.startswith("Traceback")
        if text[0] in " \t":
            return True
        if self._box_width:  # rich wraps the message too, without an indent
            return self._last_length + 1 + len(text.split(" ", 1)[0]) > self._box_width
        # transformers: the reason is below, at the margin
        return self._held_lines == 1 and held.message.endswith("look up to see its traceback):")


def _shortened(message: str) -> str:
    """Both ends of an endless message (a launcher's command line is one)."""
    if len(message) <= MESSAGE_CHARS:
        return message
    half = MESSAGE_CHARS // 2
    return f"{message[:half]} ... {message[-half:]}"
