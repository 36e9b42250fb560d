"""All checks, and how they are run: side by side, each result as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from runner.config.model import Config
from runner.model import SCHEMA, CheckResult
from runner.preflight import (
    accelerate,
    architecture,
    base_model,
    buckets,
    caching,
    captions,
    combinations,
    config_file,
    dataset,
    device,
    disk,
    duplicates,
    encoders,
    environment,
    extensions,
    flag_names,
    flip_aug,
    gpu_users,
    image_files,
    images,
    imports,
    keep_tokens,
    latents,
    launcher,
    learning_rate,
    logging_flags,
    logout,
    memory,
    mps,
    mps_fallback,
    mps_traps,
    network,
    notices,
    optimizer,
    other_run,
    output,
    overwrite,
    packages,
    precision,
    processes,
    python,
    repeats,
    resume_state,
    samples,
    schedule,
    size,
    sleep,
    states,
    steps,
    tokenizer,
    trainer,
    trigger,
    vae,
    versions,
    workers,
)
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, short
from runner.store.journal import write_json

#: in the order of the panel: the trainer, what it learns from, where it writes, the machine
CHECKS: tuple[Check, ...] = (
    config_file.CHECK,
    trainer.CHECK,
    python.CHECK,
    packages.CHECK,
    versions.CHECK,
    flag_names.CHECK,
    base_model.CHECK,
    architecture.CHECK,
    vae.CHECK,
    encoders.CHECK,
    tokenizer.CHECK,
    dataset.CHECK,
    images.CHECK,
    image_files.CHECK,
    extensions.CHECK,
    duplicates.CHECK,
    captions.CHECK,
    trigger.CHECK,
    keep_tokens.CHECK,
    flip_aug.CHECK,
    repeats.CHECK,
    buckets.CHECK,
    latents.CHECK,
    caching.CHECK,
    steps.CHECK,
    network.CHECK,
    learning_rate.CHECK,
    schedule.CHECK,
    combinations.CHECK,
    samples.CHECK,
    logging_flags.CHECK,
    workers.CHECK,
    resume_state.CHECK,
    output.CHECK,
    overwrite.CHECK,
    other_run.CHECK,
    size.CHECK,
    states.CHECK,
    disk.CHECK,
    accelerate.CHECK,
    processes.CHECK,
    environment.CHECK,
    gpu_users.CHECK,
    memory.CHECK,
    mps_traps.CHECK,
    mps_fallback.CHECK,
    logout.CHECK,
    sleep.CHECK,
    notices.CHECK,
    imports.CHECK,
    optimizer.CHECK,
    device.CHECK,
    launcher.CHECK,
    mps.CHECK,
    precision.CHECK,
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
        found = found.possible(facts.platform) if found.cures else found
    except Exception as error:
        detail = f"The check itself failed with {type(error).__name__}: {error}."
        found = Finding("fail", "check crashed", detail)
    fix = found.cures[0].name if found.cures else None
    evidence = short(found.evidence)
    return CheckResult(
        check.name, found.status, evidence, fix, check.title, found.detail, found.advice
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
