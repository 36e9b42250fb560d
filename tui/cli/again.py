"""`resume` and `retry`: the next attempt of a run that has ended."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from runner.config.hiding import hidden_command
from runner.control import launch
from runner.control.queueing import QueueRequest
from runner.control.resume import plan_resume
from runner.control.resume_attempt import ResumePlan
from runner.control.retry import carry_out, plan_retry
from runner.model.preview import Preview
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tui.cli.common import find_run, find_runs, print_json, say, started
from tui.cli.exits import OK


def resume(options: argparse.Namespace) -> int:
    """Show, then start, the next attempt of a run, or of every run of a group that needs one."""
    paths, group = find_runs(options.run)
    if group:
        from tui.cli.groups import resume_group

        return resume_group(paths, group, options)
    (path,) = paths
    snapshot = RunReader(path, console=False).read_all()
    found = plan_resume(snapshot, named=options.source, changes=options.set)
    if options.json:
        print_json(resume_object(path, found))
    else:
        print_preview(found.preview)
    if options.dry_run:
        return OK
    request = QueueRequest() if options.queue else None
    launch.start_attempt(RunDir(path), found.approved(options.force), queue=request)
    return started(RunDir(path), wait=options.wait, silent=options.json)


def retry(options: argparse.Namespace) -> int:
    """Show what differs, then start again."""
    snapshot = RunReader(find_run(options.run), console=False).read_all()
    found = plan_retry(snapshot, options.set, restart=options.restart)
    print_preview(found.preview)
    if options.dry_run:
        return OK
    return started(carry_out(found, force=options.force, queue=options.queue), wait=options.wait)


def print_preview(preview: Preview) -> None:
    """On stderr: the steps, what is lost, what differs, the command."""
    for fact in preview.facts:
        say(fact)
    for warning in preview.warnings:
        say(f"! {warning}")
    for change in preview.changes:
        before = change.before if change.before is not None else "not set"
        after = change.after if change.after is not None else "not set"
        say(f"  {change.name}: {before} -> {after}")
    say(preview.command)


def resume_object(path: Path, found: ResumePlan) -> dict[str, object]:
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
