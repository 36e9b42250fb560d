"""The process that verifies files: niced, one for many files, with a time limit. Its start (Python, numpy)
takes longer than most files: 100 files with one process each took minutes.

If plasma-tui was updated or removed during the training and that process fails, files are verified in a thread
of this one: everything that needs is imported from the start, except numpy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import replace
from pathlib import Path

import msgspec

from runner.checkpoints import weights_scan as weights_scan  # `verify` imports it when it needs it
from runner.checkpoints.verify import ONE_THREAD, Verification, verify
from runner.process.spawn import installation_changed, module_command

log = logging.getLogger("supervisor")

#: time limit of a verification: a hung disk must not cost the verdict
PATIENCE_S, PATIENCE_BYTES_PER_S = 120.0, 2e6
#: an answer is one line; norms of thousands of blocks fit in it
_LINE_BYTES = 1 << 26
_NO_NUMPY = "its numbers are not checked: plasma-tui was removed during the training"


class NotVerified(Exception):
    """Why the verification itself failed; not about the file."""


class VerifyingProcess:
    """Started with the first file, until `close`; after a failure the next file gets a new one."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        #: files are verified in this process
        self._here = False

    async def verify(self, path: str) -> Verification:
        """Verify one file or state folder. Raises NotVerified."""
        patience_s = PATIENCE_S
        with contextlib.suppress(OSError):
            patience_s += Path(path).stat().st_size / PATIENCE_BYTES_PER_S
        try:
            return await asyncio.wait_for(self._answer(path), patience_s)
        except TimeoutError:
            await self.close()
            raise NotVerified(f"its disk did not respond within {patience_s:.0f} s") from None
        except BaseException:
            # a late answer must not be taken for the next file's
            await self.close()
            raise

    async def _answer(self, path: str) -> Verification:
        if not self._here:
            try:
                return await self._ask(path)
            except NotVerified:
                if not installation_changed():
                    raise
            await self.close()
            log.warning("plasma-tui was updated or removed: this process verifies the files")
            self._here = True
            os.environ.update(ONE_THREAD)
        return await asyncio.to_thread(_verify_here, path)

    async def _ask(self, path: str) -> Verification:
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            process.stdin.write(msgspec.json.encode(path) + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
            return msgspec.json.decode(line, type=Verification)
        except (OSError, ValueError):  # it has exited; msgspec's errors are ValueErrors
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 1.0)
            raise NotVerified(_ended(process.returncode)) from None

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        try:
            self._process = await asyncio.create_subprocess_exec(
                *module_command("runner.checkpoints.verify", "-"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_BYTES,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise NotVerified(f"the verifying process could not be started: {why}") from None
        return self._process

    async def close(self) -> None:
        """Stop it. It only reads: nothing is lost."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # one stuck in the kernel does not exit
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(process.communicate(), 1.0)


def _verify_here(path: str) -> Verification:
    try:
        return verify(Path(path))
    except ImportError:
        found = verify(Path(path), finite=False)
        return replace(found, problem=found.problem or _NO_NUMPY)


def _ended(code: int | None) -> str:
    if code is None:
        return "the verifying process sent an invalid answer"
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"the verifying process {how}"
