"""`show` and `log`: one run."""

from __future__ import annotations

import argparse
import codecs
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from runner.config.hiding import hidden_command, scrubbed
from runner.files.regular_file import open_regular
from runner.history.report import show_json
from runner.history.review.gather import review_of, secrets_of
from runner.history.review.model import Review
from runner.history.summary import summary_text
from runner.model import OVER, RunSnapshot, RunState
from runner.store.labels import read_label
from runner.store.reader import RunReader
from tui.cli.common import find_run, print_json, write
from tui.cli.exits import NO, NOT_FOUND, OK, Fail
from tui.cli.show_review import epoch_cells, plot_text, point_lines, table
from tui.cli.show_text import HEADS, checkpoint_cells, show_lines
from tui.text import clean


def show(options: argparse.Namespace) -> int:
    """Everything known about one run."""
    path = find_run(options.run)
    if options.markdown:
        sys.stdout.write(summary_text(path))
        return OK
    snapshot = _settled(path)
    if snapshot.newer:
        if options.json:
            print_json(_without_secrets(snapshot))
        else:
            write(*show_lines(snapshot))
        return NO
    review = review_of(path, dataset=False)
    if options.json:
        group = review.snapshot.spec.group if review.snapshot.spec is not None else ""
        print_json(_without_secrets(review.snapshot) | _called(path) | {"group": group})
    else:
        _print(review.snapshot, review)
    return OK


def _called(path: Path) -> dict[str, Any]:
    """The label; its name goes before that of the configuration."""
    label = read_label(path)
    named = {"name": label.name} if label.name else {}
    return {**named, "tags": label.tags, "note": label.note}


def _without_secrets(snapshot: RunSnapshot) -> dict[str, Any]:
    """The output may be copied anywhere."""
    found, spec = show_json(snapshot), snapshot.spec
    if spec is None:
        return found
    found["command"] = list(hidden_command(spec.command))
    return scrubbed(found, secrets_of(Path(snapshot.path), spec))


def _settled(path: Path) -> RunSnapshot:
    """Waits a moment for the verdict on a run whose trainer has just ended."""
    deadline, reader = time.monotonic() + 3.0, RunReader(path, console=False)
    while True:
        snapshot = reader.read_small()
        made = snapshot.spec is not None and bool(snapshot.spec.origin)
        undecided = snapshot.state is RunState.ENDED and snapshot.outcome is None and not made
        if not undecided or time.monotonic() > deadline:
            return snapshot
        time.sleep(0.1)


def _print(snapshot: RunSnapshot, review: Review) -> None:
    """The verdict, then its evidence: points, files, epochs, the loss."""
    lines = show_lines(snapshot, read_label(Path(snapshot.path)))
    write(*(scrubbed(line, review.secrets) for line in lines), "", *point_lines(review))
    if snapshot.status is not None:  # losses over all attempts, as the epochs below have them
        status = replace(snapshot.status, checkpoints=review.checkpoints)
        snapshot = replace(snapshot, status=status)
    files = scrubbed(checkpoint_cells(snapshot), review.secrets)
    for heads, rows in ((HEADS, files), epoch_cells(review)):
        if rows:
            write("", *table(heads, rows))
    if drawing := plot_text(review):
        write("", drawing)


def log(options: argparse.Namespace) -> int:
    """The trainer's bytes as they are, for a pipe; cleaned of control characters on a terminal."""
    path = find_run(options.run)
    console = path / "console.log"
    if not console.exists():
        raise Fail(f"run {path.name} has no console output yet", NOT_FOUND)
    lines = Lines() if sys.stdout.isatty() else None
    with _opened(console) as stream:
        if options.lines is not None:
            _emit(last_lines(stream, options.lines), lines)
        while True:
            if data := stream.read(1 << 16):
                _emit(data, lines)
                continue
            _flush(lines)
            if not options.follow or RunReader(path, console=False).read_small().state in OVER:
                _emit(stream.read(), lines)
                _flush(lines)
                return OK
            time.sleep(0.2)


def _opened(console: Path) -> BinaryIO:
    """Raises Fail: another program may have put anything in its place."""
    try:
        return open_regular(console)
    except OSError as error:
        raise Fail(f"{console} cannot be read: {error.strerror}", NO) from None


#: a longer line counts as several: a log may have gigabytes without a line end
LINE_BYTES = 1 << 20


def last_lines(stream: BinaryIO, count: int) -> bytes:
    """Of a file, read to its end."""
    lines = iter(lambda: stream.readline(LINE_BYTES), b"")
    return b"".join(deque(lines, maxlen=max(0, count)))


#: a longer line is written in pieces, none of which cuts an escape sequence of less than ESCAPE characters
HELD, ESCAPE = 1 << 15, 256


class Lines:
    """Bytes of a console, however they are split, to text that cannot drive the terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """All complete lines; the rest is held back, for an escape sequence or a CR LF may be cut in two. Of an
        endless line only its end."""
        text = self._held + self._decoder.decode(data, final)
        end = len(text) if final else max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
        if len(text) - end > HELD:
            begun = max(text.rfind("\x1b", -ESCAPE), text.rfind("\r", -1))
            end = begun if begun > end else len(text)
        self._held = text[end:]
        lines = text[:end].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return "\n".join(clean(line, len(line)) for line in lines)

    def finish(self) -> str:
        """What was held back."""
        return self.feed(b"", final=True)


def _emit(data: bytes, lines: Lines | None) -> None:
    if lines is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(lines.feed(data))
        sys.stdout.flush()


def _flush(lines: Lines | None) -> None:
    """The trainer may pause in the middle of a line, as after a progress bar."""
    if lines is not None:
        sys.stdout.write(lines.finish())
        sys.stdout.flush()
