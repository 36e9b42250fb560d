"""The one thread that reads a run's files, and hands complete snapshots to the screen.

It looks every 0.1 s whether anything changed (a few stats), reads only then, and never keeps more than
the newest snapshot: a slow screen gets fewer of them, not a queue. The screen's loop is never blocked
by a disk, and a stalled terminal never blocks the reading.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from runner.model import RunSnapshot
from tui.backend.results import Reader
from tui.messages import ReadFailed, SnapshotArrived
from tui.text import clean

LOOK_S = 0.1
#: newest snapshots at most this often (4 Hz)
FASTEST_S = 0.25
#: read even if no file changed: liveness is no file's business
AT_LEAST_S = 1.0
#: when the terminal's window has no focus
BLURRED_LOOK_S = 2.0
LOW_BANDWIDTH_LOOK_S = 2.0
BUDGET_S = 0.05
RETRY_S = 1.0
#: a long run is drawn that much less often while it is read
READING_S = 0.5


class Feed:
    """Watches at most one run at a time. `watch`, `wake`, `set_focus` and `take` may be called from
    the screen's loop; everything else happens in the thread."""

    def __init__(
        self,
        post: Callable[[Message], object],
        open_reader: Callable[[Path], Reader],
        *,
        look_s: float = LOOK_S,
        fastest_s: float = FASTEST_S,
    ) -> None:
        self._post = post
        self._open_reader = open_reader
        self._look_s, self._fastest_s = look_s, fastest_s
        self._blurred = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._path_version = 0
        self._latest: RunSnapshot | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    # ----------------------------------------------------------------- from the screen

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def watch(self, path: Path | None) -> None:
        """Read this run from now on."""
        with self._lock:
            self._path, self._latest = path, None
            self._path_version += 1
        self._wake.set()

    def wake(self) -> None:
        """Look now: something was just ordered."""
        self._wake.set()

    def set_focus(self, focused: bool) -> None:
        self._blurred = not focused
        if focused:
            self._wake.set()

    def take(self) -> RunSnapshot | None:
        """The newest snapshot, once."""
        with self._lock:
            snapshot, self._latest = self._latest, None
            return snapshot

    # ----------------------------------------------------------------- the thread

    def _run(self) -> None:
        reader: Reader | None = None
        version = -1
        read_at = delivered_at = 0.0
        behind = False
        while not self._stopped:
            with self._lock:
                path, wanted = self._path, self._path_version
            if wanted != version:
                reader, version, read_at, behind = None, wanted, 0.0, True
                delivered_at = 0.0
            pause = RETRY_S
            if path is not None:
                try:
                    reader = reader or self._open_reader(path)
                    now = time.monotonic()
                    due = behind or now - read_at >= AT_LEAST_S or reader.changed()
                    if due and (behind or now - read_at >= self._fastest_s):
                        snapshot = reader.read(BUDGET_S)
                        read_at, behind = now, snapshot.read_fraction < 1
                        # drawing every part of a long run would keep its reading waiting
                        if not behind or now - delivered_at >= self._fastest_s + READING_S:
                            self._deliver(snapshot, version)
                            delivered_at = now
                    pause = 0.002 if behind else self._pause(due, now - read_at)
                except Exception as error:  # border: whatever a file holds must not end the screen
                    behind = False
                    self._post(ReadFailed(clean(f"{type(error).__name__}: {error}", 300)))
            self._wait(pause)

    def _pause(self, due: bool, since_s: float) -> float:
        if self._blurred:
            return max(BLURRED_LOOK_S, self._look_s)
        if due and since_s < self._fastest_s:
            return max(0.005, self._fastest_s - since_s)
        return self._look_s

    def _wait(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _deliver(self, snapshot: RunSnapshot, version: int) -> None:
        with self._lock:
            if version != self._path_version or self._stopped:
                return
            announced, self._latest = self._latest is not None, snapshot
        if not announced:
            self._post(SnapshotArrived())
