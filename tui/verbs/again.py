"""`resume` and `retry`: going on with a run that has ended, or trying it again."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from runner.config.hiding import hidden_command
from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.control.resume_attempt import ResumePlan
from runner.control.retry import carry_out, plan_retry
from runner.model.preview import Preview
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tui.exits import NO, OK, Fail
from tui.verbs.common import exit_code, find_run, print_json, say, wait_for_end


def resume(options: argparse.Namespace) -> int:
    """Show, then start, the next attempt of a run."""
    path = find_run(options.run)
    try:
        found = plan_resume(
            RunReader(path, console=False).read_all(), named=options.source, changes=options.set
        )
    except control.Refused as error:
        raise Fail(str(error)) from None
    if options.json:
        print_json(_json(path, found))
    else:
        tell(found.preview)
    if options.dry_run:
        return OK
    try:
        launch.start_attempt(RunDir(path), found.approved(options.force))
    except control.Refused as error:
        raise Fail(str(error), NO) from None
    if not options.json:
        sys.stdout.write(f"{path.name}\n")
        sys.stdout.flush()
    return exit_code(wait_for_end(path)) if options.wait else OK


def retry(options: argparse.Namespace) -> int:
    """Show the difference, then try again."""
    path = find_run(options.run)
    try:
        found = plan_retry(
            RunReader(path, console=False).read_all(), options.set, restart=options.restart
        )
    except control.Refused as error:
        raise Fail(str(error)) from None
    tell(found.preview)
    if options.dry_run:
        return OK
    try:
        started = carry_out(found, force=options.force)
    except control.Refused as error:
        raise Fail(str(error), NO) from None
    sys.stdout.write(f"{started.id}\n")
    sys.stdout.flush()
    return exit_code(wait_for_end(started.path)) if options.wait else OK


def tell(preview: Preview) -> None:
    """In words, on stderr: what comes, what is lost, what differs, the command."""
    for fact in preview.facts:
        say(fact)
    for warning in preview.warnings:
        say(f"! {warning}")
    for change in preview.changes:
        before = change.before if change.before is not None else "not set"
        after = change.after if change.after is not None else "not set"
        say(f"  {change.name}: {before} -> {after}")
    say(preview.command)


def _json(path: Path, found: ResumePlan) -> dict[str, object]:
    command = hidden_command(found.plan.command)
    return {
        "schema": 1,
        "id": path.name,
        "attempt": found.plan.attempt,
        "from_step": found.from_step,
        "to_step": found.to_step,
        "trained_steps": found.trained_steps,
        "replayed_steps": found.replayed_steps,
        "state_path": found.plan.state_path,
        "weights_path": found.plan.weights_path,
        "skip": found.plan.skip,
        "output_dir": found.plan.output_dir,
        "checkpoints": found.plan.expected,
        "changes": found.preview.changes,
        "facts": found.preview.facts,
        "notes": found.notes,
        "command": command,
        "shell": shlex.join(command),
    }
