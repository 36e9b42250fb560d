"""Finds earlier trainings below a folder: checkpoints and event files, grouped by training. Reads headers
only.

sd-scripts records the training in every file (train_network.py and
library/train_util.py, v0.6 to v0.10: `ss_session_id`, `ss_training_started_at`, `ss_output_name`, `ss_steps`,
`ss_epoch`, `ss_max_train_steps` ...).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.files.header import Broken, metadata_of, read_header
from runner.trainers.names import KOHYA_NAMES, SUFFIXES, FileNames

_NO_NETWORK = "not a trained network: no LoRA weights and no training metadata"
_PICKLE = "a pickle file: its training is unknown"
#: entries of a folder tree that are listed
MOST_ENTRIES = 300_000
#: event files may start this long before or after the weights' times
NEAR_S = 600.0


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A checkpoint file. `problem`: why it is incomplete; `metadata`: the trainer's metadata; `file_id`: the
    same for all names of one file."""

    path: Path
    size_bytes: int
    modified_at: float
    metadata: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    file_id: tuple[int, int] = (0, 0)

    def number(self, key: str) -> float | None:
        try:
            return float(self.metadata[key])
        except (KeyError, ValueError):
            return None

    @property
    def base(self) -> str:
        return self.names.parse(self.path.name).base

    @property
    def names(self) -> FileNames:
        """Of the files of its training."""
        return KOHYA_NAMES.of(self.metadata.get("ss_output_name"))

    @property
    def key(self) -> str:
        """Of its training: its session; without one the same name in the same folder. (Merge tools and a
        resume create new sessions.)"""
        session = self.metadata.get("ss_session_id")
        started = self.metadata.get("ss_training_started_at", "")
        if session:
            return f"session {session} {started} {self.metadata.get('ss_output_name') or self.base}"
        return f"folder {self.path.parent} {self.base}"


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """A folder with event files. Times are seconds since 1970, by the names of the files."""

    folder: Path
    began_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FoundTraining:
    """One training: its files by step, its event files if known to belong to it."""

    key: str
    name: str
    files: tuple[FoundFile, ...] = ()
    events: FoundEvents | None = None

    @property
    def began_at(self) -> float:
        told = [n for f in self.files if (n := f.number("ss_training_started_at"))]
        if not told and self.events is not None:
            return self.events.began_at
        return min(told or [f.modified_at for f in self.files])

    @property
    def digest(self) -> str:
        """Changes with any file of it."""
        lines = [f"{f.path} {f.size_bytes} {f.modified_at}" for f in self.files]
        if self.events is not None:
            lines.append(f"{self.events.folder} {self.events.size_bytes}")
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(slots=True)
class Findings:
    """`passed_over`: files without a training, with the reason; `unreadable`: folders and files; `cut`: more
    entries exist than listed."""

    trainings: list[FoundTraining] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    cut: bool = False


def look_for_trainings(root: Path) -> Findings:
    """All below `root`; links to folders are not followed."""
    findings = Findings()
    groups: dict[str, list[FoundFile]] = {}
    broken: list[FoundFile] = []
    seen: set[tuple[int, int]] = set()
    events: dict[Path, list[Path]] = {}
    for path in _paths(root, findings):
        if "tfevents" in path.name and path.is_file():
            events.setdefault(path.parent, []).append(path)
        elif path.suffix in SUFFIXES and path.is_file():
            found = _weights(path, findings)
            # plasma-tui links a resumed attempt's files next to the others: one file under two names
            if found is None or found.file_id in seen:
                continue
            seen.add(found.file_id)
            if not found.metadata and found.problem is not None:
                broken.append(found)
            else:
                groups.setdefault(found.key, []).append(found)
    _assign_broken(broken, groups, findings)
    logs = [one for folder, files in events.items() if (one := _events(folder, files)) is not None]
    for key, files in groups.items():
        made = FoundTraining(key, _name(files), tuple(sorted(files, key=_order)))
        near = min(logs, key=lambda one: abs(one.began_at - made.began_at), default=None)
        if near is not None and abs(near.began_at - made.began_at) <= NEAR_S:
            logs.remove(near)
            made = replace(made, events=near)
        findings.trainings.append(made)
    for one in logs:
        label = one.folder.parent.name if one.folder.name == "network_train" else one.folder.name
        findings.trainings.append(FoundTraining(f"events {one.folder}", label or "events", (), one))
    findings.trainings.sort(key=lambda one: one.began_at)
    return findings


def _paths(root: Path, findings: Findings) -> Iterator[Path]:
    """Every file, a folder's files before its subfolders."""

    def unreadable(error: OSError) -> None:
        findings.unreadable.append((Path(error.filename), error.strerror or str(error)))

    listed = 0
    for folder, folders, names in os.walk(root, onerror=unreadable):
        # a training state has its own copies
        folders[:] = sorted(name for name in folders if not name.endswith("-state"))
        yield from (Path(folder, name) for name in sorted(names))
        listed += len(folders) + len(names)
        if listed > MOST_ENTRIES:
            findings.cut = True
            return


def _weights(path: Path, findings: Findings) -> FoundFile | None:
    if path.suffix != ".safetensors":
        findings.passed_over.append((path, _PICKLE))
        return None
    try:
        stat = path.stat()
        file_id = (stat.st_dev, stat.st_ino)
        header, _, whole_bytes = read_header(path)
    except Broken as error:
        # with a trainer's name it is a broken checkpoint of its training; else unrelated
        return FoundFile(path, stat.st_size, stat.st_mtime, {}, str(error), file_id)
    except OSError as error:
        findings.unreadable.append((path, error.strerror or str(error)))
        return None
    metadata = metadata_of(header)
    lora = any(part in name for name in header for part in (".lora_", ".hada_", ".lokr_"))
    if not lora and not any(key.startswith("ss_") for key in metadata):
        findings.passed_over.append((path, _NO_NETWORK))
        return None
    short = whole_bytes - stat.st_size
    problem = f"truncated: {short:,} of {whole_bytes:,} bytes are missing" if short > 0 else None
    return FoundFile(path, stat.st_size, stat.st_mtime, metadata, problem, file_id)


def _assign_broken(
    broken: list[FoundFile], groups: dict[str, list[FoundFile]], findings: Findings
) -> None:
    """A file without training metadata belongs to the training next to it with the same name; alone it could
    be anything."""
    for one in broken:
        place = (one.path.parent, one.base)
        beside = [
            files
            for files in groups.values()
            if any((f.path.parent, f.base) == place for f in files)
        ]
        if beside:
            beside[-1].append(one)
        elif one.names.parse(one.path.name).final:  # the name alone proves nothing
            findings.passed_over.append((one.path, one.problem or "not complete"))
        else:
            groups.setdefault(one.key, []).append(one)


def _name(files: list[FoundFile]) -> str:
    told = (name for f in files if (name := f.metadata.get("ss_output_name")))
    return next(told, files[0].base)


def _order(one: FoundFile) -> tuple[float, float, str]:
    return one.number("ss_steps") or 0, one.modified_at, one.path.name


def _events(folder: Path, files: Sequence[Path]) -> FoundEvents | None:
    """`events.out.tfevents.<seconds>.<host>.<pid>.<n>`"""
    times: list[float] = []
    size = 0
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            continue
        size += stat.st_size
        after = path.name.partition("tfevents.")[2].partition(".")[0]
        times.append(float(after) if after.isdecimal() else stat.st_mtime)
    return FoundEvents(folder, min(times), size) if times else None
