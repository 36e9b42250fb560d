"""Verifies every checkpoint that the trainer reports, as soon as it can be complete, and watches it.

Reading hundreds of megabytes must not cost the supervisor memory or slow the trainer: a separate niced
process does it (`runner.checkpoints.verify`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePath

from runner.checkpoints.checkpoint_facts import (
    compared,
    is_reference,
    looked_at,
    sample_files,
    samples_by_step,
    with_fate,
    without_future,
)
from runner.checkpoints.verify import Verification
from runner.model import Checkpoint
from runner.state.translator import Translator
from runner.supervisor.context import AttemptContext
from runner.supervisor.file_names import FileNames
from runner.supervisor.filewatch import FileWatch
from runner.supervisor.journals import Journals
from runner.supervisor.older_runs import OlderRuns
from runner.supervisor.trainer import TrainerProcess
from runner.supervisor.verifying_process import NotVerified, VerifyingProcess

log = logging.getLogger("supervisor")

POLL_S = 0.5
#: how often size and time of known files are checked
WATCH_S = 5.0
#: a verification that itself fails (no process could be started, it was killed) is retried after this time,
#: doubled each time
RETRY_S = 0.5
#: pauses of retries at the end, before the file counts as not verified
RETRY_PAUSES_S = (1.0, 3.0)


class Verifier:
    """Verifies the checkpoints of the current attempt, one at a time. `doing`: progress text at the end."""

    def __init__(
        self,
        context: AttemptContext,
        trainer: TrainerProcess,
        translator: Translator,
        journals: Journals,
    ) -> None:
        self._context, self._trainer = context, trainer
        self._translator, self._journals = translator, journals
        self._book, self._emit = translator.book, journals.emit
        self._watch = FileWatch(context, translator.state, translator.book, journals.emit)
        self._names = FileNames(context, translator.state, translator.book, journals.emit)
        self._process = VerifyingProcess()
        folder = context.spec.output_dir
        self._older = OlderRuns(context.run, context.resolve(folder) if folder else None)
        self.doing = ""
        self._watched_at = 0.0
        self._failed: dict[str, _Failed] = {}
        self._noted: set[int] = set()
        self._sampled: tuple[float, int] | None = None

    def restore(self, *, unread: bool = False) -> None:
        """Files verified by a previous supervisor are not verified again. `unread`: also those that a damaged
        console.log no longer names."""
        before = self._context.before.checkpoints if self._context.before is not None else ()
        attempt = self._context.attempt
        known = {(c.step, c.epoch, c.final): c for c in before if c.attempt == attempt}
        for key in self._book.own_keys:
            read = self._book[key]
            found = known.pop((read.step, read.epoch, read.final), None)
            if found is not None and found.complete is not None:
                self._book.change(key, partial(_restored, found))
        for one in known.values() if unread else ():
            self._book.add(one)

    async def finish(self) -> None:
        """Verify everything left: the trainer has ended, no file is being written."""
        book = self._book
        self._names.tried.clear()
        for pause_s in (*RETRY_PAUSES_S, None):
            self._failed.clear()
            await self.once(ended=True)
            left = [k for k in book.own_keys if book[k].complete is None and not book[k].removed]
            if pause_s is None or not left:
                break
            await asyncio.sleep(pause_s)
        for key in left:
            self._give_up(key)
        for key in book.own_keys:
            book.change(key, lambda c: without_future(c, self._translator.state.step))
        self.doing = ""

    def _give_up(self, key: int) -> None:
        """Mark this file as unknown, and report it."""
        failed = self._failed.get(str(self._context.resolve(self._book[key].path)))
        why = failed.why if failed is not None else "not verified"
        one = self._book.update(key, problem=why)
        self._emit("checkpoint_unverified", name=one.name, step=one.step, why=why)

    # ----------------------------------------------------------------- one round

    async def once(self, *, ended: bool = False) -> None:
        """Verify new files and changed ones."""
        try:
            await self._once(ended)
        finally:
            await self._process.close()

    async def _once(self, ended: bool) -> None:
        keys = self._book.own_keys
        saving = self._translator.state.saving_since is not None and not ended
        await self._names.set_bad_aside()
        for at, key in enumerate(keys[:-1] if saving else keys):
            if self._is_settled(key):
                continue
            if ended:
                self.doing = f"verifying checkpoints: {at} of {len(keys)}"
            # one file must not block the others
            part = f"verification of {self._book[key].name}"
            await self._journals.guarded(part, partial(self._work_on, key, ended))
        self._note_fates()
        if ended or time.monotonic() - self._watched_at >= WATCH_S:
            self._watched_at = time.monotonic()
            self._note_samples()
            for key in await self._watch.look(ended=ended):
                await self._verify_file(key)

    def _is_settled(self, key: int) -> bool:
        """Is nothing left to do? Of ten thousand files nearly all are, in every round."""
        one = self._book[key]
        if one.removed:
            return True
        if one.complete is None or key not in self._noted or not self._names.is_done(key):
            return False
        if one.state_path is None:
            return one.path in self._watch.without_state
        return one.state_complete is not None

    async def _work_on(self, key: int, ended: bool) -> None:
        if self._book[key].removed:
            return
        if self._book[key].complete is None:
            await self._verify_file(key)
        one = self._book[key]
        if one.complete is not None and key not in self._noted:
            self._noted.add(key)
            await asyncio.to_thread(self._older.note, self._context.resolve(one.path))
        if one.state_path is None or one.state_complete is None:
            await self._verify_state(key, ended)
        await self._names.place(key)

    async def _verify_file(self, key: int) -> None:
        path = str(self._context.resolve(self._book[key].path))
        found = await self._verify(path)
        # no waiting from here on: the trainer may have deleted it meanwhile, and reported that
        if found is None or self._book[key].removed:
            return
        self._noted.discard(key)
        self._book.change(key, lambda c: looked_at(c, found, self._context.spec.expect))
        one, base_step = self._book[key], self._context.plan.base_step
        good = (c for c in self._book.before(one) if is_reference(c, one, base_step))
        newest = tuple(islice(good, 1))
        one = self._book.change(key, lambda c: compared(c, found, newest, base_step))
        self._emit(
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
        """None: the verification itself failed; it is retried later."""
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

    async def _verify_state(self, key: int, ended: bool) -> None:
        one = self._book[key]
        reported = one.state_path is not None
        path = self._context.resolve(one.state_path) if one.state_path else None
        if path is None:
            path = self._unreported_state(one, ended)
        if path is None:
            return
        found = await self._verify(str(path))
        if found is None:
            if not reported:
                self._watch.without_state.discard(self._book[key].path)
            return
        # the trainer may have deleted it meanwhile, and reported that
        if reported and self._book[key].state_path is None:
            return
        complete, problem = found.complete, found.problem if not found.complete else None
        one = self._book.update(
            key,
            state_path=str(path),
            state_complete=complete,
            state_mtime_ns=found.mtime_ns,
            state_problem=problem,
        )
        self._emit(
            "state_verified", path=str(path), step=one.step, complete=complete, problem=problem
        )

    def _unreported_state(self, one: Checkpoint, ended: bool) -> Path | None:
        """A state folder that the trainer never reported as finished: killed during the write, or another log
        format. Until the training continues, it may still be written."""
        began_at, without = self._trainer.started_at, self._watch.without_state
        if one.step is None or not began_at or one.path in without:
            return None
        if not ended and self._translator.state.step <= one.step:
            return None
        without.add(one.path)
        folder = self._context.plan.output_dir or str(PurePath(one.path).parent)
        path = self._context.resolve(folder) / f"{PurePath(one.name).stem}-state"
        with contextlib.suppress(OSError):
            # an empty folder has its creation time
            times = [entry.stat().st_mtime for entry in os.scandir(path)]
            newest = max(times, default=path.stat().st_mtime)
            # one of an earlier training with that name does not belong to this checkpoint
            return path if newest >= began_at - 1.0 else None
        return None

    # ----------------------------------------------------------------- related to a checkpoint

    def _note_fates(self) -> None:
        """When the trainer will delete it, and the validation loss of its step."""
        saves = self._context.expected_saves(self._translator.state)
        expected = {one.name: one for one in reversed(saves)}
        for key in self._book.own_keys:
            placed = self._watch.placed(self._book[key])
            one = self._book.change(key, partial(with_fate, expected=expected, placed=placed))
            loss = self._translator.validation_at(one.step)
            if loss is not one.validation_loss:
                self._book.update(key, validation_loss=loss)

    def _note_samples(self) -> None:
        """Images of a step are drawn before its checkpoint, of an epoch after it."""
        context, book, began_at = self._context, self._book, self._trainer.started_at
        if context.output_dir is None or not began_at:
            return
        folder = context.resolve(context.output_dir) / "sample"
        with contextlib.suppress(OSError):
            seen = (folder.stat().st_mtime, len(book.own_keys))
            if seen == self._sampled:
                return
            name = context.plan.output_name or context.spec.output_name
            files = sample_files(folder, name, began_at - 1.0)
            mapper = self._translator.state.mapper
            paths = samples_by_step(files, mapper.true_from_name, mapper.true_from_epoch)
            for key in book.own_keys:
                step = book[key].step
                if step is not None and step in paths:
                    book.update(key, sample_path=paths[step])
            self._sampled = seen


@dataclass(slots=True)
class _Failed:
    """`retry_at`: on the monotonic clock."""

    times: int = 0
    retry_at: float = 0.0
    why: str = ""


def _restored(found: Checkpoint, read: Checkpoint) -> Checkpoint:
    """Earlier results, updated from the console."""
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
