"""What an ended run leaves for people and tools: summary.md and summary.json in its folder.

The work is `runner.history.review`; here it is started so that nothing of it can cost the verdict.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
from dataclasses import replace
from pathlib import Path

from runner.history.report import headline
from runner.history.review.gather import bare_review, review_of
from runner.history.review.write import markdown_of, write_review
from runner.model import Status
from runner.process.spawn import module_command
from runner.store.journal import encode_json
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

__all__ = ["headline", "summary_text", "write_summary"]

log = logging.getLogger("supervisor")

#: a dataset or an output folder on a disk that does not answer must not keep the verdict waiting
TIME_LIMIT_S = 30.0


def write_summary(run: RunDir, final: Status, *, limit_s: float = TIME_LIMIT_S) -> None:
    """Write both forms, by rename; `final` is about to become status.json: whoever sees the run
    ended shall find its summary. Raises OSError."""
    if _in_child(run, final, limit_s):
        return
    read = RunReader(run.path, console=False).read_all()
    snapshot = replace(read, status=final, state=final.state, outcome=final.outcome)
    note = "this is the short summary: `plasma-tui show --markdown` looks at everything again"
    write_review(run, bare_review(snapshot, note), plot=False)


def _in_child(run: RunDir, final: Status, limit_s: float) -> bool:
    """False: it failed, or took too long. The child is never waited for longer than that: one that hangs in
    the kernel cannot be killed either."""
    try:
        child = subprocess.Popen(
            module_command("runner.history.review.write", str(run.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None,
        )
    except OSError as error:
        log.warning("the summary's own process: %s", error)
        return False
    try:
        child.communicate(encode_json(final), timeout=limit_s)
    except subprocess.TimeoutExpired:
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)
        log.warning("the summary took longer than %.0f s", limit_s)
        return False
    if child.returncode:
        log.warning("the summary's own process ended with %s", child.returncode)
    return child.returncode == 0 and run.summary_md.exists()


def summary_text(path: Path, *, plot: bool = True) -> str:
    """The Markdown of any run, ended or not."""
    return markdown_of(review_of(path), plot=plot)
