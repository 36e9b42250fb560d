"""Where things are: the run folder's file names and the home of all runs. Nothing else spells them."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder that holds `runs/`: $PLASMA_HOME, else $XDG_STATE_HOME/plasma-tui."""
    chosen = os.environ.get("PLASMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_state_dir("plasma-tui", appauthor=False))


def runs_root() -> Path:
    return home() / "runs"


def new_run_id(name: str, now: float | None = None) -> str:
    """`20261121-140311-<slug>-<4 hex>`: sorts by time, readable, unique enough to `mkdir`."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "run"
    return f"{stamp}-{slug}-{os.urandom(2).hex()}"


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths inside one run folder."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def steps(self) -> Path:
        return self.path / "steps.jsonl"

    @property
    def norms(self) -> Path:
        return self.path / "norms.jsonl"

    @property
    def hardware(self) -> Path:
        return self.path / "hardware.jsonl"

    @property
    def preflight(self) -> Path:
        return self.path / "preflight.json"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"

    @property
    def keeper(self) -> Path:
        return self.path / "keeper.json"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def inbox_done(self) -> Path:
        return self.path / "inbox" / "done"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def summary_json(self) -> Path:
        return self.path / "summary.json"

    @property
    def summary_md(self) -> Path:
        return self.path / "summary.md"

    @property
    def approval(self) -> Path:
        return self.path / "approval.json"

    @property
    def label(self) -> Path:
        """What a person calls the run; see runner.store.labels."""
        return self.path / "label.json"

    @property
    def notify(self) -> Path:
        """Where notices go to; readable by nobody else."""
        return self.path / "notify.json"

    @property
    def notices(self) -> Path:
        """Notices, a file each: those to be sent, and what became of the others."""
        return self.path / "notices"

    @property
    def metadata(self) -> Path:
        """Of an imported run: what its newest file of weights says of its training."""
        return self.path / "metadata.json"

    @property
    def scratch(self) -> Path:
        """Where a smoke test writes: nothing of it belongs among the user's files."""
        return self.path / "scratch"

    def attempt(self, number: int) -> Path:
        return self.path / f"attempt-{number}.json"

    def started(self, number: int) -> Path:
        """Made by the keeper of that attempt before it starts the trainer, so that it happens once."""
        return self.path / f"attempt-{number}.started"
