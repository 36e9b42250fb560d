"""From plasma.toml to a started run: what the command and the screen both call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runner.config.load import load_config
from runner.config.model import Config
from runner.launch import start_run
from runner.model import CheckResult, Forecast
from runner.prepare import Prepared, prepare
from runner.rundir import RunDir

Changes = dict[str, Any]


class ChecksFailed(Exception):
    """Preflight says no; `failed` holds the checks that did."""

    def __init__(self, failed: list[CheckResult]) -> None:
        super().__init__(", ".join(check.title or check.name for check in failed))
        self.failed = failed


def load(path: Path) -> Config:
    """Read plasma.toml. Raises ConfigError with every problem of the file."""
    return load_config(path.absolute())


def forecast_of(config: Config, *, smoke: bool = False, changes: Changes | None = None) -> Forecast:
    """By sd-scripts' own arithmetic; what cannot be told is None and named in its warnings."""
    from runner.config.flags import merged
    from runner.forecast import forecast

    flags = merged(config.flags(smoke=smoke), changes or {})
    return forecast(flags, config.trainer_cwd, processes=config.processes)


def prepare_run(config: Config, *, smoke: bool = False, changes: Changes | None = None) -> Prepared:
    """Command, forecast and spec of the run; nothing is made or started."""
    found = forecast_of(config, smoke=smoke, changes=changes)
    return prepare(config, smoke=smoke, changes=changes, forecast=found)


def checks(
    config: Config,
    *,
    changes: Changes | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[CheckResult]:
    """The preflight checklist, each line as soon as it is known."""
    from runner.preflight import run_checks

    return run_checks(config, cancel=cancel)


def start(
    config: Config,
    *,
    smoke: bool = False,
    force: bool = False,
    changes: Changes | None = None,
    on_check: Callable[[CheckResult], None] | None = None,
) -> RunDir:
    """Run the checks, then the training. Raises ChecksFailed (unless `force`), StartRefused."""
    results = []
    for result in checks(config, changes=changes):
        results.append(result)
        if on_check is not None:
            on_check(result)
    failed = [result for result in results if result.status == "fail"]
    if failed and not force:
        raise ChecksFailed(failed)
    prepared = prepare_run(config, smoke=smoke, changes=changes)
    return start_run(prepared.spec, prepared.plan, tuple(results))
