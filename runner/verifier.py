"""Looks at every checkpoint the trainer announces, as soon as it can be whole, and keeps an eye on it.

The look itself is a niced process of its own (the module `runner.checkpoints`): reading hundreds of
megabytes must neither cost the supervisor memory nor slow the trainer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec

from runner.checkpoint_facts import (
    compared,
    looked_at,
    sample_files,
    samples_by_step,
    with_fate,
    without_future,
)
from runner.checkpoints import Verification
from runner.composition import all_checkpoints
from runner.filewatch import FileWatch
from runner.model import Checkpoint, ExpectedCheckpoint
from runner.names import placed_name
from runner.placing import place_file
from runner.saves import last_name
from runner.spawn import module_command

if TYPE_CHECKING:
    from runner.supervisor import Supervisor

POLL_S = 0.5
#: known files are asked for their size and time so often
WATCH_S = 5.0
#: a look that comes to nothing (the process was killed) is not tried without end
LOOKS = 3


class Verifier:
    """Works through the checkpoints of the present attempt, one at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._watch = FileWatch(supervisor)
        self._watched_at = 0.0
        self._failed: dict[str, int] = {}
        self._place_tried: set[int] = set()
        self._sampled: tuple[float, int] | None = None

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(POLL_S)

    async def finish(self) -> None:
        """Everything that is left: the trainer is gone, nothing is being written any more."""
        self._failed.clear()
        self._place_tried.clear()
        await self.once(ended=True)
        own = self._s.progress.checkpoints
        own[:] = [without_future(c, self._s.progress.step) for c in own]

    async def once(self, *, ended: bool = False) -> None:
        """Look at what has been written and not been looked at, and at what has changed since."""
        own = self._s.progress.checkpoints
        for at in range(len(own)):
            newest = at == len(own) - 1
            saving = newest and self._s.progress.saving_since is not None and not ended
            if own[at].removed or saving:
                continue
            if own[at].complete is None:
                await self._look(at)
            if own[at].state_path is None or own[at].state_complete is None:
                await self._look_at_state(at, ended)
            await self._place(at)
        self._tell_fates()
        if ended or time.monotonic() - self._watched_at >= WATCH_S:
            self._watched_at = time.monotonic()
            self._note_samples()
            for at in await self._watch.look(ended=ended):
                await self._look(at)

    def restore(self) -> None:
        """What a predecessor has looked at need not be looked at again."""
        before = self._s.before.checkpoints if self._s.before is not None else ()
        known = {(c.step, c.epoch, c.final): c for c in before if c.attempt == self._s.attempt}
        own = self._s.progress.checkpoints
        for at, read in enumerate(own):
            found = known.get((read.step, read.epoch, read.final))
            if found is not None and found.complete is not None:
                own[at] = _restored(found, read)

    # ----------------------------------------------------------------- looking

    async def _look(self, at: int) -> None:
        own = self._s.progress.checkpoints
        path = str(self._s.files.resolve(own[at].path))
        found = await self._verify(path)
        if found is None or own[at].removed:
            return
        one = looked_at(own[at], found, self._s.spec.expect)
        own[at] = one = compared(one, found, all_checkpoints(self._s), self._s.plan.base_step)
        self._s.tell(
            "checkpoint_verified",
            name=one.name,
            step=one.step,
            size_bytes=one.size_bytes,
            complete=one.complete,
            finite=one.finite,
            problem=one.problem,
            remark=one.remark,
        )

    async def _verify(self, path: str) -> Verification | None:
        if self._failed.get(path, 0) >= LOOKS:
            return None
        process = await asyncio.create_subprocess_exec(
            *module_command("runner.checkpoints", path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        try:
            found = msgspec.json.decode(out.splitlines()[0], type=Verification)
        except (IndexError, msgspec.DecodeError):
            self._failed[path] = self._failed.get(path, 0) + 1
            return None
        self._failed.pop(path, None)
        return found

    # ----------------------------------------------------------------- states

    async def _look_at_state(self, at: int, ended: bool) -> None:
        own = self._s.progress.checkpoints
        told = own[at].state_path
        if told is not None:
            path = self._s.files.resolve(told)
        else:
            half = self._untold_state(own[at], ended)
            if half is None:
                return
            path = half
        found = await self._verify(str(path))
        # the trainer may have deleted it meanwhile, and said so
        if found is None or (told is not None and own[at].state_path is None):
            return
        own[at] = replace(
            own[at],
            state_path=str(path),
            state_complete=found.complete,
            state_problem=found.problem if not found.complete else None,
        )
        self._s.tell(
            "state_verified",
            path=str(path),
            step=own[at].step,
            complete=found.complete,
            problem=own[at].state_problem,
        )

    def _untold_state(self, one: Checkpoint, ended: bool) -> Path | None:
        """A state folder that the trainer never called finished: killed while it was written, or a trainer
        that says other words. As long as the training has not gone on, it may still be written."""
        keeper = self._s.keeper
        if one.step is None or keeper is None or one.path in self._watch.without_state:
            return None
        if not ended and self._s.progress.step <= one.step:
            return None
        self._watch.without_state.add(one.path)
        folder = self._s.files.resolve(self._s.plan.output_dir or str(PurePath(one.path).parent))
        path = folder / f"{PurePath(one.name).stem}-state"
        with contextlib.suppress(OSError):
            newest = max(entry.stat().st_mtime for entry in os.scandir(path))
            # one of an earlier training of that name is not this checkpoint's
            return path if newest >= keeper.started_at - 1.0 else None
        return None

    # ----------------------------------------------------------------- names, fates, samples

    async def _place(self, at: int) -> None:
        """Give a resumed attempt's file its true-step name beside the run's other files: it writes into a
        folder of its own, because sd-scripts would overwrite what is there."""
        s, own = self._s, self._s.progress.checkpoints
        one, folder = own[at], s.spec.output_dir
        if s.attempt < 2 or folder is None or not one.complete or at in self._place_tried:
            return
        if one.final:
            name = last_name(s.plan.output_name) + PurePath(one.name).suffix
        else:
            name = placed_name(
                one.name, one.step, s.progress.ledger.steps_per_epoch, s.plan.origin_step
            )
        source, target = Path(one.path), s.files.resolve(folder) / name
        self._place_tried.add(at)
        if source == target:
            return
        try:
            await asyncio.to_thread(place_file, source, target, s.spec.id)
        except FileExistsError:
            s.tell("checkpoint_not_placed", name=name, why="a file of that name exists")
        except OSError as error:
            s.tell("checkpoint_not_placed", name=name, why=error.strerror or str(error))
        else:
            own[at] = replace(own[at], name=name, path=str(target), removed=False)
            s.tell("checkpoint_placed", name=name, step=one.step, at=time.time())

    def _tell_fates(self) -> None:
        own, expected = self._s.progress.checkpoints, self._expected()
        for at, one in enumerate(own):
            own[at] = with_fate(one, expected, placed=self._watch.placed(one))
            loss = self._s.progress.validation_at(one.step)
            if loss is not own[at].validation_loss:
                own[at] = replace(own[at], validation_loss=loss)

    def _expected(self) -> tuple[ExpectedCheckpoint, ...]:
        if self._s.plan.expected or self._s.attempt > 1:
            return self._s.plan.expected
        return self._s.spec.forecast.checkpoints if self._s.spec.forecast is not None else ()

    def _note_samples(self) -> None:
        """Images of a step come before its checkpoint, of an epoch after it."""
        s, own = self._s, self._s.progress.checkpoints
        chosen, keeper = s.plan.output_dir or s.spec.output_dir, s.keeper
        if chosen is None or keeper is None:
            return
        folder = s.files.resolve(chosen) / "sample"
        with contextlib.suppress(OSError):
            seen = (folder.stat().st_mtime, len(own))
            if seen == self._sampled:
                return
            name = s.plan.output_name or s.spec.output_name
            files = sample_files(folder, name, keeper.started_at - 1.0)
            ledger = s.progress.ledger
            paths = samples_by_step(files, ledger.true_from_name, ledger.true_from_epoch)
            for at, one in enumerate(own):
                path = paths.get(one.step) if one.step is not None else None
                if path is not None and path != one.sample_path:
                    own[at] = replace(one, sample_path=path)
            self._sampled = seen


def _restored(found: Checkpoint, read: Checkpoint) -> Checkpoint:
    """What was found before, with what the console has said since."""
    state_path, state_complete = found.state_path, found.state_complete
    state_problem = found.state_problem
    if read.state_path is not None and state_complete is None:
        state_path = read.state_path
    elif read.state_path is None and state_path is not None and not Path(state_path).is_dir():
        state_path, state_complete, state_problem = None, None, None
    return replace(
        found,
        removed=read.removed,
        loss=read.loss if read.loss is not None else found.loss,
        state_path=state_path,
        state_complete=state_complete,
        state_problem=state_problem,
    )
