"""All checks, and how they are run: side by side, each result as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from runner.config.model import Config
from runner.journal import write_json
from runner.model import SCHEMA, CheckResult
from runner.preflight import (
    base_model,
    captions,
    config_file,
    dataset,
    device,
    disk,
    images,
    keep_tokens,
    logout,
    memory,
    other_run,
    output,
    overwrite,
    packages,
    python,
    steps,
    trainer,
    trigger,
)
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding

#: in the order of the panel: the trainer, what it learns from, where it writes, the machine
CHECKS: tuple[Check, ...] = (
    config_file.CHECK,
    trainer.CHECK,
    python.CHECK,
    packages.CHECK,
    base_model.CHECK,
    dataset.CHECK,
    images.CHECK,
    captions.CHECK,
    trigger.CHECK,
    keep_tokens.CHECK,
    steps.CHECK,
    output.CHECK,
    overwrite.CHECK,
    other_run.CHECK,
    disk.CHECK,
    memory.CHECK,
    logout.CHECK,
    device.CHECK,
)
_WORKERS = 6


def run_checks(
    config: Config,
    *,
    smoke: bool = False,
    cancel: threading.Event | None = None,
    slow: bool = True,
    checks: Sequence[Check] = CHECKS,
) -> Iterator[CheckResult]:
    """Each result as it is found; the quick ones begin first, so the slow ones come last.

    smoke: look at the smoke test's flags. slow=False leaves out what takes seconds (the device).
    Setting `cancel`, or closing the iterator, ends it and every process that was started.
    """
    cancelled = cancel or threading.Event()
    facts = Facts(config, smoke=smoke, cancelled=cancelled)
    wanted = [check for check in checks if slow or not check.slow]
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="preflight")
    try:
        queue = sorted(wanted, key=lambda check: check.slow)
        futures = [pool.submit(run_check, check, facts) for check in queue]
        for future in as_completed(futures):
            if cancelled.is_set():
                return
            yield future.result()
    finally:
        finished = all(future.done() for future in futures)
        if not finished:
            cancelled.set()
        pool.shutdown(wait=True, cancel_futures=True)


def run_check(check: Check, facts: Facts) -> CheckResult:
    """One result, whatever happens: a check that crashes is a failed check that says so."""
    try:
        found = check.look(facts)
    except Exception as error:
        detail = f"The check itself failed with {type(error).__name__}: {error}."
        found = Finding("fail", "check crashed", detail)
    return CheckResult(
        check.name, found.status, found.evidence, found.fix, check.title, found.detail
    )


def in_order(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Sorted as the panel shows them, whichever was found first."""
    places = {check.name: place for place, check in enumerate(CHECKS)}
    return tuple(sorted(results, key=lambda result: places.get(result.name, len(places))))


def all_passed(results: Iterable[CheckResult]) -> bool:
    """Warnings do not keep a run from starting; failures do."""
    return all(result.status != "fail" for result in results)


def write_preflight(path: Path, results: Iterable[CheckResult]) -> None:
    """preflight.json, replaced by rename. Raises OSError."""
    checks = in_order(results)
    write_json(path, {"schema": SCHEMA, "passed": all_passed(checks), "checks": checks})
