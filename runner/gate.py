"""The gate before a long run: a smoke test with the same settings passed, and a person said yes.

Who, when and what was approved lies in the smoke test's run folder (`approval.json`) and in the spec of every
run that it let through.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from runner.config.model import Config
from runner.control import Refused
from runner.journal import Unreadable, read_json, write_json
from runner.model import Approval, Outcome, RunSnapshot, RunSpec
from runner.reader import RunReader
from runner.registry import run_paths
from runner.rundir import RunDir
from runner.smoke import smoke_passed, smoke_verdict
from runner.who import whoami

#: flags that make a run longer, put its files elsewhere or save more often, but do not change how it
#: trains: an approval holds over changes of these
FREE_FLAGS = frozenset(
    [
        "output_dir",
        "output_name",
        "max_train_steps",
        "max_train_epochs",
        "save_every_n_steps",
        "save_every_n_epochs",
        "save_n_epoch_ratio",
        "save_last_n_steps",
        "save_last_n_epochs",
        "save_last_n_steps_state",
        "save_last_n_epochs_state",
        "save_state",
        "save_state_on_train_end",
        "save_model_as",
        "resume",
        "initial_step",
        "initial_epoch",
        "skip_until_initial_step",
        "logging_dir",
        "log_prefix",
        "log_with",
        "log_tracker_name",
        "sample_prompts",
        "sample_every_n_steps",
        "sample_every_n_epochs",
        "sample_at_first",
        "training_comment",
        "metadata_title",
        "metadata_author",
        "metadata_description",
        "metadata_license",
        "metadata_tags",
    ]
)
#: how many of the newest runs are looked through
LOOK_BACK = 300


@dataclass(frozen=True, slots=True)
class GateStatus:
    """`open`: the long run may start. `text`: why, or what is missing, one sentence. `smoke_run`: the
    newest smoke test with the same settings."""

    needed: bool
    open: bool
    text: str
    smoke_run: str | None = None
    smoke_passed: bool = False
    approval: Approval | None = None


def settings_key(config: Config) -> str:
    """A fingerprint of everything that decides how (not how long) the training runs."""
    trainer = config.trainer
    flags = {name: value for name, value in config.train.items() if name not in FREE_FLAGS}
    dataset = config.train.get("dataset_config")
    facts = {
        "python": trainer.python,
        "script": trainer.script,
        "launcher": trainer.launcher,
        "env": dict(trainer.env),
        "accelerate": dict(config.accelerate),
        "flags": flags,
        "dataset": _text(Path(dataset)) if isinstance(dataset, str) else None,
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()[:16]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def gate_status(config: Config) -> GateStatus:
    """May the long run of this configuration start?"""
    if not config.smoke.gate:
        return GateStatus(False, True, "no gate: [smoke] gate is off")
    key = settings_key(config)
    newest: RunSnapshot | None = None
    for path in run_paths()[:LOOK_BACK]:
        try:
            spec = read_json(path / "spec.json", RunSpec)
        except Unreadable:
            continue
        if not spec.smoke or spec.settings_key != key:
            continue
        approval = approval_of(path)
        if approval is not None and approval.settings_key == key:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(approval.at))
            text = f"approved {when} by {approval.by}, same settings"
            return GateStatus(True, True, text, path.name, True, approval)
        if newest is None:
            newest = RunReader(path, console=False).read_all()
    return _closed(newest)


def _closed(newest: RunSnapshot | None) -> GateStatus:
    if newest is None:
        return GateStatus(
            True, False, "no smoke test with these settings yet: `plasma-tui start --smoke`, or t"
        )
    if newest.outcome is None:
        return GateStatus(True, False, f"smoke test {newest.id} has not ended yet", newest.id)
    if not smoke_passed(newest):
        return GateStatus(
            True, False, f"smoke test {newest.id} did not pass: see `plasma-tui show {newest.id}`",
            newest.id,
        )  # fmt: skip
    return GateStatus(
        True, False,
        f"smoke test {newest.id} passed and waits for approval: `plasma-tui approve {newest.id}`",
        newest.id, True,
    )  # fmt: skip


def approval_of(path: Path) -> Approval | None:
    try:
        return read_json(path / "approval.json", Approval)
    except Unreadable:
        return None


def approve(path: Path, reason: str = "") -> Approval:
    """A person's yes to what this smoke test showed. Raises Refused, OSError."""
    snapshot = RunReader(path, console=False).read_all()
    spec = snapshot.spec
    if spec is None or not spec.smoke or spec.settings_key is None:
        raise Refused(f"run {snapshot.id} is no smoke test, so there is nothing to approve")
    if snapshot.outcome is None:
        raise Refused(f"smoke test {snapshot.id} has not ended yet")
    if snapshot.outcome is not Outcome.SUCCEEDED or not smoke_passed(snapshot):
        bad = [line.detail for line in smoke_verdict(snapshot) if line.status == "fail"]
        raise Refused(f"smoke test {snapshot.id} did not pass: {' '.join(bad) or snapshot.outcome}")
    given = Approval(
        whoami(), time.time(), spec.settings_key, snapshot.id, reason, smoke_verdict(snapshot)
    )
    write_json(RunDir(path).approval, given, durable=True)
    return given


def forced(config: Config, reason: str) -> Approval:
    """Going without a smoke test is written down as well."""
    return Approval(whoami(), time.time(), settings_key(config), None, reason)
