"""Summary of an ended run: summary.md and summary.json in its folder.

A separate process writes them (`python -m runner.history.summary RUN`), so that neither plotting nor reading
hundreds of thousands of steps can cost the supervisor memory, or the verdict. It reads the last status as
JSON from stdin, because status.json is written after the summary; without it, from the folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePath

from runner.checkpoints.verify import NICENESS, ONE_THREAD
from runner.config.hiding import scrubbed
from runner.files.atomic import open_new, rename_to_free, replace_file
from runner.files.private import FILE_MODE
from runner.files.regular_file import open_regular
from runner.history.review.as_json import review_json
from runner.history.review.document import Document
from runner.history.review.document_of import document_of
from runner.history.review.gather import bare_review, review_of
from runner.history.review.markdown import to_markdown
from runner.history.review.model import Review
from runner.model import Status
from runner.process.spawn import module_command
from runner.store.journal import decode_json, encode_json, write_json
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

log = logging.getLogger("supervisor")

#: a dataset or output folder on a hanging disk must not delay the verdict
TIME_LIMIT_S = 30.0
_FRONT_BYTES = 4096


def write_summary(run: RunDir, final: Status, *, limit_s: float = TIME_LIMIT_S) -> None:
    """Write both forms, by rename; `final` is about to become status.json: once the run has ended, its
    summary must exist. Raises OSError."""
    if _in_child(run, final, limit_s):
        return
    read = RunReader(run.path, console=False).read_all()
    snapshot = replace(read, status=final, state=final.state, outcome=final.outcome)
    note = "this is the short summary: `plasma-tui show --markdown` prints a full one"
    write_review(run, bare_review(snapshot, note), plot=False)


def _in_child(run: RunDir, final: Status, limit_s: float) -> bool:
    """False: it failed, or took too long. Never wait longer: a child stuck in the kernel cannot be killed
    either."""
    command = module_command("runner.history.summary", str(run.path))
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
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


def markdown_of(review: Review, *, plot: bool) -> str:
    return to_markdown(safe_document(review, document_of(review, plot=plot)))


def safe_document(review: Review, document: Document) -> Document:
    """The same without any of the run's secrets, anywhere."""
    return scrubbed(document, review.secrets)


def write_review(run: RunDir, review: Review, *, plot: bool) -> None:
    """summary.json and summary.md by rename, and a copy next to the checkpoints, if configured. Raises
    OSError; a failed copy is not an error."""
    write_json(run.summary_json, review_json(review))
    text = markdown_of(review, plot=plot)
    replace_file(run.summary_md, text.encode("utf-8", "replace"), mode=FILE_MODE)
    spec = review.snapshot.spec
    if spec is not None and spec.summary_beside and spec.output_dir:
        # an output_name may contain folders, also `..`: the summary stays in output_dir
        name = f"{PurePath(spec.output_name or '').name or 'last'}-summary.md"
        with contextlib.suppress(OSError):
            write_beside(Path(spec.cwd) / spec.output_dir, name, text, run.id)


def write_beside(folder: Path, name: str, text: str, run_id: str) -> bool:
    """False: another file with that name exists that is not this run's summary. Raises OSError."""
    target, temporary = folder / name, folder / f".{name}.{run_id}.tmp"
    if not folder.is_dir():
        return False
    try:
        with open_new(temporary) as stream:
            stream.write(text.encode("utf-8", "replace"))
        if run_of(target) == run_id:
            temporary.replace(target)
        else:
            rename_to_free(temporary, target)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def run_of(summary: Path) -> str | None:
    """The run in a summary's front matter; None: not our summary."""
    if summary.is_symlink() or not summary.is_file():
        return None
    with open_regular(summary) as stream:
        head = stream.read(_FRONT_BYTES).decode("utf-8", "replace")
    if not head.startswith("---\nplasma_tui_summary: "):
        return None
    found = re.search(r'^run: "([^"]*)"$', head, re.MULTILINE)
    return found[1] if found else None


def main(arguments: list[str]) -> int:
    """Exit code 0: both files are written, with the plot if possible."""
    os.environ.update(ONE_THREAD)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    run = RunDir(Path(arguments[0]))
    text = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    review = review_of(run.path, decode_json(text, Status) if text.strip() else None)
    write_review(run, review, plot=False)  # whatever the plotter does to this process
    try:
        write_review(run, review, plot=True)
    except Exception:  # the summary is written without the plot
        logging.getLogger("review").exception("the plot was not drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
