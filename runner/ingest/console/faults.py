"""Tracebacks and other last lines of a process, from lines of text."""

from __future__ import annotations

import re

from runner.model.events import ConsoleEvent, ExceptionSeen, FatalSeen
from runner.model.signals import LAST_WORD

MESSAGE_CHARS = 4000
_FRAMES_KEPT = 64
_LINES_KEPT = 40
_PATH_CHARS = 200
_SOURCE_CHARS = 200
#: lines of other processes between the lines of a traceback; rich's boxes break up when a terminal wraps them
_STRANGERS, _BOX_STRANGERS = 5, 40

TRACEBACK = "Traceback (most recent call last):"
CUT_TRACEBACK = "the output ends within a traceback,"
_TRACEBACK = TRACEBACK[:-1]
_FRAME = re.compile(r"\s*(?:\| )?File \"(.*)\", line \d+(?:, in ?(\S+)?)?")
#: of a syntax error in the script itself, without a traceback
_SYNTAX_FRAME = re.compile(r"\s*File \".*\.py\", line \d+$")
#: the lines below `Error(s) in loading state_dict for X:`, where they have lost their indent
_STATE_DICT = (
    "size mismatch for ",
    "Unexpected key(s) in ",
    "Missing key(s) in ",
    "While copying ",
)
_BOX_FRAME = re.compile(r"(.*):\d+ in (\w+|<\w+>)")
_BOX_EDGES = "│|?┃"
_BOX_CODE = re.compile(rf"(?:[❱>?] +)?\d+ [{_BOX_EDGES}]")
#: A box's upper edge; without the characters for it rich draws it with `-`, a wrong code page with `?`.
_BOX = re.compile(r"[^\w\s]{3} ?Traceback \(most recent call last\)")
_NAME = r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*"
_RAISED = re.compile(rf"({_NAME})(?:: ?(.*))?$", re.DOTALL)
_LIKE_AN_ERROR = re.compile(r"\w+\.|\w*(?:Error|Exception|Interrupt|Invalid|Exit)$")
#: Without a traceback above it only a name that cannot be anything else counts.
_RAISED_ALONE = re.compile(
    r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid)): (.*)$|(MemoryError)$",
    re.DOTALL,
)
#: What a last line without a traceback begins with ...
_FATAL = re.compile(
    r"\S*[Pp]ython[\w.]*: (?:No module named |Error while finding module |can't )"
    r"|\S+\.py: error: "
    r"|[\w.-]+: error: (?:unrecognized|argument |the following|ambiguous)"
    r"|[Aa]ccelerate(?: \S+)*: error: "
    rf"|{LAST_WORD}|Fatal Python error: "
    r"|terminate called after throwing |what\(\): |libc\+\+abi: |LLVM ERROR: "
    # job managers: Slurm, PBS, LSF
    r"|slurmstepd: error: \*\*\* (?:JOB|STEP) .*CANCELLED AT|=>> PBS: job killed|TERM_RUNLIMIT: "
    r"|srun: error: \S+: tasks? \S+: Out Of Memory"
    # a shell or Windows that cannot start the launcher
    r"|(?:\S*/)?(?:sh|dash|bash|zsh): (?:line )?(?:\d+: )?\S+: (?:not found|Permission denied)$"
    r"|(?:\S*/)?\w*sh: (?:command not found|Unknown command): \S+$|Python was not found; "
    r"|(?:[\w.-]{1,80} : The term )?'[\w.-]{1,80}' is not recognized as (?:an internal|the name)"
    r"|Fatal error in launcher: |No Python at '"
    r"|did not find executable at '"
    # native code that prints one line and ends the process: xformers, bitsandbytes, cuDNN, OpenMP, MKL, Rust
    r"|CUDA error \([^()]+:\d+\): |Error .{3,200} at line \d+ in file .*\.\w+$"
    r"|Could not load library lib\w+|Could not locate \w+\.dll|Unable to load any of \{lib"
    r"|Invalid handle\. Cannot load symbol |rocBLAS error: "
    r"|OMP: Error #\d|Intel (?:one)?MKL (?:FATAL )?ERROR"
    r"|double free or corruption|munmap_chunk\(\)|malloc\w*\(\)|free\(\)|realloc\(\)|corrupted (?:size|double)"
    r"|\*\*\* stack smashing detected"
    r"|thread '.{0,60}' panicked at |memory allocation of \d+ bytes failed"
)
#: ... has within ...
_FATAL_WITHIN = (
    *("can't open file '", ": failed assertion ", "oom-kill event", "oom_kill event"),
    *("CUDA Setup failed despite ", "Unable to create process using ", ": bad interpreter: "),
    "error while loading shared libraries: ",
)
#: ... or ends with.
_FATAL_END = (": command not found", ": No such file or directory")
#: Records of level INFO after which sd-scripts exits.
_LEAVING = re.compile(r".*\.toml not found\.$|Config file already exists\. Aborting")
#: What starts the trainer reports its end without a traceback: LoRA_Easy_Training_Scripts, fluxgym,
#: lora-scripts, a window around musubi-tuner.
_LAUNCHER_SAID = re.compile(
    r"Command '.*' (?:returned non-zero (?P<status>exit status -?\d+)|(?P<died>died with \S+( \d+)?))"
    r"|Command exited with code (?P<code>-?[1-9]\d*)|Training failed(?: /|$)"
    r"|(?:-+ )?training process finished with errors or non-zero exit code \((?P<musubi>-?\d+)\)",
    re.DOTALL,
)
LAUNCHER = "CalledProcessError"


