"""Writes the summary of a run in a process of its own: the module `runner.history.review.write` with RUN.

The last status comes in as JSON on stdin, because status.json is written after the summary; without it, the
one in the folder is taken. Plotting and reading hundreds of thousands of steps then neither costs the
supervisor memory nor can end it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path

from runner.checkpoints.verify import NICENESS, ONE_THREAD
from runner.config.hiding import scrubbed
from runner.files.atomic import rename_to_free, replace_file
from runner.files.private import FILE_MODE
from runner.history.review.as_json import review_json
from runner.history.review.document import Document
from runner.history.review.document_of import document_of
from runner.history.review.gather import review_of
from runner.history.review.markdown import to_markdown
from runner.history.review.model import Review
from runner.model import Status
from runner.store.journal import decode_json, write_json
from runner.store.rundir import RunDir

_FRONT_BYTES = 4096


def write_review(run: RunDir, review: Review, *, plot: bool) -> None:
    """summary.json and summary.md by rename, and the copy beside the checkpoints where it is wanted.
    Raises OSError; a copy that could not be written is no error."""
    write_json(run.summary_json, review_json(review))
    text = markdown_of(review, plot=plot)
    replace_file(run.summary_md, text.encode("utf-8", "replace"), mode=FILE_MODE)
    spec = review.snapshot.spec
    if spec is not None and spec.summary_beside and spec.output_dir:
        name = f"{spec.output_name or 'last'}-summary.md"
        with contextlib.suppress(OSError):
            write_beside(Path(spec.cwd) / spec.output_dir, name, text, run.id)


def markdown_of(review: Review, *, plot: bool) -> str:
    return to_markdown(safe_document(review, document_of(review, plot=plot)))


def safe_document(review: Review, document: Document) -> Document:
    """The same without any of the run's secrets, wherever they stand."""
    return scrubbed(document, review.secrets)


def write_beside(folder: Path, name: str, text: str, run_id: str) -> bool:
    """False: a file of that name is there and is not the summary of this very run. Raises OSError."""
    target = folder / name
    temporary = folder / f".{name}.{run_id}.tmp"
    if not folder.is_dir():
        return False
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace")
        if os.path.lexists(target):
            if run_of(target) != run_id:
                return False
            temporary.replace(target)
            return True
        try:
            rename_to_free(temporary, target)  # never replaces what came meanwhile
        except FileExistsError:
            return False
        return True
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def run_of(summary: Path) -> str | None:
    """The run that a summary's front matter names; None: it is no summary of ours."""
    if summary.is_symlink() or not summary.is_file():
        return None
    with summary.open("rb") as stream:
        head = stream.read(_FRONT_BYTES).decode("utf-8", "replace")
    if not head.startswith("---\nplasma_tui_summary: "):
        return None
    found = re.search(r'^run: "([^"]*)"$', head, re.MULTILINE)
    return found[1] if found else None


def main(arguments: list[str]) -> int:
    """Exit code 0: both files are written, with the plot if that could be drawn."""
    os.environ.update(ONE_THREAD)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    run = RunDir(Path(arguments[0]))
    text = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    final = decode_json(text, Status) if text.strip() else None
    review = review_of(run.path, final)
    write_review(run, review, plot=False)  # whatever the plotter does to this process
    try:
        write_review(run, review, plot=True)
    except Exception:  # the summary stands, without the plot
        logging.getLogger("review").exception("the plot was not drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
