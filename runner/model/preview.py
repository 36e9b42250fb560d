"""What a start, a resume or a retry would do, in words, before it is done. Types only."""

from __future__ import annotations

from pathlib import PurePath

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Existing:
    """A file or state folder that would be overwritten, and its identity: a person agrees to overwrite this
    one, not whatever has the same name later."""

    path: str
    modified_ns: int
    size_bytes: int
    inode: int

    @property
    def name(self) -> str:
        return PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A setting that differs from what ran before. None: not set. `why`: in a few words."""

    name: str
    before: str | None
    after: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`title`: the question, without a question mark at its end; `facts`: what will happen, a sentence
    each; `warnings`: what is lost or will differ; `changes`: settings against the attempt before;
    `command`: as a person would type it; `existing`: files of an earlier training that would be overwritten."""

    title: str = ""
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    changes: tuple[FlagChange, ...] = ()
    command: str = ""
    existing: tuple[Existing, ...] = ()