def fatal_word(text: str, end: int, *, in_record: bool) -> FatalSeen | ExceptionSeen | None:
    """What ends a process without a traceback: a log record after which the trainer exits, a line outside of
    them, or a launcher's report of its child, as the exception that others raise for it."""
    said = _LAUNCHER_SAID.match(text)
    if said is not None:
        code = said["code"] or said["musubi"]
        words = said["status"] or said["died"] or (f"exit status {code}" if code else text)
        return ExceptionSeen(end, LAUNCHER, f"{words}.")
    if _LEAVING.match(text) or (not in_record and _is_fatal(text)):
        return FatalSeen(end, text[:MESSAGE_CHARS])
    return None


def _is_fatal(text: str) -> bool:
    if text.endswith(_FATAL_END) or any(word in text for word in _FATAL_WITHIN):
        return True
    return _FATAL.match(text) is not None


class FaultReader:
    """Follows tracebacks line by line: plain ones, also without their indentation, rich's boxes, several in a
    chain.

    An exception with a multi-line message (its first line ends in a colon, as in torch and the launcher) is
    held back until its last line is known."""

    def __init__(self) -> None:
        self._in_traceback = False
        self._ignored = False
        self._frames: list[str] = []
        self._strangers = 0
        self._box_width = 0
        self._box_text = ""  # a path that rich wrapped, so far
        self._cut = False  # did its last piece fill the box?
        self._code = False  # the line of code of an unindented frame is next
        self._source = ""  # the newest line of code
        self._held: ExceptionSeen | None = None
        self._held_lines = 0
        self._last_length = 0  # of the newest line of its message, as printed
        self._end = 0

    @staticmethod
    def begins(text: str) -> bool:
        """Does the line begin a traceback, or is it an exception without one?"""
        return _TRACEBACK in text or _RAISED_ALONE.match(text) is not None

    def line(self, text: str, end: int, events: list[ConsoleEvent]) -> bool:
        """Read one line; True when it belongs to a traceback or to an exception's message."""
        self._end = end
        if self._held is not None and self._goes_on(text, end, events):
            return True
        if _TRACEBACK in text and (text.endswith(TRACEBACK) or _BOX.search(text)):
            self._begin(text)
            return True
        if text.startswith("Exception ignored in"):
            self._ignored = True
            return True
        if text.startswith(("During handling of the above", "The above exception was the direct")):
            return True
        if not self._in_traceback and _SYNTAX_FRAME.match(text):
            self._begin(text)
        if self._in_traceback:
            return self._in_frames(text, end, events)
        alone = _RAISED_ALONE.match(text)
        if alone is not None:
            self._raised(text, alone[1] or alone[3], alone[2] or "", end, events)
        return alone is not None

    def close(self, events: list[ConsoleEvent]) -> None:
        """Emit what was held back: nothing more belongs to it."""
        if self._held is not None:
            events.append(self._held)
            self._held = None

    def finish(self, events: list[ConsoleEvent]) -> None:
        """End of the output. A full disk, or the end of a machine, may have cut a traceback."""
        self.close(events)
        if self._in_traceback and self._frames and not self._ignored:
            events.append(FatalSeen(self._end, f"{CUT_TRACEBACK} at {self._frames[-1]}"))

    def _begin(self, text: str) -> None:
        self._in_traceback, self._strangers, self._code = True, 0, False
        self._frames, self._source, self._box_text = [], "", ""
        self._box_width = len(text) if _BOX.search(text) else 0

    def _in_frames(self, text: str, end: int, events: list[ConsoleEvent]) -> bool:
        frame = _FRAME.match(text)
        if frame is not None:
            self._through(frame[1], frame[2] or "")
            self._code = text[0] == "F"
            return True
        if self._box_width and text[0] in _BOX_EDGES:
            self._in_box(text)
            return True
        if text[0] in " \t│╭╰─┌└|+?":
            self._source = text.strip(" ^~\t")[:_SOURCE_CHARS] or self._source
            return True
        raised = _RAISED.match(text)
        if self._code and not (raised and _LIKE_AN_ERROR.match(raised[1])):
            self._code, self._source = False, text[:_SOURCE_CHARS]
            return True
        if raised is not None:
            self._in_traceback = False
            self._raised(text, raised[1], raised[2] or "", end, events)
            return True
        if not text.strip("^~ "):
            return True
        self._strangers += 1  # another process wrote between the frames
        if self._strangers > (_BOX_STRANGERS if self._box_width else _STRANGERS):
            self._in_traceback = False
        return False

    def _through(self, path: str, function: str) -> None:
        path = path.replace("\\", "/")[-_PATH_CHARS:]
        self._frames = [*self._frames[1 - _FRAMES_KEPT :], f"{path}:{function}"]
        self._strangers, self._source = 0, ""

    def _in_box(self, text: str) -> None:
        """A row of rich's box: code, or a piece of `path:line in function`."""
        row = text.rstrip()
        row = row[1:-1] if len(row) > 1 and row[-1] in _BOX_EDGES else row[1:]
        row, full = row.strip(), len(row.strip()) >= self._box_width - 4
        if not row or _BOX_CODE.match(row):
            self._box_text = ""
            return
        joint = "" if self._cut or not self._box_text else " "
        self._box_text, self._cut = f"{self._box_text}{joint}{row}"[-MESSAGE_CHARS:], full
        frame = _BOX_FRAME.fullmatch(self._box_text)
        if frame is not None:
            self._through(frame[1], frame[2])
            self._box_text = ""

    def _raised(
        self, text: str, name: str, message: str, end: int, events: list[ConsoleEvent]
    ) -> None:
        frames, self._frames = tuple(self._frames), []
        if self._ignored:
            self._ignored = False
            return
        if name in ("SyntaxError", "IndentationError") and self._source:
            message = f"{message.strip()}: {self._source}"
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
        if text[0] in " \t" or text.startswith(_STATE_DICT):
            return True
        if self._box_width:  # rich wraps the message too, without an indent
            return self._last_length + 1 + len(text.split(" ", 1)[0]) > self._box_width
        # transformers, numpy: the reason is below, at the margin
        below = not held.message or held.message.endswith("look up to see its traceback):")
        return self._held_lines == 1 and below


def _shortened(message: str) -> str:
    """Both ends of an endless message (a launcher's command line is one)."""
    if len(message) <= MESSAGE_CHARS:
        return message
    half = MESSAGE_CHARS // 2
    return f"{message[:half]} ... {message[-half:]}"
