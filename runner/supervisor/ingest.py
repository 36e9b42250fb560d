"""Reads what the trainer writes, console.log and event files, into the translator and the alarms."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.files.regular_file import open_regular
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import exact_steps
from runner.model.events import ConsoleEvent
from runner.trainers.registry import program_of_run

if TYPE_CHECKING:
    from runner.ingest.tfevents import ScalarTail
    from runner.supervisor.main import Supervisor

READ_BYTES = 1 << 20
#: of 50 ms each: the losses of half a million steps are there by then
CATCH_UP_POLLS = 400
#: so long a look for new event files may take at once, and so long its disk may be silent
LOOK_S, LOOK_LIMIT_S = 0.05, 5.0


class Ingest:
    """`offset`: the byte of console.log up to which everything was taken."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        vocabulary = program_of_run(supervisor.spec).vocabulary
        self.parser = ConsoleParser(vocabulary=vocabulary)
        self.offset = 0
        self._tail: ScalarTail | None = None

    async def catch_up(self) -> None:
        """Read again what a predecessor has read; what it journaled is not journaled twice."""
        s = self._s
        s.translator.rows.catching_up = True
        await self.read_on("reading the console again")
        for _ in range(CATCH_UP_POLLS):
            if await self.read_losses():
                break
            await asyncio.sleep(0)
        s.translator.rows.catching_up = False
        s.translator.pace = type(s.translator.pace)()

    async def read_on(self, what: str) -> None:
        """Read up to what the console's end is now, with a breath after each block. `what`: told in the status,
        with how far it is."""
        end = self._s.run.console.stat().st_size if self._s.run.console.exists() else 0
        while self.offset < end and await self.read_block():
            self._s.evaluating = f"{what}: {self.offset / 1e6:.0f} of {end / 1e6:.0f} MB"
            await asyncio.sleep(0)
        self._s.evaluating = ""

    async def read_block(self) -> bool:
        """The next block of the console; False if there is none yet."""
        try:
            with open_regular(self._s.run.console) as stream:
                stream.seek(self.offset)
                data = stream.read(READ_BYTES)
        except OSError:
            return False
        if not data:
            return False
        self.offset += len(data)
        self._s.translator.pace.look(time.time())
        self._s.alarms.on_bytes(time.time())
        self._take(self.parser.feed(data))
        self._s.flush()
        return True

    def finish(self) -> None:
        """The trainer is gone: what the parser held back."""
        self._take(self.parser.finish())

    def _take(self, found: list[ConsoleEvent]) -> None:
        s, now = self._s, time.time()
        base = s.keeper.console_offset if s.keeper is not None else 0
        for event in found:
            s.translator.on_console(replace(event, offset=event.offset + base), now)
            s.alarms.on_console(event, s.translator.state.step, s.translator.state.average, now)

    async def read_losses(self) -> bool:
        """Exact losses from the trainer's event files; TensorBoard's x is the shown step. True once all
        that has been written was read."""
        s, folder = self._s, self._s.files.event_folder
        if folder is None:
            return True
        if self._tail is None:
            from runner.ingest.tfevents import ScalarTail

            since = s.keeper.started_at if s.keeper is not None else None
            self._tail = await asyncio.to_thread(ScalarTail, folder, since)
        if self._tail.finder.due:
            # a disk that does not answer must cost no more than the losses on it
            with contextlib.suppress(TimeoutError):
                look = asyncio.to_thread(self._tail.finder.look, LOOK_S)
                await asyncio.wait_for(look, LOOK_LIMIT_S)
        # each poll reads a file that the page cache holds: short enough for the loop
        found = self._tail.poll(0.05, find=False)
        # what places these losses (how many steps a resume skips) was printed before they were written, but
        # may not have been read yet: without it they would land at wrong steps
        while found and s.translator.state.epoch is None and await self.read_block():
            pass
        for one in exact_steps(scalar for scalar in found if s.files.is_ours(scalar.wall_at)):
            s.translator.on_exact(one.shown_step, one.loss, one.wall_at, one.rate)
            step = s.translator.state.mapper.true_from_global(one.shown_step)
            if step is None or s.translator.is_past_plan(step):
                continue
            if one.loss is not None:
                s.alarms.on_exact(step, one.loss)
        return self._tail.ended

    @property
    def problems(self) -> tuple[str, ...]:
        """Event files that could not be read to their end, in words."""
        return self._tail.problems if self._tail is not None else ()

    def look_for_event_files(self) -> None:
        """At the end, whatever was looked for a moment ago: a short training may just have made its file."""
        if self._tail is not None:
            self._tail.finder.again()
