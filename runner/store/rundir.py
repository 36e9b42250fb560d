"""Where things are: the run folder's file names and the home of all runs. Nothing else spells them."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


def home() -> Path:
    """The folder that holds `runs/`: $PLASMA_HOME, else $XDG_STATE_HOME/plasma-tui."""
    chosen = os.environ.get("PLASMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # 2 MB, which each queued run would hold

    return Path(platformdirs.user_state_dir("plasma-tui", appauthor=False))


def user_folder() -> Path:
    """The user's own settings: config.toml and themes; the same place on macOS."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "plasma-tui"


def user_config() -> Path | None:
    """Read by `runner.hosts.settings`; usually there is none."""
    path = user_folder() / "config.toml"
    return path if os.access(path, os.F_OK) else None


def runs_root() -> Path:
    return home() / "runs"


def new_run_id(name: str, now: float | None = None) -> str:
    """`20261121-140311-<slug>-<4 hex>`: sorts by time, readable, unique enough to `mkdir`."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "run"
    return f"{stamp}-{slug}-{os.urandom(2).hex()}"


class _Below:
    """A path inside the run folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: RunDir, _kind: type[RunDir] | None = None) -> Path:
        return run.path / self.name


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths inside one run folder."""

    path: Path

    spec = _Below("spec.json")
    status = _Below("status.json")
    events = _Below("events.jsonl")
    steps = _Below("steps.jsonl")
    norms = _Below("norms.jsonl")
    hardware = _Below("hardware.jsonl")
    preflight = _Below("preflight.json")
    console = _Below("console.log")
    exit = _Below("exit.json")
    keeper = _Below("keeper.json")
    #: the job of a cluster; see runner.model.engine
    job = _Below("job.json")
    #: the environment of the shell that started it, for its next jobs; readable only by the owner
    job_env = _Below("job.env")
    lock = _Below("lock")
    log = _Below("supervisor.log")
    inbox = _Below("inbox")
    inbox_done = _Below("inbox/done")
    tensorboard = _Below("tensorboard")
    summary_json = _Below("summary.json")
    summary_md = _Below("summary.md")
    approval = _Below("approval.json")
    #: of an attempt that waits for a slot, with the environment of its start; see runner.store.queue
    queued = _Below("queued.json")
    #: the user's label; see runner.store.labels
    label = _Below("label.json")
    #: destinations of notifications; readable only by the owner
    notify = _Below("notify.json")
    #: notifications, a file each: pending ones, and results of others
    notices = _Below("notices")
    #: for an imported run: training metadata of its newest checkpoint
    metadata = _Below("metadata.json")
    #: where a smoke test writes: not among the user's files
    scratch = _Below("scratch")

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def is_there(self) -> bool:
        """False once it was deleted, also if the trainer's event writer created a folder of its name again."""
        return self.spec.exists() or any(self.path.glob("attempt-*"))

    def attempt(self, number: int) -> Path:
        return self.path / f"attempt-{number}.json"

    def status_before(self, number: int) -> Path:
        """status.json as it was when attempt `number` was planned: the only other record of the files of
        earlier attempts."""
        return self.path / f"status-before-{number}.json"

    def started(self, number: int) -> Path:
        """Created by the attempt's keeper before it starts the trainer, so that it happens once."""
        return self.path / f"attempt-{number}.started"
