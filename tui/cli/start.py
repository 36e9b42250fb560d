"""`forecast`, `check`, `start`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.analysis.smoke import smoke_passed, smoke_verdict
from runner.config.errors import ConfigError
from runner.config.model import Config
from runner.config.reading import read_settings
from runner.control import begin
from runner.control.start_refusals import WouldOverwrite
from runner.model import CheckResult
from runner.model.refusal import Refusal
from runner.model.units import count
from runner.preflight import existing_files as overwrite
from runner.preflight.registry import in_order
from runner.store.rundir import RunDir
from runner.trainers.command import shell_line
from runner.trainers.registry import known_flags
from tui.cli.common import (
    check_line,
    counted,
    exit_code,
    print_json,
    say,
    say_submitted,
    wait_for_end,
    write,
)
from tui.cli.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.cli.forecast_text import forecast_lines, forecast_object
from tui.text import clean

#: in the order of printing
SEVERITY = ("fail", "warn", "pass", "skip")


def load(options: argparse.Namespace) -> Config:
    """The configuration that the options name. Raises Fail: every error of the file, a line each."""
    config = load_file(options)
    try:
        changes = read_settings(options.set, Path.cwd(), known_flags(config.trainer))
        return config.changed(changes) if changes else config
    except ConfigError as error:
        raise Fail(str(error), WRONG_USE) from None


def load_file(options: argparse.Namespace) -> Config:
    """Without what --set changes. Raises Fail."""
    path = Path(options.config or "plasma.toml").expanduser()
    if not path.exists():
        hint = "" if options.config else ": make one, give --config FILE, or try `plasma-tui demo`"
        raise Fail(f"no {path} in {Path.cwd()}{hint}", NOT_FOUND)
    try:
        return begin.load(path)
    except ConfigError as error:
        raise Fail(str(error), WRONG_USE) from None


def forecast(options: argparse.Namespace) -> int:
    """What would be trained and written; starts nothing."""
    config = load(options)
    prepared = begin.prepare(config, forecast=begin.forecast_of(config))
    found = prepared.spec.forecast
    if found is None:
        raise Fail("no forecast is possible: `plasma-tui check` shows why")
    warnings = [*found.warnings, *prepared.command.warnings]
    if options.json:
        print_json(forecast_object(found, warnings))
        return OK
    write(*forecast_lines(found, warnings), "", shell_line(prepared.command))
    return OK


def check(options: argparse.Namespace) -> int:
    """All checks, problems first; with --fix the fix for one of them."""
    config = load(options)
    if options.fix:
        from tui.cli.fix import fix

        return fix(options, config)
    found = list(_counted(begin.checks(config)))
    results = by_severity(found)
    passed = all(result.status != "fail" for result in results)
    if options.json:
        print_json({"schema": 1, "passed": passed, "checks": results})
        return OK if passed else NO
    for result in results:
        write(check_line(result))
        if result.advice:
            write(f"    {clean(result.advice)}")
        if result.fix and result.status != "pass":
            write(f"    fix: plasma-tui check --fix {result.fix}")
    counts = [sum(result.status == status for result in results) for status in SEVERITY]
    failed, warned, good, _skipped = counts
    say(f"{failed} failed, {count(warned, 'warning')}, {good} passed")
    return OK if passed else NO


def _counted(results: Iterator[CheckResult]) -> Iterator[CheckResult]:
    """Some checks take seconds: a terminal gets a counter."""
    for number, result in enumerate(results, start=1):
        counted(f"{count(number, 'check')} done")
        yield result
    counted("")


def start(options: argparse.Namespace) -> int:
    """Check, start detached, print the run's id; with --queue of several files."""
    files = options.files
    if files and options.config:
        raise Fail("name the files either as FILE or with --config", WRONG_USE)
    if options.force and options.force.endswith(".toml"):  # a reason lets files be overwritten
        raise Fail(
            f"--force takes {options.force!r} as its REASON: name the files first", WRONG_USE
        )
    if len(files) > 1 and not options.queue:
        raise Fail(
            "one file at a time, or several with --queue: they train one after another", WRONG_USE
        )
    if len(files) < 2:
        return _ended(options, _started(options, (files or [options.config])[0]))
    codes, runs = [], []
    for file in files:  # all are queued before the first is waited for
        try:
            runs.append(_started(options, file))
        except (Fail, Refusal) as error:
            say(f"{file}: {error}")
            codes.append(error.code if isinstance(error, Fail) else NO)
    codes += [_ended(options, run) for run in runs]
    return next((code for code in codes if code != OK), OK)


def _started(options: argparse.Namespace, file: str | None) -> RunDir:
    config = load(argparse.Namespace(**vars(options) | {"config": file}))
    found = begin.preview(config, smoke=options.smoke)
    for text in (*found.facts, f"Command: {found.command}"):
        say(text)
    try:
        with problems_by_severity() as on_check:
            run = begin.start(
                config,
                smoke=options.smoke,
                force=options.force,
                on_check=on_check,
                queue=options.queue,
            )
    except begin.ChecksFailed as error:
        raise Fail(
            f"not started: {count(len(error.failed), 'check')} failed "
            "(`plasma-tui check` shows them; --force starts anyway)"
        ) from None
    except begin.GateClosed as error:
        raise Fail(f"not started: {error} (--force REASON starts anyway)") from None
    except WouldOverwrite as error:
        raise Fail(_overwrites(error)) from None
    write(run.id)
    say_submitted(run)
    if options.queue:
        say("queued: `plasma-tui queue` shows its place")
    elif not options.wait:
        say(f"watch it with `plasma-tui attach {run.id}`")
    return run


def _ended(options: argparse.Namespace, run: RunDir) -> int:
    """With --wait, the end of the run; its exit code."""
    if not options.wait:
        return OK
    snapshot = wait_for_end(run.path)
    say(f"{snapshot.outcome or snapshot.state}")
    for reason in snapshot.status.reasons if snapshot.status is not None else ():
        say(f"  {reason}")
    if not options.smoke:
        return exit_code(snapshot)
    for line in smoke_verdict(snapshot):
        say(check_line(line))
    if not smoke_passed(snapshot):
        return NO
    say(f"passed: approve it with `plasma-tui approve {run.id}`, then start the long run")
    return OK


def _overwrites(error: WouldOverwrite) -> str:
    existing = error.existing
    listed = "".join(f"\n  {line}" for line in overwrite.lines(existing))
    return (
        f"not started: {count(len(existing), 'existing file')} in {Path(existing[0].path).parent} would be "
        f"overwritten:{listed}\nchange output_name (--set output_name=NAME), move them away "
        "(`plasma-tui check --fix overwrite`), or overwrite them with --force REASON"
    )


@contextmanager
def problems_by_severity() -> Iterator[Callable[[CheckResult], None]]:
    """Takes results as they are found, and prints failures and warnings when all are done."""
    found: list[CheckResult] = []
    try:
        yield found.append
    finally:
        for result in by_severity(found):
            if result.status in ("warn", "fail"):
                say(check_line(result))


def by_severity(results: Iterable[CheckResult]) -> list[CheckResult]:
    return sorted(in_order(results), key=lambda result: SEVERITY.index(result.status))
