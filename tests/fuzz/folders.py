"""Targets: a complete run folder, and its inbox. The bytes are several files in one: `=== name` begins each."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

from runner.history.replay_moment import snapshot_at
from runner.history.replay_recording import Recording
from runner.history.review.gather import review_of
from runner.history.summary import markdown_of
from runner.model import RunSnapshot
from runner.model.refusal import Refusal
from runner.model.units import clock
from runner.state.journaled import Journaled
from runner.store.attempt import attempts_of, has_verdict, newest_attempt
from runner.store.inbox import Order, answer, done, pending
from runner.store.journal import Unreadable, encode_json
from runner.store.listing import listing
from runner.store.norms import read_status
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tests.fuzz.guards import folder, harmless
from tests.fuzz.reading import require
from tui.cli.show_review import epoch_cells, point_lines
from tui.cli.show_text import checkpoint_cells, show_lines

_PART = re.compile(rb"^=== ([\w.-]{1,60})\n", re.M)


def _filled(name: str, data: bytes) -> Path:
    """A folder with the files that the bytes describe."""
    path = folder() / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    _, *parts = _PART.split(data)
    for raw, content in zip(parts[::2], parts[1::2], strict=True):
        if raw.strip(b"."):
            (path / raw.decode()).write_bytes(content.removesuffix(b"\n"))
    return path


def run_folder(data: bytes) -> None:
    """Every reader of a run folder shows the readable part and names the rest."""
    path = _filled("20260101-000000-run-0000", data)
    run = RunDir(path)
    with harmless():
        snapshot = RunReader(path).read_all()
        again = RunReader(path).read_all()
        require(repr(snapshot.loss) == repr(again.loss), "read twice, two losses", snapshot.loss)
        encode_json(listing(path))
        attempts_of(run)
        has_verdict(run)
        with contextlib.suppress(Unreadable):
            newest_attempt(run)
        with contextlib.suppress(Unreadable):
            read_status(run)
        Journaled(run, 1)
        _shown(snapshot)
        with contextlib.suppress(Refusal):  # written by a newer version
            _replayed(path)


def _replayed(path: Path) -> None:
    recording = Recording(path)
    for _ in range(100):
        if recording.build(10) >= 1.0:
            break
    for share in (0.0, 0.5, 1.0):
        snapshot_at(recording, share * recording.timeline.length_s)


def _shown(snapshot: RunSnapshot) -> None:
    """As text: what `show`, the summary and the events panel have of it."""
    list(show_lines(snapshot))
    checkpoint_cells(snapshot)
    for event in snapshot.events:
        clock("%H:%M", event.at)
    with contextlib.suppress(Refusal):  # written by a newer version
        review = review_of(Path(snapshot.path), dataset=False)
        list(point_lines(review))
        list(epoch_cells(review))
        markdown_of(review, plot=False)


def inbox(data: bytes) -> None:
    """Each file is an order or moved aside; none keeps a good one from being read and answered."""
    path = _filled("inbox-run", b"")
    run = RunDir(path)
    _filled("inbox-run/inbox", data)
    good = Order("00c0ffee", "stop", time.time(), "user", attempt=1)
    (run.inbox / "9-00c0ffee.json").write_bytes(encode_json(good))
    before = {one.name for one in run.inbox.iterdir()}
    with harmless():
        found = dict(pending(run))
        require("9-00c0ffee.json" in found, "the good order is not read", found)
        aside = run.inbox / "unreadable"
        moved = {one.name for one in aside.iterdir()} if aside.is_dir() else set[str]()
        for name in before:
            wanted = name.endswith(".json") and name[0].isdigit()
            require(
                not wanted or (name in found) != (name in moved), "neither read nor moved", name
            )
        for name, order in found.items():
            answer(run, name, order, "done")
        require(not pending(run), "an answered order waits again")
        require(len(done(run)) == len(found), "an answer is lost", found)
