"""The runs of this machine: listing them, and finding one by user input."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.files.private import is_open, tighten
from runner.model import RunListing, RunSnapshot, RunSpec, RunState
from runner.model.refusal import Refusal
from runner.model.units import some
from runner.store.attempt import has_verdict
from runner.store.index import Entry, known_entries, mark_of, remember, worth_keeping
from runner.store.journal import readable
from runner.store.labels import read_label
from runner.store.listing import listing as listing
from runner.store.listing import listing_of as listing_of
from runner.store.liveness import lock_held
from runner.store.queue_times import with_queue
from runner.store.reader import LIVE as LIVE
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root
from runner.store.schema import Lasting
from runner.store.unrecorded import folders_with_processes, still_runs

#: how many of the newest runs are checked when a screen waits for the answer
RECENT = 50
#: how far back to search for an earlier run with the same settings
LOOK_BACK_RUNS = 300
#: the newest runs, and the others in so many turns: at two seconds a list, all within half a minute
ALWAYS_CHECKED, TURNS = 1_000, 15
_turns = itertools.count()
#: how many of the newest runs to search for a mistyped name
NEAR_AMONG = 500


class RunNotFound(Refusal, LookupError):
    """No run, or more than one, matches the text; the message lists similar names."""


def run_paths() -> list[Path]:
    """All run folders, newest first (ids start with their time)."""
    root = runs_root()
    return [root / entry.name for entry in _folders()]


_tightened: set[str] = set()


def _folders() -> list[os.DirEntry[str]]:
    """Newest first. A name starting with a dot is a run being removed."""
    try:
        with os.scandir(runs_root()) as entries:
            found = [one for one in entries if not one.name.startswith(".") and one.is_dir()]
    except OSError:
        return []
    seen = [one for one in found if one.path not in _tightened]
    _tightened.update(one.path for one in seen)
    if opened := [Path(one.path) for one in seen if is_open(one)]:
        for path in opened:  # written by an earlier version
            tighten(path)
        return _folders()  # an entry caches its type
    return sorted(found, key=lambda one: one.name, reverse=True)


def list_runs(*, at_leisure: bool = False) -> list[RunListing]:
    """Every run, newest first. Ended, unchanged runs are taken from the index: the same objects within one
    process. `at_leisure`, for a list that is read every few seconds: of those beyond the newest
    ALWAYS_CHECKED, one in TURNS is checked for a change. The index must have been checked before."""
    known, holding = known_entries(), dict[str, Entry]()
    found, turn = [], next(_turns)
    for place, folder in enumerate(_folders()):
        entry = known.get(folder.name)
        if at_leisure and entry and place >= ALWAYS_CHECKED and (place + turn) % TURNS:
            holding[folder.name] = entry
            found.append(entry.listing)
            continue
        mark = mark_of(folder)
        if entry is None or entry.mark != mark:
            now = time.time()
            one = listing(runs_root() / folder.name)
            if mark is None or not worth_keeping(one, mark, now):
                found.append(one)
                continue
            entry = Entry(mark, one)
        holding[folder.name] = entry
        found.append(entry.listing)
    remember(holding)
    return with_queue(found)


# --------------------------------------------------------------------------- finding


def resolve(text: str) -> Path:
    """The run folder for `text`: an id, a unique prefix of one, a folder's path, `last` (the newest run
    started here), or a unique run name: its label, else its project in plasma.toml.

    Raises RunNotFound with the nearest ids.
    """
    if text == "last":
        return _last()
    direct = Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown user is no error
    with contextlib.suppress(OSError):  # longer than a path can be
        if text and os.sep not in text and text[0] != "." and (runs_root() / text).is_dir():
            return runs_root() / text  # without reading thousands of others
        if os.sep in text and (direct / "spec.json").exists():
            return direct.absolute()
    paths = run_paths()
    exact = [path for path in paths if path.name == text]
    fitting = exact or [path for path in paths if text and path.name.startswith(text)]
    found = fitting or _named(text)
    if len(found) == 1:
        return found[0]
    if found:
        fits = [path.name for path in found]
        what = "fits" if fitting else "is the name of"
        raise RunNotFound(f"{text!r} {what} {len(found)} runs: {some(fits)}")
    if group := group_of(text):
        ids = some([one.id for one in group])
        raise RunNotFound(
            f"{group[0].group} is a group of {len(group)} runs, name one of them: {ids}"
        )
    raise _nothing_like(text, [path.name for path in paths])


def group_of(text: str) -> tuple[RunListing, ...]:
    """The runs of the group with this name, or of the only group whose name starts so or ends in `-text`,
    oldest first; empty: there is none."""
    groups: dict[str, list[RunListing]] = {}
    for one in list_runs():
        if one.group and text and (one.group.startswith(text) or one.group.endswith(f"-{text}")):
            groups.setdefault(one.group, []).append(one)
    found = groups.get(text) or (next(iter(groups.values())) if len(groups) == 1 else [])
    return tuple(sorted(found, key=lambda one: (one.created_at, one.id)))


def _last() -> Path:
    """The newest run that was started; an imported or inspected one only if there is no other."""
    paths = run_paths()
    if not paths:
        raise RunNotFound("there is no run yet: start one with `plasma-tui start`, or try `demo`")
    specs = ((path, readable(RunDir(path).spec, RunSpec)) for path in paths)
    return next((path for path, spec in specs if spec is None or not spec.origin), paths[0])


def _named(text: str) -> list[Path]:
    """Runs with that label, else those with that name in their configuration."""
    called = (runs_root() / run.id for run in list_runs() if run.name == text)
    return [path for path in called if read_label(path).name == text] or [
        path
        for path in run_paths()
        if getattr(readable(RunDir(path).spec, Lasting), "name", None) == text
    ]


def _nothing_like(text: str, ids: Sequence[str]) -> RunNotFound:
    if not ids:
        return RunNotFound(f"no run {text!r}: there is no run yet")
    near = [i for i in ids if text.lower() in i]
    near = near or difflib.get_close_matches(text, ids[:NEAR_AMONG], 3, 0.4)
    shown = some(near or list(ids))
    return RunNotFound(f"no run {text!r}; nearest: {shown} (see `plasma-tui runs`)")


# --------------------------------------------------------------------------- live runs


def live_runs() -> list[RunSnapshot]:
    """Runs that are queued, starting, running or stopping now."""
    return list(_live(_may_live()))


def _may_live() -> Iterator[Path]:
    """Without runs that ended according to the index and have unchanged folders."""
    known, root = known_entries(), runs_root()
    for folder in _folders():
        entry = known.get(folder.name)
        if entry is None or entry.mark != mark_of(folder):
            yield root / folder.name


def _live(paths: Iterator[Path]) -> Iterator[RunSnapshot]:
    for path in paths:
        run = RunDir(path)
        if not (has_verdict(run) and not lock_held(run.lock)):  # the lock is another attempt's
            snapshot = RunReader(path, console=False).read_small()
            if snapshot.state in LIVE:
                yield snapshot


def live_run_of(config_path: Path) -> Path | None:
    """The folder of the newest live run that this plasma.toml started, if there is one."""
    for snapshot in _live(iter(run_paths()[:RECENT])):
        spec = snapshot.spec
        if spec is not None and spec.config_path == str(config_path):
            return Path(snapshot.path)
    return None


def _judged_but_alive() -> Iterator[RunSnapshot]:
    for folder in folders_with_processes():
        path = Path(folder)
        if path.parent == Path(os.path.realpath(runs_root())) and still_runs(RunDir(path)):
            yield RunReader(path, console=False).read_small()


def same_target(
    output_dir: str | None, output_name: str | None, but: str = ""
) -> RunSnapshot | None:
    """A live or queued run that writes the same files, if there is one; also an ended one with live processes.
    `but`: the ID of a run that is left out."""
    if output_dir is None:
        return None
    return live_targets(but).get(target_key(output_dir, output_name))


def claim_of(other: RunSnapshot) -> str:
    """What the run that `same_target` found does with the files."""
    return "is queued to write" if other.state is RunState.QUEUED else "is writing"


Target = tuple[str, str | None]


def target_key(output_dir: str, output_name: str | None) -> Target:
    """(folder, base of the file names): an output_name may contain folders."""
    folder, _, base = (output_name or "").rpartition("/")
    return os.path.realpath(os.path.join(output_dir, folder)), base or None  # noqa: PTH118


def live_targets(but: str = "") -> dict[Target, RunSnapshot]:
    """By (output folder, output_name): the run that `same_target` finds."""
    found: dict[Target, RunSnapshot] = {}
    for snapshot in (*live_runs(), *_judged_but_alive()):
        spec = snapshot.spec
        if spec is not None and spec.output_dir is not None and snapshot.id != but:
            found.setdefault(target_key(spec.output_dir, spec.output_name), snapshot)
    return found
