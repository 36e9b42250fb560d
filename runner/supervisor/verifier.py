"""Looks at every checkpoint the trainer announces, as soon as it can be whole, and keeps an eye on it.

The look itself is a niced process of its own (the module `runner.checkpoints.verify`): reading hundreds of
megabytes must neither cost the supervisor memory nor slow the trainer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from runner.checkpoints.atomic_link import Identity, place_under, set_aside
from runner.checkpoints.checkpoint_facts import (
    bad_mark,
    compared,
    looked_at,
    sample_files,
    samples_by_step,
    with_fate,
    without_future,
)
from runner.checkpoints.verify import Verification
from runner.model import Checkpoint, ExpectedCheckpoint
from runner.state.lineage import superseded
from runner.supervisor.filewatch import FileWatch
from runner.supervisor.older_runs import OlderRuns
from runner.supervisor.snapshot import all_checkpoints, attempts_so_far
from runner.supervisor.verifying_process import NotVerified, VerifyingProcess
from runner.trainers.names import OF_ATTEMPT, marked_name, unmarked_name
from runner.trainers.registry import program_of_run

if TYPE_CHECKING:
    from runner.state.checkpoint_book import CheckpointBook
    from runner.supervisor.main import Supervisor

log = logging.getLogger("supervisor")

POLL_S = 0.5
#: known files are asked for their size and time so often
WATCH_S = 5.0
#: a verification that itself fails (no process could be started, it was killed) is tried again after this
#: time, doubled each time
RETRY_S = 0.5
#: at the end it is tried again after these pauses, before the file is called not verified
RETRY_PAUSES_S = (1.0, 3.0)


class Verifier:
    """Works through the checkpoints of the present attempt, one at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._watch = FileWatch(supervisor)
        self._watched_at = 0.0
        self._failed: dict[str, _Failed] = {}
        self._process = VerifyingProcess()
        self._place_tried: set[int] = set()
        self._sampled: tuple[float, int] | None = None
        folder = supervisor.spec.output_dir
        self._older = OlderRuns(
            supervisor.run, supervisor.files.resolve(folder) if folder is not None else None
        )
        self._noted: set[int] = set()

    @property
    def _book(self) -> CheckpointBook:
        return self._s.translator.book

    async def finish(self) -> None:
        """Everything that is left: the trainer is gone, nothing is being written any more."""
        self._place_tried.clear()
        for pause_s in (*RETRY_PAUSES_S, None):
            self._failed.clear()
            await self.once(ended=True)
            if pause_s is None or not self._unverified():
                break
            await asyncio.sleep(pause_s)
        book = self._book
        for key in self._unverified():
            self._give_up(key)
        for key in book.own_keys:
            book.change(key, lambda c: without_future(c, self._s.translator.state.step))

    def _unverified(self) -> list[int]:
        book = self._book
        return [k for k in book.own_keys if book[k].complete is None and not book[k].removed]

    def _give_up(self, key: int) -> None:
        """Nothing is known of this file, and that is said."""
        path = str(self._s.files.resolve(self._book[key].path))
        failed = self._failed.get(path)
        why = failed.why if failed is not None else "it was not verified"
        one = self._book.update(key, problem=why)
        self._s.tell("checkpoint_unverified", name=one.name, step=one.step, why=why)

    async def once(self, *, ended: bool = False) -> None:
        """Verify what has been written and not been verified, and what has changed since."""
        try:
            await self._once(ended)
        finally:
            await self._process.close()

    async def _once(self, ended: bool) -> None:
        keys = self._book.own_keys
        saving = self._s.translator.state.saving_since is not None and not ended
        await self._set_aside()
        for at, key in enumerate(keys[:-1] if saving else keys):
            if ended:
                self._s.evaluating = f"verifying checkpoints: {at} of {len(keys)}"
            try:
                await self._work_on(key, ended)
            except Exception as error:  # one file must not keep the others from being verified
                self._s.fault(f"verification of {self._book[key].name}", error)
        self._tell_fates()
        if ended or time.monotonic() - self._watched_at >= WATCH_S:
            self._watched_at = time.monotonic()
            self._note_samples()
            for key in await self._watch.look(ended=ended):
                await self._look(key)

    async def _work_on(self, key: int, ended: bool) -> None:
        one = self._book[key]
        if one.removed:
            return
        if one.complete is None:
            await self._look(key)
        one = self._book[key]
        if one.complete is not None and key not in self._noted:
            self._noted.add(key)
            await asyncio.to_thread(self._older.note, self._s.files.resolve(one.path))
        if one.state_path is None or one.state_complete is None:
            await self._look_at_state(key, ended)
        await self._place(key)

    def restore(self) -> None:
        """What a predecessor has looked at need not be looked at again."""
        before = self._s.before.checkpoints if self._s.before is not None else ()
        known = {(c.step, c.epoch, c.final): c for c in before if c.attempt == self._s.attempt}
        for key in self._book.own_keys:
            read = self._book[key]
            found = known.get((read.step, read.epoch, read.final))
            if found is not None and found.complete is not None:
                self._book.change(key, partial(_restored, found))

    # ----------------------------------------------------------------- looking

    async def _look(self, key: int) -> None:
        path = str(self._s.files.resolve(self._book[key].path))
        found = await self._verify(path)
        # from here on nothing is awaited: the trainer may have deleted it meanwhile, and said so
        if found is None or self._book[key].removed:
            return
        self._noted.discard(key)
        self._book.change(key, lambda c: looked_at(c, found, self._s.spec.expect))
        others = all_checkpoints(self._s)
        one = self._book.change(key, lambda c: compared(c, found, others, self._s.plan.base_step))
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
        """None: the verification itself failed; it is tried again later."""
        failed = self._failed.setdefault(path, _Failed())
        if time.monotonic() < failed.retry_at:
            return None
        try:
            found = await self._process.verify(path)
        except NotVerified as error:
            failed.why, failed.times = str(error), failed.times + 1
            failed.retry_at = time.monotonic() + RETRY_S * 2 ** min(failed.times, 6)
            log.warning("%s could not be verified: %s", path, error)
            return None
        del self._failed[path]
        return found

    # ----------------------------------------------------------------- states

    async def _look_at_state(self, key: int, ended: bool) -> None:
        told = self._book[key].state_path
        if told is not None:
            path = self._s.files.resolve(told)
        else:
            half = self._untold_state(self._book[key], ended)
            if half is None:
                return
            path = half
        found = await self._verify(str(path))
        if found is None:
            if told is None:
                self._watch.without_state.discard(self._book[key].path)
            return
        # the trainer may have deleted it meanwhile, and said so
        if told is not None and self._book[key].state_path is None:
            return
        problem = found.problem if not found.complete else None
        one = self._book.update(
            key,
            state_path=str(path),
            state_complete=found.complete,
            state_mtime_ns=found.mtime_ns,
            state_problem=problem,
        )
        self._s.tell(
            "state_verified",
            path=str(path),
            step=one.step,
            complete=found.complete,
            problem=problem,
        )

    def _untold_state(self, one: Checkpoint, ended: bool) -> Path | None:
        """A state folder that the trainer never called finished: killed while it was written, or a trainer
        that says other words. As long as the training has not gone on, it may still be written."""
        keeper = self._s.keeper
        if one.step is None or keeper is None or one.path in self._watch.without_state:
            return None
        if not ended and self._s.translator.state.step <= one.step:
            return None
        self._watch.without_state.add(one.path)
        folder = self._s.files.resolve(self._s.plan.output_dir or str(PurePath(one.path).parent))
        path = folder / f"{PurePath(one.name).stem}-state"
        with contextlib.suppress(OSError):
            # an empty folder has the time of its own making
            times = [entry.stat().st_mtime for entry in os.scandir(path)]
            newest = max(times, default=path.stat().st_mtime)
            # one of an earlier training of that name is not this checkpoint's
            return path if newest >= keeper.started_at - 1.0 else None
        return None

    # ----------------------------------------------------------------- names, fates, samples

    async def _place(self, key: int) -> None:
        """Give a resumed attempt's file its true-step name beside the run's other files: it writes into a
        folder of its own, because sd-scripts would overwrite what is there."""
        s, one, folder = self._s, self._book[key], self._s.spec.output_dir
        if s.attempt < 2 or folder is None or not one.complete or key in self._place_tried:
            return
        bad, names = bad_mark(one), program_of_run(s.spec).names
        if one.final:
            name = names.last(s.plan.output_name) + PurePath(one.name).suffix
        else:
            name = names.placed(
                one.name, one.step, s.translator.state.mapper.steps_per_epoch, s.plan.origin_step
            )
        source, target = Path(one.path), s.files.resolve(folder) / name
        self._place_tried.add(key)
        if source.parent == target.parent and unmarked_name(source.name) == name:
            return
        mark = bad or f"{OF_ATTEMPT}{s.attempt}"
        if bad:
            target = target.with_name(marked_name(name, bad))
        else:
            await self._make_room(target)
        try:
            placed = await asyncio.to_thread(place_under, source, target, mark, s.spec.id)
        except OSError as error:
            s.tell("checkpoint_not_placed", name=name, why=error.strerror or str(error))
            return
        self._book.update(key, name=placed.name, path=str(placed), removed=False)
        s.tell("checkpoint_placed", name=placed.name, step=one.step, at=time.time())
        if not bad and placed.name != name:
            why = f"a file of that name exists: it is placed as {placed.name}"
            s.tell("checkpoint_not_placed", name=name, why=why)

    # ----------------------------------------------------------------- earlier attempts

    async def _set_aside(self) -> None:
        """Bad files of steps that a later attempt trains again do not keep the names of good ones."""
        for key in self._left():
            one = self._book[key]
            mark = bad_mark(one)
            if mark is not None and unmarked_name(one.name) == one.name:
                await self._mark(key, mark)

    async def _make_room(self, target: Path) -> None:
        """For the newest training of a step: an earlier attempt's file of it gets that attempt's number."""
        for key in self._left():
            one = self._book[key]
            if self._s.files.resolve(one.path) == target:
                await self._mark(key, f"{OF_ATTEMPT}{one.attempt}")

    def _left(self) -> list[int]:
        """Keys of earlier attempts' files of steps that were trained again."""
        book = self._book
        if not book.earlier_keys:
            return []
        attempts = attempts_so_far(self._s)
        return [
            key
            for key in book.earlier_keys
            if not book[key].removed and superseded(book[key], attempts)
        ]

    async def _mark(self, key: int, mark: str) -> None:
        one = self._book[key]
        if one.size_bytes is None:
            return  # never verified: what lies there may be somebody else's
        path, known = self._s.files.resolve(one.path), Identity(one.size_bytes, one.saved_at)
        try:
            moved = await asyncio.to_thread(set_aside, path, mark, known)
        except OSError as error:
            log.warning("%s is not set aside: %s", one.name, error)
            return
        if moved is None:
            return
        self._book.update(key, name=moved.name, path=str(moved), missing=False)
        self._s.tell("set_aside", name=one.name, moved_to=moved.name, step=one.step)

    def _tell_fates(self) -> None:
        expected, watch, translator = self._expected(), self._watch, self._s.translator
        for key in self._book.own_keys:
            one = self._book.change(key, lambda c: with_fate(c, expected, placed=watch.placed(c)))
            loss = translator.validations.at(one.step)
            if loss is not one.validation_loss:
                self._book.update(key, validation_loss=loss)

    def _expected(self) -> tuple[ExpectedCheckpoint, ...]:
        if self._s.plan.expected or self._s.attempt > 1:
            return self._s.plan.expected
        return self._s.spec.forecast.checkpoints if self._s.spec.forecast is not None else ()

    def _note_samples(self) -> None:
        """Images of a step come before its checkpoint, of an epoch after it."""
        s, book = self._s, self._book
        chosen, keeper = s.plan.output_dir or s.spec.output_dir, s.keeper
        if chosen is None or keeper is None:
            return
        folder = s.files.resolve(chosen) / "sample"
        with contextlib.suppress(OSError):
            seen = (folder.stat().st_mtime, len(book.own_keys))
            if seen == self._sampled:
                return
            name = s.plan.output_name or s.spec.output_name
            files = sample_files(folder, name, keeper.started_at - 1.0)
            mapper = s.translator.state.mapper
            paths = samples_by_step(files, mapper.true_from_name, mapper.true_from_epoch)
            for key in book.own_keys:
                one = book[key]
                path = paths.get(one.step) if one.step is not None else None
                if path is not None and path != one.sample_path:
                    book.update(key, sample_path=path)
            self._sampled = seen


@dataclass(slots=True)
class _Failed:
    """`retry_at`: on the monotonic clock."""

    times: int = 0
    retry_at: float = 0.0
    why: str = ""


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
