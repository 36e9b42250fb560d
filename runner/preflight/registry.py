"""All checks, how they run (in parallel, each result as soon as it is ready), and their fixes by name. A
check registers itself (`@check`) in a module of `runner.preflight.checks`; there is no list to maintain.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import import_module
from pkgutil import iter_modules

from runner.config.model import Config
from runner.model import CheckResult
from runner.preflight import checks as topics
from runner.preflight.cures.model import Cure
from runner.preflight.facts import Facts
from runner.preflight.model import REGISTERED, Check, failed, skipped

for _topic in iter_modules(topics.__path__, f"{topics.__name__}."):
    import_module(_topic.name)

#: in the order of the panel: the trainer, what it learns from, where it writes, the machine
CHECKS: tuple[Check, ...] = tuple(sorted(REGISTERED, key=lambda check: check.order))
BY_NAME: Mapping[str, Check] = {check.name: check for check in CHECKS}
#: cause of runner.analysis.diagnosis -> the check that fails (or warns, if the trainer may still work);
#: `tests/unit/preflight/test_preflight_foreseen.py` reproduces each recorded failure and verifies this
FORESEEN: Mapping[str, str] = {cause: check.name for check in CHECKS for cause in check.foresees}
#: they answer for the machine that they run on, which trains nothing if a cluster does
OF_THIS_MACHINE = frozenset(
    ("device", "launcher", "mps", "mps_traps", "mps_fallback", "precision", "torch_build", "xformers",
     "bitsandbytes", "triton", "gpu_users", "memory", "memory_need", "workers", "logout", "sleep")
)  # fmt: skip
#: only asked where a cluster trains
OF_A_CLUSTER = frozenset(("slurm", "shared_files"))
_ELSEWHERE = "on a node", "The training runs on a node of the cluster, not on this machine."
_WORKERS = 6


def run_checks(
    config: Config,
    *,
    smoke: bool = False,
    cancel: threading.Event | None = None,
    slow: bool = True,
    checks: Sequence[Check] = CHECKS,
    run_id: str = "",
    waits: bool = False,
) -> Iterator[CheckResult]:
    """Each result as soon as it is ready; quick ones start first, so slow ones are last. smoke: check the
    smoke test's flags. slow=False skips checks that take seconds (the device). Setting `cancel`, or closing
    the iterator, stops it and every started process. `run_id`: of the queued run that is about to start;
    `waits`: it is put into the queue now.
    """
    cancelled = cancel or threading.Event()
    facts = Facts(config, smoke=smoke, cancelled=cancelled, run_id=run_id, waits=waits)
    left_out = OF_A_CLUSTER if config.engine.is_local else frozenset()
    asked = (check for check in checks if (slow or not check.slow) and check.name not in left_out)
    wanted = sorted(asked, key=lambda check: check.slow)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="preflight")
    futures = [pool.submit(run_check, check, facts) for check in wanted]
    try:
        for future in as_completed(futures):
            if cancelled.is_set():
                return
            yield future.result()
    finally:
        if not all(future.done() for future in futures):
            cancelled.set()
        pool.shutdown(wait=True, cancel_futures=True)


def run_check(check: Check, facts: Facts) -> CheckResult:
    """One result, whatever happens: a crashed check is a failed check that reports it."""
    try:
        elsewhere = not facts.config.engine.is_local and check.name in OF_THIS_MACHINE
        found = skipped(*_ELSEWHERE) if elsewhere else check.look(facts)
    except Exception as error:
        detail = f"The check itself failed with {type(error).__name__}: {error}."
        found = failed("check crashed", detail)
    fix = found.cures[0].name if found.cures else None
    return CheckResult(
        check.name, found.status, found.evidence, fix, check.title, found.detail, found.advice
    )


def in_order(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Sorted as the panel shows them, whichever was found first."""
    places = {check.name: place for place, check in enumerate(CHECKS)}
    return tuple(sorted(results, key=lambda result: places.get(result.name, len(places))))


def cure_for(
    name: str, config: Config, *, smoke: bool = False, cancelled: threading.Event | None = None
) -> Cure | None:
    """The fix for what the named check finds now; None: nothing to fix, or no fix. `name` is that of a check
    or of one of its further fixes. Raises KeyError for any other name. May take as long as the check (the
    probe's answer is cached). Nothing is changed before `apply`.
    """
    check = BY_NAME[check_of(name)]
    cures = check.look(Facts(config, smoke=smoke, cancelled=cancelled)).cures
    named = next((cure for cure in cures if cure.name == name), None)
    if named is None and name == check.name and cures:
        return cures[0]  # the root cause is fixed in another check
    return named


def check_of(name: str) -> str:
    """The check that offers the fix of that name."""
    return next((check.name for check in CHECKS if name in check.cures), name)


def known_names() -> tuple[str, ...]:
    """Every name that `cure_for` accepts."""
    return (*(check.name for check in CHECKS), *(name for check in CHECKS for name in check.cures))
