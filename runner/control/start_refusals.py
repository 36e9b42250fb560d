"""Why a run cannot be started: each reason one sentence. Reads what exists, changes nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.control.orders import Refused
from runner.control.queueing import QueueRequest
from runner.model import AttemptPlan, Overwrite, RunSpec
from runner.model.preview import Existing
from runner.preflight.existing_files import Consent, existing_files, files_of_name, sentence
from runner.store.inbox import current_user
from runner.trainers.names import has_control_characters


class StartRefused(Refused):
    """Why a run cannot be started; one sentence with what to do."""


class WouldOverwrite(StartRefused):
    """Files of an earlier training would be overwritten without the user's consent."""

    def __init__(self, existing: Sequence[Existing]) -> None:
        super().__init__()
        self.existing = tuple(existing)

    def __str__(self) -> str:
        """Computed when read: finding the runs that wrote the files takes too long under the lock."""
        return sentence(self.existing)


@contextlib.contextmanager
def refusing(what: str) -> Iterator[None]:
    """A full or read-only disk is one sentence. Raises StartRefused."""
    try:
        yield
    except OSError as error:
        raise StartRefused(f"{what}: {error.strerror or error}") from None


def refuse_two_queues(spec: RunSpec, queue: QueueRequest | None) -> None:
    """Raises StartRefused."""
    if queue is not None and not spec.engine.is_local:
        raise StartRefused(f"{spec.engine.kind} has its own queue: start it without --queue")


def refuse_control_characters(spec: RunSpec) -> None:
    """The trainer prints the path of each file that it saves: with a line break or an escape in it, it is
    unreadable. Raises StartRefused."""
    for what, value in (("output_dir", spec.output_dir), ("output_name", spec.output_name)):
        if value is not None and has_control_characters(value):
            raise StartRefused(
                f"{what} {value!r} contains a line break or another control character, so no file could be "
                f"recognised in the trainer's output: choose another {what}"
            )


def agreed_overwrite(spec: RunSpec, consent: Consent) -> Overwrite | None:
    """Record who agreed to overwrite existing files. Raises WouldOverwrite."""
    existing = existing_files(spec.output_dir, spec.output_name, spec.forecast)
    if not existing:
        return None
    refused = consent.missing_for(existing)
    if refused:
        raise WouldOverwrite(refused)
    return Overwrite(
        current_user(), time.time(), consent.reason, tuple(one.name for one in existing)
    )


def refuse_taken_folder(plan: AttemptPlan) -> None:
    """The folder of a further attempt was free when it was planned. Raises StartRefused."""
    if plan.output_dir is None:
        return
    taken = files_of_name(Path(plan.output_dir), plan.output_name)
    if taken:
        raise StartRefused(f"{plan.output_dir} now contains {taken[0]}: resume again")
