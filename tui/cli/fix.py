"""`check --fix NAME`: shows what a fix will do, asks, does it, and runs the check again."""

from __future__ import annotations

import argparse

from runner.config.errors import nearest
from runner.config.model import Config
from runner.model import CheckResult
from runner.preflight.cures.model import Cure, CureFailed
from runner.preflight.registry import CHECKS, check_of, cure_for, known_names, run_checks
from tui.cli.common import agreed, check_line, print_json, say, write
from tui.cli.exits import NO, OK, WRONG_USE, Fail


def fix(options: argparse.Namespace, config: Config) -> int:
    """Exit 0 when the check no longer fails. Nothing is changed before a yes (or --yes)."""
    name = options.fix
    try:
        cure = cure_for(name, config)
    except KeyError:
        meant = nearest(name, known_names())
        near = f"; nearest: {meant}" if meant else ""
        raise Fail(
            f"no check is named {name!r}{near} (see `plasma-tui check --json`)",
            WRONG_USE,
        ) from None
    if cure is None:
        return _nothing_to_do(options, config, name)
    say(f"{cure.title}:")
    for line in cure.will_do:
        say(f"  {line}")
    if not agreed("Do this?", "nothing was changed", yes=options.yes):
        say("nothing was changed")
        return NO
    _apply(cure)
    from tui.cli.start import load

    return _print(options, check_again(load(options), check_of(name)))


def _apply(cure: Cure) -> None:
    try:
        cure.apply(lambda line: say(f"  {line}"))
    except CureFailed as error:
        raise Fail(f"the fix did not work: {error}") from None


def _nothing_to_do(options: argparse.Namespace, config: Config, name: str) -> int:
    result = check_again(config, name)
    if result is None or result.status in ("pass", "skip"):
        say("nothing to fix")
        return _print(options, result)
    say(f"plasma-tui cannot fix this: {result.advice or result.detail}")
    return _print(options, result)


def check_again(config: Config, check: str) -> CheckResult | None:
    """This check alone."""
    wanted = [one for one in CHECKS if one.name == check]
    return next(run_checks(config, checks=wanted), None)


def _print(options: argparse.Namespace, result: CheckResult | None) -> int:
    good = result is None or result.status != "fail"
    if options.json:
        print_json({"schema": 1, "passed": good, "checks": [result] if result else []})
    elif result is not None:
        write(check_line(result))
    return OK if good else NO
