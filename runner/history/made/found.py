"""What an earlier training left in a folder: its files of weights by training, its event files.

Reads headers only. sd-scripts writes into every file which training it is of (train_network.py and
library/train_util.py, v0.6 to v0.10: `ss_session_id`, `ss_training_started_at`, `ss_output_name`, `ss_steps`,
`ss_epoch`, `ss_max_train_steps` ...).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.header import Broken, metadata_of, read_header
from runner.trainers.names import KOHYA_NAMES, SUFFIXES

_NO_NETWORK = "no trained network: it holds no lora weights and names no training"
#: entries of a folder tree that are looked at
MOST_ENTRIES = 300_000
#: event files begin so long before or after what the weights tell
NEAR_S = 600.0


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of weights. `problem`: why it is not whole; `metadata`: the trainer's own words."""

    path: Path
    size_bytes: int
    modified_at: float
    metadata: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    def number(self, key: str) -> float | None:
        try:
            return float(self.metadata[key])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """A folder with event files. Times are seconds since 1970, by the names of the files."""

    folder: Path
    began_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FoundTraining:
    """One training: its files in the order of their steps, its event files where they are known to be its."""

    key: str
    name: str
    files: tuple[FoundFile, ...] = ()
    events: FoundEvents | None = None

    @property
    def began_at(self) -> float:
        told = [n for f in self.files if (n := f.number("ss_training_started_at"))]
        if told:
            return min(told)
        if self.events is not None:
            return self.events.began_at
        return min(f.modified_at for f in self.files)

    @property
    def digest(self) -> str:
        """Changes with any file of it."""
        lines = [f"{f.path} {f.size_bytes} {f.modified_at}" for f in self.files]
        if self.events is not None:
            lines.append(f"{self.events.folder} {self.events.size_bytes}")
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(slots=True)
class Findings:
    """`passed_over`: files that are no training's, with the reason; `unreadable`: folders and files."""

    trainings: list[FoundTraining] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    cut: bool = False


def look_for_trainings(root: Path) -> Findings:
    """All below `root`; links to folders are not followed."""
    findings = Findings()
    groups: dict[str, list[FoundFile]] = {}
    broken: list[FoundFile] = []
    names: set[tuple[int, int]] = set()
    events: dict[Path, list[os.DirEntry[str]]] = {}
    for entry in _entries(root, findings):
        if "tfevents" in entry.name:
            events.setdefault(Path(entry.path).parent, []).append(entry)
        elif Path(entry.name).suffix in SUFFIXES:
            found = _weights(entry, findings)
            if found is None or _seen(entry, names):
                continue
            if not found.metadata and found.problem is not None:
                broken.append(found)
            else:
                groups.setdefault(_key(found), []).append(found)
    _give_broken(broken, groups, findings)
    logs = [one for folder, files in events.items() if (one := _events(folder, files)) is not None]
    for key, files in groups.items():
        made = FoundTraining(key, _name(files), _in_order(files))
        near = min(logs, key=lambda one: abs(one.began_at - made.began_at), default=None)
        if near is not None and abs(near.began_at - made.began_at) <= NEAR_S:
            logs.remove(near)
            made = FoundTraining(key, made.name, made.files, near)
        findings.trainings.append(made)
    for one in logs:
        label = one.folder.parent.name if one.folder.name == "network_train" else one.folder.name
        findings.trainings.append(FoundTraining(f"events {one.folder}", label or "events", (), one))
    findings.trainings.sort(key=lambda one: one.began_at)
    return findings


def _entries(root: Path, findings: Findings) -> list[os.DirEntry[str]]:
    """The upper folders first: of a file under two names the nearer one is its own."""
    found: list[os.DirEntry[str]] = []
    waiting, seen = deque([root]), 0
    while waiting:
        folder = waiting.popleft()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.endswith(
                            "-state"
                        ):  # a training state holds its own copies
                            waiting.append(Path(entry.path))
                    elif entry.is_file():
                        found.append(entry)
        except OSError as error:
            findings.unreadable.append((folder, error.strerror or str(error)))
        if seen > MOST_ENTRIES:
            findings.cut = True
            break
    return found


