"""Reads what the trainer writes, console.log and event files, into the translator and the guard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runner.analysis.guard import Guard
from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import exact_steps
from runner.ingest.tfevents import ScalarTail
from runner.model.events import ConsoleEvent
from runner.state.translator import Translator
from runner.supervisor.console_file import ConsoleFile
from runner.supervisor.context import AttemptContext
from runner.supervisor.trainer import TrainerProcess
from runner.trainers.registry import program_of_run

READ_BYTES = 1 << 20
#: how long a poll may read: the rest is read by the next one, after a liveness check
CONSOLE_WORK_S = 0.3
#: of 50 ms each: enough for the losses of half a million steps
CATCH_UP_POLLS = 400
#: limit of one search for new event files, and of a silent disk
LOOK_S, LOOK_LIMIT_S = 0.05, 5.0
#: limits of reading exact losses at the end, of processor time (a busy machine must not cost them) and of the
#: clock: a user's folder may contain anything
LAST_LOSSES_S, LAST_LOSSES_WALL_S = 60.0, 900.0
#: event files older than the trainer's start belong to another training; clocks may differ by that
CLOCKS_S = 1.0


@dataclass(slots=True, eq=False)
class Ingest:
    """`doing`: the current slow task, as text. `flush` is called whenever the translator may have something to
    write."""

    context: AttemptContext
    trainer: TrainerProcess
    translator: Translator
    guard: Guard
    flush: Callable[[], None]
    parser: ConsoleParser = field(init=False)
    console: ConsoleFile = field(init=False)
    doing: str = field(default="", init=False)
    _begin: int = field(default=0, init=False)
    _tail: ScalarTail | None = field(default=None, init=False)
    _losses_read_at: float = field(default=0.0, init=False)
    _cut: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self.console = ConsoleFile(self.context)
        self.parser = ConsoleParser(vocabulary=program_of_run(self.context.spec).vocabulary)

    # ----------------------------------------------------------------- console

    def begin(self, offset: int) -> None:
        """`offset`: where this attempt starts in console.log."""
        self.console.begin(offset)
        self._begin = self.console.offset

    async def read_console(self) -> None:
        """Read new trainer output, for a bounded time."""
        until = time.monotonic() + CONSOLE_WORK_S
        while await self.read_block() and time.monotonic() < until:
            await asyncio.sleep(0)
        losses = self._losses_read_at if self.context.event_folder is not None else None
        self.translator.tick(time.time(), losses)
        self.flush()

    async def read_on(self, what: str) -> None:
        """Read up to the console's current end, yielding after each block. `what`: task shown in the status,
        with progress."""
        console, end = self.console, self.console.size
        while console.offset < end and await self.read_block():
            self.doing = f"{what}: {console.offset / 1e6:.0f} of {end / 1e6:.0f} MB"
            await asyncio.sleep(0)
        self.doing = ""

    async def read_block(self) -> bool:
        """The next block of the console; False if there is none yet."""
        data = self.console.read(READ_BYTES)
        if not data:
            return False
        self.translator.pace.look(time.time())
        self.guard.on_bytes(time.time())
        self._take(self.parser.feed(data))
        self.flush()
        return True

    def _take(self, found: list[ConsoleEvent]) -> None:
        now, state = time.time(), self.translator.state
        for event in found:
            offset = event.offset + self._begin
            self.translator.on_console(replace(event, offset=offset), now)
            self.guard.on_console(event, state.step, state.average, now)

    # ----------------------------------------------------------------- exact losses

    async def read_losses(self) -> bool:
        """Exact losses from the trainer's event files; TensorBoard's x is the shown step. True once
        everything written was read."""
        folder, translator = self.context.event_folder, self.translator
        if folder is None:
            return True
        began_at = time.time()
        started_at = self.trainer.started_at
        if self._tail is None:
            self._tail = await asyncio.to_thread(ScalarTail, folder, started_at or None)
        if self._tail.finder.due:
            # a hung disk must only cost its own losses
            with contextlib.suppress(TimeoutError):
                look = asyncio.to_thread(self._tail.finder.look, LOOK_S)
                await asyncio.wait_for(look, LOOK_LIMIT_S)
        # each poll reads a file in the page cache: short enough for the loop
        found = self._tail.poll(0.05, find=False)
        # the output that maps these losses (how many steps a resume skips) was printed before they were
        # written, but may not be read yet: without it they would get wrong steps
        while found and translator.state.epoch is None and await self.read_block():
            pass
        for one in exact_steps(s for s in found if s.wall_at >= started_at - CLOCKS_S):
            step = translator.on_exact(one.shown_step, one.loss, one.wall_at, one.rate)
            if step is not None and one.loss is not None:
                self.guard.on_exact(step, one.loss)
        if self._tail.ended:
            self._losses_read_at = began_at
        return self._tail.ended

    @property
    def problems(self) -> tuple[str, ...]:
        """Event files that could not be read to their end, as text."""
        return (*(self._tail.problems if self._tail is not None else ()), *self._cut)

    # ----------------------------------------------------------------- beginning and end

    async def catch_up(self) -> None:
        """Read again what a previous supervisor read; nothing is journaled twice."""
        translator = self.translator
        translator.rows.catching_up = True
        await self.read_on("reading the console again")
        for _ in range(CATCH_UP_POLLS):
            if await self.read_losses():
                break
            await asyncio.sleep(0)
        translator.rows.catching_up = False
        translator.pace = type(translator.pace)()

    async def finish_console(self) -> None:
        """The trainer has ended: read to the last byte, including what the parser held back."""
        await self.read_on("reading the console")
        self._take(self.parser.finish())

    async def finish_losses(self) -> None:
        """Read all event files, including one that a short training just created."""
        spent_s, deadline = (
            time.process_time() + LAST_LOSSES_S,
            time.monotonic() + LAST_LOSSES_WALL_S,
        )
        if self._tail is not None:
            self._tail.finder.again()
        while not await self.read_losses():
            if time.process_time() > spent_s or time.monotonic() > deadline:
                self._cut = ("the exact losses were not read to their end",)
                return
            await asyncio.sleep(0)
