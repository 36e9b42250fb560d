"""Preview of a start, a resume or a retry. Types only."""

from __future__ import annotations

from pathlib import PurePath

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Existing:
    """A file or state folder that would be overwritten, and its identity: the user agrees to overwrite this
    file, not a later one of the same name."""

    path: str
    modified_ns: int
    size_bytes: int
    inode: int

    @property
    def name(self) -> str:
        return PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A setting that differs from the previous attempt. None: not set. `why`: a short reason."""

    name: str
    before: str | None
    after: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`title`: the question, without a question mark at its end; `facts`: what will happen, a sentence each;
    `warnings`: what is lost or will differ; `changes`: settings compared to the previous attempt; `command`:
    as typed in a shell; `existing`: files of an earlier training that would be overwritten."""

    title: str = ""
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    changes: tuple[FlagChange, ...] = ()
    command: str = ""
    existing: tuple[Existing, ...] = ()