def _weights(entry: os.DirEntry[str], findings: Findings) -> FoundFile | None:
    path = Path(entry.path)
    try:
        stat = entry.stat()
        if path.suffix != ".safetensors":
            findings.passed_over.append(
                (path, "a pickle file: it does not say which training it is of")
            )
            return None
        header, _, whole_bytes = read_header(path)
    except Broken as error:
        # of a name that the trainer gives, it is a broken checkpoint of its training; else anybody's
        return FoundFile(path, stat.st_size, stat.st_mtime, {}, str(error))
    except OSError as error:
        findings.unreadable.append((path, error.strerror or str(error)))
        return None
    metadata = metadata_of(header)
    if not any(key.startswith("ss_") for key in metadata) and not _is_lora(header):
        findings.passed_over.append((path, _NO_NETWORK))
        return None
    short = whole_bytes - stat.st_size
    problem = f"cut off: {short:,} of {whole_bytes:,} bytes are missing" if short > 0 else None
    return FoundFile(path, stat.st_size, stat.st_mtime, metadata, problem)


def _seen(entry: os.DirEntry[str], names: set[tuple[int, int]]) -> bool:
    """One file under two names (plasma-tui links a resumed attempt's files beside the others)."""
    stat = entry.stat()
    if stat.st_nlink < 2:
        return False
    mark = (stat.st_dev, stat.st_ino)
    known = mark in names
    names.add(mark)
    return known


def _give_broken(
    broken: list[FoundFile], groups: dict[str, list[FoundFile]], findings: Findings
) -> None:
    """A file that does not say which training it is of belongs to the one whose files lie beside it, by its
    name; by itself it may be anything."""
    for one in broken:
        named = KOHYA_NAMES.parse(one.path.name)
        beside = [
            files
            for files in groups.values()
            if any(f.path.parent == one.path.parent and _base(f) == named.base for f in files)
        ]
        if beside:
            beside[-1].append(one)
        elif not named.final:  # of a name that only a training gives
            groups.setdefault(_key(one), []).append(one)
        else:
            findings.passed_over.append((one.path, one.problem or "not whole"))


def _base(one: FoundFile) -> str:
    return KOHYA_NAMES.parse(one.path.name).base


def _is_lora(header: dict[str, object]) -> bool:
    return any(".lora_" in name or ".hada_" in name or ".lokr_" in name for name in header)


def _key(one: FoundFile) -> str:
    """Of one training: its session; without one the same name in the same folder. (Merging tools and a resume
    make sessions of their own.)"""
    session = one.metadata.get("ss_session_id")
    base = one.metadata.get("ss_output_name") or KOHYA_NAMES.parse(one.path.name).base
    started = one.metadata.get("ss_training_started_at", "")
    if session:
        return f"session {session} {started} {base}"
    return f"folder {one.path.parent} {KOHYA_NAMES.parse(one.path.name).base}"


def _name(files: list[FoundFile]) -> str:
    told = next(
        (f.metadata["ss_output_name"] for f in files if f.metadata.get("ss_output_name")), None
    )
    return told or KOHYA_NAMES.parse(files[0].path.name).base


def _in_order(files: list[FoundFile]) -> tuple[FoundFile, ...]:
    return tuple(
        sorted(files, key=lambda f: (f.number("ss_steps") or 0, f.modified_at, f.path.name))
    )


def _events(folder: Path, files: list[os.DirEntry[str]]) -> FoundEvents | None:
    """`events.out.tfevents.<seconds>.<host>.<pid>.<n>`"""
    times: list[float] = []
    size = 0
    for entry in files:
        try:
            stat = entry.stat()
        except OSError:
            continue
        size += stat.st_size
        after = entry.name.partition("tfevents.")[2].partition(".")[0]
        times.append(float(after) if after.isdigit() else stat.st_mtime)
    return FoundEvents(folder, min(times), size) if times else None
