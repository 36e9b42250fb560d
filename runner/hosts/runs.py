"""The runs of another machine: asked, decoded strictly, and remembered for when it does not answer."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from runner.files.private import private_folder
from runner.hosts.answer import NO_CONNECTION, NO_PROGRAM, Answer, collect
from runner.hosts.settings import Host
from runner.hosts.ssh import ssh_command
from runner.model import SCHEMA, RunListing
from runner.store.journal import UNDECODABLE, Unreadable, Versioned, read_json, write_json
from runner.store.rundir import home

#: of a host, live ones first: more would be a megabyte every ten seconds
MOST_RUNS = 500
#: of notes and tags that size, far more than MOST_RUNS have
LIMIT_BYTES = 8 << 20
PATIENCE_S = 20.0
#: the list is remembered for the next process that often
REMEMBER_S = 60.0
#: exit code, and a piece of its sentence, of a command that does not know our words
WRONG_USE = 2
_UNKNOWN_WORDS = ("no option is called", "unrecognized arguments", "invalid choice")
#: what may follow `attach`; never an option, never two words
_ID = re.compile(r"[A-Za-z0-9][\w.@:+-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostRuns:
    """What is known about a host: its newest list, when that was read, how many runs there are in all; while it
    does not answer, why, and since when."""

    host: str
    runs: tuple[RunListing, ...] = ()
    read_at: float | None = None
    total: int = 0
    problem: str = ""
    since: float | None = None

    def answered(self, runs: tuple[RunListing, ...], total: int, now: float) -> HostRuns:
        return HostRuns(self.host, runs, now, max(total, len(runs)))

    def failed(self, problem: str, now: float) -> HostRuns:
        """The last list stays, and so does the time of the first failure."""
        since = self.since if self.problem and self.since is not None else now
        return replace(self, problem=problem, since=since)


class NoAnswer(Exception):
    """Why a host has no list, a few words."""


class _Listed(msgspec.Struct):
    """What `plasma-tui runs --json` prints. `total`: before --limit; earlier versions have none."""

    schema: int
    runs: tuple[RunListing, ...]
    total: int = 0


def ask(
    host: Host,
    before: HostRuns,
    *,
    patience_s: float = PATIENCE_S,
    cancelled: threading.Event | None = None,
    clock: Callable[[], float] = time.time,
) -> HostRuns:
    """One question over ssh; blocks, at most for `patience_s`. A host without an answer is no error."""
    command = ssh_command(host, ("runs", "--json", "--limit", str(MOST_RUNS)))
    answer = collect(command, limit_bytes=LIMIT_BYTES, patience_s=patience_s, cancelled=cancelled)
    try:
        runs, total = decoded(host.name, answer)
    except NoAnswer as why:
        return before.failed(str(why), clock())
    found = before.answered(runs, total, clock())
    if before.read_at is None or before.problem or clock() - _remembered_at(host.name) > REMEMBER_S:
        remember(found)
    return found


def decoded(name: str, answer: Answer) -> tuple[tuple[RunListing, ...], int]:
    """Its runs, marked as that host's, and how many it has. Raises NoAnswer."""
    if answer.code != 0:
        raise NoAnswer(why_not(name, answer))
    output = _list_in(answer.output)
    try:
        found = msgspec.json.decode(output, type=_Listed)
    except UNDECODABLE as error:
        with contextlib.suppress(*UNDECODABLE):
            _refuse_newer(msgspec.json.decode(output, type=Versioned).schema)
        if not output.lstrip().startswith(b"{"):
            raise NoAnswer(
                "its answer is no list of runs; does a start file of its shell print something?"
            ) from None
        raise NoAnswer(f"its list of runs cannot be read ({str(error)[:120]})") from None
    _refuse_newer(found.schema)
    runs = {one.id: one for one in found.runs[:MOST_RUNS] if _ID.fullmatch(one.id)}
    return tuple(replace(one, remote=name) for one in runs.values()), found.total


def _list_in(output: bytes) -> bytes:
    """Without what start files of the shell there print before and after it."""
    begin, end = output.find(b'{\n  "schema":'), output.rfind(b"\n}")
    return output[begin : end + 2] if 0 <= begin < end else output


def _refuse_newer(schema: int) -> None:
    if schema > SCHEMA:
        raise NoAnswer(f"its plasma-tui is newer (schema {schema}): update plasma-tui here")


def why_not(name: str, answer: Answer) -> str:
    """Of a command that failed: ssh's own last line, with what to do where that is clear."""
    lines = answer.error.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1].strip()[:300].removeprefix("ssh: ") if lines else ""
    if answer.problem:
        return answer.problem
    if answer.code == NO_PROGRAM:
        return f"plasma-tui was not found there; set command in [hosts.{name}] of config.toml"
    if answer.code == WRONG_USE and any(words in said for words in _UNKNOWN_WORDS):
        return f"its plasma-tui is older: update it there ({said.removeprefix('plasma-tui: ')})"
    if answer.code == NO_CONNECTION:
        if "Host key verification failed" in said:
            return f"its host key is new to ssh: run `ssh {name}` once"
        if "Permission denied" in said:
            said = said.rstrip(".")
            return f"{said}; ssh asks for no password here: `plasma-tui attach --host {name} last` does"
        return said or "ssh could not connect"
    return said.removeprefix("plasma-tui: ") or f"the command ended with code {answer.code}"


# --------------------------------------------------------------------------- the last known list


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file of the cache, which may be deleted."""

    host: str
    read_at: float
    total: int
    runs: tuple[RunListing, ...]
    schema: int = SCHEMA


def _kept_path(name: str) -> Path:
    """A host's name is no file's name."""
    return home() / "cache" / "hosts" / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"


def _remembered_at(name: str) -> float:
    try:
        return _kept_path(name).stat().st_mtime
    except OSError:
        return 0.0


def remember(found: HostRuns) -> None:
    """Never fails: only the cache is lost."""
    path = _kept_path(found.host)
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        private_folder(path.parent)
        write_json(path, _Kept(found.host, found.read_at or 0.0, found.total, found.runs))


def remembered(name: str) -> HostRuns:
    """The list that this or an earlier process got last; empty where there is none."""
    try:
        kept = read_json(_kept_path(name), _Kept)
    except Unreadable:
        return HostRuns(name)
    if kept.host != name or not kept.read_at:
        return HostRuns(name)
    runs = tuple(one for one in kept.runs if one.remote == name and _ID.fullmatch(one.id))
    return HostRuns(name, runs, kept.read_at, kept.total)
