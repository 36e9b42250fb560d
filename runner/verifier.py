"""Looks at every checkpoint the trainer announces, as soon as it can be whole.

The look itself is a niced process of its own (`python -m runner.checkpoints`): reading hundreds of
megabytes must neither cost the supervisor memory nor slow the trainer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec

from runner.checkpoints import Verification, state_complete
from runner.model import Checkpoint
from runner.names import placed_name

if TYPE_CHECKING:
    from runner.supervisor import Supervisor

POLL_S = 0.5


class Verifier:
    """Works through the checkpoints of the present attempt, one at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(POLL_S)

    async def finish(self) -> None:
        """Everything that is left: the trainer is gone, nothing is being written any more."""
        await self.once(ended=True)

    async def once(self, *, ended: bool = False) -> None:
        """Look at what has been written and not been looked at."""
        progress = self._s.progress
        for at, checkpoint in enumerate(progress.checkpoints):
            newest = at == len(progress.checkpoints) - 1
            being_written = newest and progress.saving_since is not None and not ended
            if checkpoint.removed or being_written:
                continue
            if checkpoint.complete is None:
                await self._look(at, checkpoint)
            if progress.checkpoints[at].state_complete is None:
                self._look_at_state(at, ended)

    async def _look(self, at: int, checkpoint: Checkpoint) -> None:
        path = self._s.files.resolve(checkpoint.path)
        found = await self._verify(path)
        if found is None:
            return
        progress = self._s.progress
        saved_at = checkpoint.saved_at
        with contextlib.suppress(OSError):
            saved_at = path.stat().st_mtime
        progress.checkpoints[at] = replace(
            progress.checkpoints[at],
            path=str(path),
            saved_at=saved_at,
            size_bytes=found.size_bytes,
            complete=found.complete,
            finite=found.finite,
            problem=found.problem,
        )
        self._s.tell(
            "checkpoint_verified",
            name=checkpoint.name,
            step=checkpoint.step,
            size_bytes=found.size_bytes,
            complete=found.complete,
            finite=found.finite,
            problem=found.problem,
        )
        if found.complete and self._s.attempt > 1:
            self._place(at)

    async def _verify(self, path: Path) -> Verification | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runner.checkpoints",
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        )
        out, _ = await process.communicate()
        try:
            return msgspec.json.decode(out.splitlines()[0], type=Verification)
        except (IndexError, msgspec.DecodeError):
            return None

    def _look_at_state(self, at: int, ended: bool) -> None:
        checkpoint = self._s.progress.checkpoints[at]
        if checkpoint.state_path is None:
            if not ended:
                return
            # killed while the state was being written: its folder may be there, half of it
            half = self._s.files.resolve(checkpoint.path).with_name(
                f"{PurePath(checkpoint.name).stem}-state"
            )
            if not half.is_dir():
                return
            path = half
        else:
            path = self._s.files.resolve(checkpoint.state_path)
        whole = state_complete(path)
        self._s.progress.checkpoints[at] = replace(
            checkpoint, state_path=str(path), state_complete=bool(whole)
        )
        self._s.tell("state_verified", path=str(path), step=checkpoint.step, complete=bool(whole))

    def _place(self, at: int) -> None:
        """Give a resumed attempt's file its true-step name beside the run's other files.

        A resumed attempt writes into a folder of its own, because sd-scripts would overwrite what is
        there. A hard link (or a copy, where links are not possible) never replaces a file.
        """
        checkpoint = self._s.progress.checkpoints[at]
        target_dir = self._s.spec.output_dir
        if target_dir is None:
            return
        ledger = self._s.progress.ledger
        name = placed_name(
            checkpoint.name, checkpoint.step, ledger.steps_per_epoch, self._s.plan.origin_step
        )
        source, target = Path(checkpoint.path), Path(target_dir) / name
        try:
            target_dir_path = target.parent
            target_dir_path.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileExistsError:
                self._s.tell("checkpoint_not_placed", name=name, why="a file of that name exists")
                return
            except OSError:
                _copy_new(source, target)
        except OSError as error:
            self._s.tell("checkpoint_not_placed", name=name, why=str(error.strerror))
            return
        self._s.progress.checkpoints[at] = replace(checkpoint, name=name, path=str(target))
        self._s.tell("checkpoint_placed", name=name, step=checkpoint.step, at=time.time())


def _copy_new(source: Path, target: Path) -> None:
    """Copy without ever replacing: the name is taken first."""
    with target.open("xb") as out, source.open("rb") as data:
        shutil.copyfileobj(data, out, 1 << 20)
