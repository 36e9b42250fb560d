"""A new plasma.toml from what is on this machine: what `init` without --from and the screen use."""

from __future__ import annotations

from runner.trainers.sd_scripts.importers.expecting import with_expectations
from runner.trainers.sd_scripts.importers.files import Context
from runner.trainers.sd_scripts.importers.fresh import Answers, fresh_draft, suggested
from runner.trainers.sd_scripts.importers.model import Imported
from runner.trainers.sd_scripts.importers.project import look_at_project
from runner.trainers.sd_scripts.importers.write import imported


def new_project(answers: Answers | None = None, *, context: Context) -> Imported:
    """`answers` None: what was found is taken. What nobody knows stands in the text as a comment
    that says what is missing (see `missing_of`)."""
    chosen = answers or suggested(context.found, context.project)
    files = look_at_project(context.project)
    draft = fresh_draft(chosen, context.found, files, context.project)
    draft = with_expectations(draft, context.found, context.project)
    return imported(draft, context.project, context.places.home)


def missing_of(config_text: str) -> list[str]:
    """What a text from here still lacks: `name: what it is`, in the order of the text."""
    found = []
    for line in config_text.splitlines():
        head, mark, why = line.partition('= "..."  # missing: ')
        if mark and head.startswith("# "):
            found.append(f"{head[2:].strip()}: {why}")
    return found
