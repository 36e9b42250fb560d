"""Puts an attempt into the queue, as part of its start."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from runner.config.model import Config
from runner.config.recorded import recorded_config
from runner.config.slot_needs import needs_of
from runner.control.orders import Refused
from runner.model import AttemptPlan
from runner.preflight.existing_files import NO_CONSENT, Consent
from runner.process.spawn import shell_environment
from runner.store import queue, slots
from runner.store.inbox import current_user
from runner.store.queue import Entry, Mark
from runner.store.rundir import RunDir


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """`config`: its preflight runs again before the start; None: an attempt that has none. `force`: although
    checks fail."""

    config: Config | None = None
    smoke: bool = False
    force: bool = False


def refuse_bad_slots() -> None:
    """Raises Refused for a PLASMA_SLOTS that cannot be used."""
    try:
        slots.offered((), os.environ.get(slots.VARIABLE, ""))
    except slots.BadSlots as error:
        raise Refused(str(error)) from None


def enqueue(
    run: RunDir, plan: AttemptPlan, request: QueueRequest, consent: Consent = NO_CONSENT
) -> None:
    """Write the mark and the entry, before the supervisor is started, under the lock of starts. Raises
    OSError."""
    env = shell_environment()
    host = queue.this_host()
    folder = queue.queue_folder(queue.home_of(run), host)
    needs = needs_of(plan, env)
    mark = Mark(
        plan.attempt, time.time(), queue.next_place(folder), current_user(), host, env,
        needs.count, needs.gpus, _recorded(request, consent), request.force,
    )  # fmt: skip
    queue.write_mark(run, mark)
    queue.add(folder, Entry(mark.place, run.id))


def _recorded(request: QueueRequest, consent: Consent) -> dict[str, object]:
    config = recorded_config(request.config) if request.config is not None else {}
    agreed = [(one.path, one.modified_ns, one.size_bytes, one.inode) for one in consent.files]
    return config | {
        "is_smoke": request.smoke,
        "consent": {"everything": consent.everything, "files": agreed},
    }
