"""The threads that ask other machines for their runs, one each: a host that does not answer delays no other.

Nothing of it is on the way to the first frame. A host is asked again INTERVAL_S after its answer, and only
while a list of runs is in front.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from tui.asking import sentence_of

if TYPE_CHECKING:
    from runner.hosts.runs import HostRuns
    from runner.hosts.settings import Host
    from tui.backend.door import Backend

INTERVAL_S = 10.0
#: and it is left alone so many times as long as its answer took: a busy machine, or one of thousands of runs
REST_TIMES = 10.0


class HostsAnswered(Message, bubble=False):
    """`HostFeed.states()` has changed."""


class HostFeed:
    """`start`, `watch`, `states` and `stop` may be called from the screen's loop; they never block."""

    def __init__(
        self, post: Callable[[Message], object], backend: Backend, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._post, self._backend, self._interval_s = post, backend, interval_s
        self._lock = threading.Lock()
        self._states: dict[str, HostRuns] = {}
        self._stopped, self._watched = threading.Event(), threading.Event()
        #: why config.toml cannot be used
        self.problem = ""

    def start(self) -> None:
        self._watched.set()
        threading.Thread(target=self._begin, name="hosts", daemon=True).start()

    def watch(self, wanted: bool) -> None:
        """Is a list of runs in front?"""
        if wanted:
            self._watched.set()
        else:
            self._watched.clear()

    def stop(self) -> None:
        """An ssh that is still running is ended by its thread, within a tenth of a second."""
        self._stopped.set()
        self._watched.set()

    def states(self) -> tuple[HostRuns, ...]:
        """In the order of config.toml."""
        with self._lock:
            return tuple(self._states.values())

    # ----------------------------------------------------------------- the threads

    def _begin(self) -> None:
        try:
            hosts = self._backend.hosts()
            known = [self._backend.remembered(host.name) for host in hosts]
        except Exception as error:  # border: a problem of config.toml is a sentence
            self.problem = sentence_of(error)
            self._post(HostsAnswered())
            return
        with self._lock:
            self._states = {one.host: one for one in known}
        if known and not self._stopped.is_set():
            self._post(HostsAnswered())
        for host in hosts:
            threading.Thread(
                target=self._run, args=(host,), name=f"host {host.name}", daemon=True
            ).start()

    def _run(self, host: Host) -> None:
        while not self._stopped.is_set():
            before, began = self._states[host.name], time.monotonic()
            try:
                found = self._backend.ask_host(host, before, self._stopped)
            except Exception as error:  # border: whatever a host answers must not end the screen
                found = replace(before, problem=sentence_of(error))
            if self._stopped.is_set():
                return
            with self._lock:
                self._states[host.name] = found
            self._post(HostsAnswered())
            rest_s = REST_TIMES * (time.monotonic() - began) if not found.problem else 0.0
            self._stopped.wait(max(self._interval_s, rest_s))
            self._watched.wait()
