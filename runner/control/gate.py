"""The gate before a full run: a smoke test with the same settings passed and was approved. Who approved what
and when is recorded in the smoke test's run folder (`approval.json`) and in the spec of every run started
with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from runner.analysis.smoke import smoke_passed, smoke_verdict
from runner.config.errors import ConfigError
from runner.config.model import Config
from runner.control.orders import Refused
from runner.model import Approval, AttemptPlan, Outcome, RunSnapshot, RunSpec
from runner.store.inbox import current_user
from runner.store.journal import readable, write_json
from runner.store.reader import RunReader
from runner.store.registry import LOOK_BACK_RUNS, run_paths
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer
from runner.trainers.registry import load_config
from runner.trainers.sd_scripts.settings_key import changed_parts, key_of, part_of, settings_key


@dataclass(frozen=True, slots=True)
class GateStatus:
    """`open`: the full run may start. `text`: why, or what is missing, one sentence. `smoke_run`: the
    newest smoke test with the same settings. `key`: of the settings in question."""

    needed: bool
    open: bool
    text: str
    smoke_run: str | None = None
    smoke_passed: bool = False
    approval: Approval | None = None
    key: str = ""
    smoke_ended: bool = True


class GateClosed(Refused):
    """The full run needs a passed and approved smoke test; the text says what is missing."""


def gate_status(config: Config, key: str | None = None) -> GateStatus:
    """May the full run of this configuration start? `key`: its settings key, if already known."""
    if not config.smoke.gate:
        return GateStatus(False, True, "no gate: [smoke] gate is off")
    return gate_for(key or settings_key(config), str(config.path))


def gate_of_changed(spec: RunSpec, plan: AttemptPlan) -> GateStatus | None:
    """May this run be continued or retried as `plan`, with changed settings? None: no gate applied at its
    start, and none in its current plasma.toml."""
    if spec.smoke or (spec.approval is None and not _gated_now(spec)):
        return None
    return gate_for(key_of(plan.command, plan.env, plan.cwd), spec.config_path)


def _gated_now(spec: RunSpec) -> bool:
    if spec.config_path is None:
        return False
    try:
        return load_config(Path(spec.config_path)).smoke.gate
    except ConfigError:
        return False


def gate_for(key: str, config_path: str | None) -> GateStatus:
    """Was a smoke test with this settings key approved? `config_path`: used to find other smoke tests and
    what changed since."""
    newest: RunSnapshot | None = None
    other: RunSpec | None = None
    for path in run_paths()[:LOOK_BACK_RUNS]:
        spec = readable(path / "spec.json", RunSpec)
        if spec is None or not spec.smoke:
            continue
        if spec.settings_key != key:
            if other is None and config_path is not None and spec.config_path == config_path:
                other = spec
            continue
        approval = approval_of(path)
        if approval is not None and approval.settings_key == key:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(approval.at))
            text = f"approved {when} by {approval.by}, same settings"
            return GateStatus(True, True, text, path.name, True, approval, key)
        if newest is None:
            newest = RunReader(path, console=False).read_all()
    smoke_run = newest.id if newest is not None else None
    passed = newest is not None and newest.outcome is not None and smoke_passed(newest)
    text = _missing(newest, passed) if newest is not None else _no_smoke_test(other, key)
    ended = newest is None or newest.outcome is not None
    return GateStatus(True, False, text, smoke_run, passed, key=key, smoke_ended=ended)


def _missing(newest: RunSnapshot, passed: bool) -> str:
    if passed:
        return f"smoke test {newest.id} passed and needs approval: `plasma-tui approve {newest.id}`"
    if newest.outcome is None:
        return f"smoke test {newest.id} has not ended yet"
    return f"smoke test {newest.id} did not pass: see `plasma-tui show {newest.id}`"


def _no_smoke_test(other: RunSpec | None, key: str) -> str:
    """`other`: the project's newest smoke test."""
    changed = changed_parts(other.settings_key, key) if other is not None else None
    since = ""
    if changed is not None and other is not None:
        since = f" ({' and '.join(changed)} changed since {other.id})"
    elif other is not None:
        since = f" (settings changed since {other.id}, or it was recorded by an older version)"
    return f"no smoke test with these settings yet{since}: `plasma-tui start --smoke`, or t"


def approval_of(path: Path) -> Approval | None:
    return readable(RunDir(path).approval, Approval)


def approve(path: Path, reason: str = "") -> Approval:
    """Record the user's approval of this smoke test. Raises Refused, WrittenByNewer, OSError."""
    refuse_newer(RunDir(path))
    snapshot = RunReader(path, console=False).read_all()
    spec = snapshot.spec
    if spec is None or not spec.smoke or spec.settings_key is None:
        raise Refused(f"run {snapshot.id} is not a smoke test, so there is nothing to approve")
    if snapshot.outcome is None:
        raise Refused(f"smoke test {snapshot.id} has not ended yet")
    if part_of(spec.settings_key) is None:
        raise Refused(
            f"smoke test {snapshot.id} was recorded by an older version, so approving it has no "
            "effect: run it again"
        )
    if snapshot.outcome is not Outcome.SUCCEEDED or not smoke_passed(snapshot):
        bad = [line.detail for line in smoke_verdict(snapshot) if line.status == "fail"]
        raise Refused(f"smoke test {snapshot.id} did not pass: {' '.join(bad) or snapshot.outcome}")
    given = Approval(
        current_user(), time.time(), spec.settings_key, snapshot.id, reason, smoke_verdict(snapshot)
    )
    write_json(RunDir(path).approval, given, durable=True)
    return given


def forced(key: str, reason: str) -> Approval:
    """Starting without an approved smoke test is recorded too."""
    return Approval(current_user(), time.time(), key, None, reason)


def approval_for_changed(gate: GateStatus | None, force: str | None) -> Approval | None:
    """What is recorded when a run is continued or retried with other settings. `force`: a reason to override
    a closed gate. Raises GateClosed."""
    if gate is None or gate.open:
        return gate.approval if gate is not None else None
    if not force:
        raise GateClosed(
            f"these settings are not approved: {gate.text}; use --force REASON to override"
        )
    return forced(gate.key, f"forced, settings differ from the approved ones: {force}")
