"""The turn of a queued attempt: it has its slots. Its preflight runs again, from the configuration of its
start; a failed check holds it, and its slots go to the next one.

In: queued.json, slot locks. Out: `Turn`, preflight.json, or queued.json with the reason.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from runner.config.errors import ConfigError
from runner.model import AttemptPlan, CheckResult, RunSpec
from runner.model.preview import Existing
from runner.preflight.existing_files import Consent, existing_files, files_of_name, sentence
from runner.store import inbox, queue
from runner.store.journal import readable, write_json
from runner.store.liveness import HeldLock, lock_held
from runner.store.queue import Mark
from runner.store.rundir import RunDir
from runner.store.slot_locks import Held, release
from runner.store.starting import start_supervisor
from runner.supervisor.handing_over import become, hold, write_status
from runner.supervisor.held_notice import notify_held
from runner.trainers.registry import restore_config

log = logging.getLogger("supervisor")

CHECKING = "running the preflight checks again"
HEARTBEAT_S = 10.0


@dataclass(frozen=True, slots=True)
class Turn:
    """`starts`: False: the attempt is taken out of the queue. `env`: what its slots add to the trainer's
    environment."""

    starts: bool
    held: tuple[Held, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        return [one.slot for one in self.held]


def turn_of(run: RunDir, lock: HeldLock, what: str, visible: str) -> Turn | None:
    """What the waiting process handed over; None: nothing, the run is only supervised. Does not return if the
    run has to wait again."""
    mark = queue.queued_mark(run)
    if mark is None or what in ("", "watch"):
        return None
    if what == "stop":
        if _is_stopped(run, mark):
            return Turn(starts=False)
        wait_again(run, lock, (), "stop")
    held = tuple(_held(what))
    for one in held:
        os.set_inheritable(one.fd, False)
    env = json.loads(visible) if visible else {}
    os.environ.update(env)  # for the checks and the keeper, and so for the trainer
    try:
        problem = _problem(run, mark)
    except _Ordered:
        wait_again(run, lock, held)
    except Exception as error:  # never a start without its checks
        log.exception("the checks of a queued run failed")
        problem = f"the checks failed with {type(error).__name__}: {error}"
    if problem:
        log.info("held: %s", problem)
        try:
            hold(run, mark, problem)
        except OSError:  # a full disk
            wait_again(run, lock, held, "turn")
        notify_held(run, problem)
        wait_again(run, lock, held)
    return Turn(True, held, env)


def _held(what: str) -> Iterator[Held]:
    for word in what.split(","):
        fd, _, name = word.partition(":")
        yield Held(name, int(fd))


def wait_again(run: RunDir, lock: HeldLock, held: Sequence[Held], failed: str = "") -> NoReturn:
    """`failed`: `turn`: its trainer could not be started (a full disk); `stop`: no order was a stop."""
    release(held)
    become(run, lock.fd, "wait", more=failed)
    raise SystemExit(1)


class _Ordered(Exception):
    """An order arrived during the checks."""


def _is_stopped(run: RunDir, mark: Mark) -> bool:
    """Is a stop among the orders? Others are refused."""
    found, overdue = False, inbox.overdue(run) or frozenset()
    for name, order in inbox.pending(run):
        counts = inbox.is_for(order, mark.attempt, mark.queued_at) and name not in overdue
        if order.kind == "stop" and counts:
            found = True
        else:
            with contextlib.suppress(OSError):
                why = "not done: the run waits in the queue, and this order is not for a queued run"
                inbox.answer(
                    run, name, inbox.refusal(order), inbox.TOO_OLD if name in overdue else why
                )
    return found


# --------------------------------------------------------------------------- checks


def _problem(run: RunDir, mark: Mark) -> str | None:
    """Why the attempt must not start now, one sentence. Raises _Ordered."""
    spec, plan = readable(run.spec, RunSpec), readable(run.attempt(mark.attempt), AttemptPlan)
    if spec is None or plan is None:
        return "spec.json or its plan is unreadable"
    if before := _moved_from(run, plan):
        return (
            f"its run folder was moved from {before}, where its trainer would write its logs: move it back, "
            f"or stop it and queue it again (`plasma-tui retry {run.id} --queue`)"
        )
    if mark.attempt > 1:
        return _problem_of_attempt(plan)
    if why := _would_overwrite(spec, mark):
        return why
    if not mark.config or "text" not in mark.config:  # a retry of a changed plasma.toml
        return None
    failed = [one for one in _checked(run, mark) if one.status == "fail"]
    if not failed or mark.force:
        return None
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    text = (first.detail or first.evidence).rstrip(".")
    return f"check failed: {first.title or first.name}: {text}{more}"


def _moved_from(run: RunDir, plan: AttemptPlan) -> str | None:
    """The folder of this run that the command names, if it is no longer that of the run."""
    named = (re.search(rf"(/[^=]*/{re.escape(run.id)})/", word) for word in plan.command)
    for folder in {found[1] for found in named if found is not None}:
        with contextlib.suppress(OSError):
            if run.path.samefile(folder):
                continue
        return folder
    return None


def _problem_of_attempt(plan: AttemptPlan) -> str | None:
    """What it resumes from exists, and its folder is still free."""
    for path in filter(None, (plan.state_path, plan.weights_path)):
        if not (Path(plan.cwd) / path).exists():
            return f"{path} no longer exists"
    if plan.output_dir is not None and (
        taken := files_of_name(Path(plan.output_dir), plan.output_name)
    ):
        return f"{plan.output_dir} now contains {taken[0]}"
    return None


def _would_overwrite(spec: RunSpec, mark: Mark) -> str | None:
    given = (mark.config or {}).get("consent") or {}
    agreed = frozenset(Existing(*one) for one in given.get("files", ()))
    consent = Consent(agreed, bool(given.get("everything")))
    found = consent.missing_for(existing_files(spec.output_dir, spec.output_name, spec.forecast))
    return sentence(found) if found else None


def _checked(run: RunDir, mark: Mark) -> tuple[CheckResult, ...]:
    """Written to preflight.json too: what held at the start. Raises _Ordered."""
    from runner.preflight.registry import in_order, run_checks

    assert mark.config is not None
    smoke = bool(mark.config.get("is_smoke"))
    try:
        config = restore_config(mark.config)
    except ConfigError as error:
        text = str(error).splitlines()[0]
        return (CheckResult("plasma.toml", "fail", "invalid", title="plasma.toml", detail=text),)
    found, beat_at = [], 0.0
    for result in run_checks(config, smoke=smoke, run_id=run.id):
        found.append(result)
        if time.monotonic() - beat_at > HEARTBEAT_S:
            beat_at = time.monotonic()
            with contextlib.suppress(OSError):
                write_status(run, mark, CHECKING)
        if inbox.pending(run):
            raise _Ordered
    results = in_order(found)
    passed = all(one.status != "fail" for one in results)
    with contextlib.suppress(OSError):
        write_json(run.preflight, {"schema": 1, "passed": passed, "checks": results})
    return results


# --------------------------------------------------------------------------- the queue


def leave_queue(run: RunDir) -> None:
    """Once the attempt was started or closed. The mark goes first: an entry without one is removed by any
    process of the queue."""
    if not run.queued.exists() or queue.queued_mark(run) is not None:
        return
    mark = queue.read_mark(run)  # None: damaged
    host = mark.host if mark is not None else queue.this_host()
    with contextlib.suppress(OSError):
        run.queued.unlink()
    queue.remove(queue.queue_folder(queue.home_of(run), host), run.id)


def revive_first(run: RunDir) -> None:
    """By a supervisor: replace the dead process of the first queued run of this home; the others replace each
    other."""
    home = queue.home_of(run)
    for entry in queue.entries(queue.queue_folder(home, queue.this_host()))[:1]:
        first = RunDir(home / "runs" / entry.run_id)
        if not lock_held(first.lock) and first.queued.exists():
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                start_supervisor(first)
