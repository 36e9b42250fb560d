"""Retries with other settings: from the newest good state or checkpoint, else from the beginning.

The former is a further attempt of the same run; a restart is a new run in its own folder, so neither
overwrites anything.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.analysis.outcome import NOT_STARTED
from runner.config.channels import channels_or_none
from runner.config.errors import ConfigError
from runner.config.flags import with_flags
from runner.config.hiding import hidden_command
from runner.config.model import Config
from runner.control.changes import Changes, applied, changed_config, differences, read_changes
from runner.control.gate import GateStatus, approval_for_changed, gate_of_changed
from runner.control.launch import start_attempt, start_run
from runner.control.orders import Refused
from runner.control.queueing import QueueRequest
from runner.control.resume import ended_run, gate_warnings, plan_resume
from runner.control.resume_attempt import ResumePlan
from runner.control.resume_checks import processes_of, versions_of
from runner.control.start_refusals import StartRefused
from runner.model import AttemptPlan, Cause, CheckResult, Forecast, RunSnapshot, RunSpec
from runner.model.preview import FlagChange, Preview
from runner.preflight.existing_files import files_of_name
from runner.store.journal import Unreadable, read_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.registry import load_config, program_of, recorded_trainer
from runner.trainers.sd_scripts.config_file import effective_flags
from runner.trainers.sd_scripts.dataset_keys import dataset_text
from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints
from runner.trainers.sd_scripts.settings_key import key_of, part_of, settings_key, settings_part

_OURS = ("output_dir", "logging_dir")


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """`preview`: what will happen, as text. Either `resume` is set, or `spec` and `plan` of a new run, with
    the changed configuration if plasma.toml is unchanged since the start. `gate`: for the new run's settings;
    None: the run was started without a gate."""

    run: RunDir
    preview: Preview
    resume: ResumePlan | None = None
    spec: RunSpec | None = None
    plan: AttemptPlan | None = None
    config: Config | None = None
    gate: GateStatus | None = None


def plan_retry(
    snapshot: RunSnapshot,
    changes: Sequence[str] = (),
    *,
    restart: bool = False,
    unchanged: bool = False,
) -> RetryPlan:
    """`changes`: FLAG=VALUE; empty: the fix for the run's cause, or, if `unchanged`, none. `restart`: from the
    beginning, even if something good was saved. Raises Refused."""
    spec, status = ended_run(snapshot, "tried again")
    cure = status.cause.changes if status.cause is not None and not unchanged else ()
    words = tuple(changes) or cure
    if not (words or unchanged) and (status.cause is None or status.cause.key != NOT_STARTED):
        raise Refused(_no_cure(snapshot.id, status.cause))
    run = RunDir(Path(snapshot.path))
    why = "as asked for" if restart else "nothing was saved"
    try:
        wanted = read_changes(words)
        if status.checkpoints and not restart:
            try:
                resume = plan_resume(snapshot, changes=words)
            except Refused as error:
                why = str(error)
            else:
                return RetryPlan(run, _preview(resume.preview, spec, wanted), resume=resume)
        return _from_the_beginning(run, spec, status.attempt, wanted, why)
    except (Unreadable, ValueError) as error:
        raise Refused(f"run {snapshot.id} cannot be retried: {error}") from None


def _no_cure(run_id: str, cause: Cause | None) -> str:
    if cause is None:
        return f"run {run_id} needs no fix; pass changes with --set FLAG=VALUE"
    return (
        f"for {cause.key.replace('_', ' ')} no setting fixes it: follow the advice, or pass "
        "changes with --set FLAG=VALUE"
    )


def _refuse_no_difference(changes: Sequence[FlagChange], wanted: Changes) -> None:
    if wanted.words and not changes:
        raise Refused(
            f"{', '.join(wanted.words)} was already set: pass another change with --set FLAG=VALUE"
        )


def _preview(preview: Preview, spec: RunSpec, wanted: Changes) -> Preview:
    """A resume as a retry. Raises Refused if nothing would differ."""
    _refuse_no_difference(preview.changes, wanted)
    return replace(
        preview,
        title=f"Retry {spec.name}",
        warnings=(*preview.warnings, *_keep_it(spec)),
    )


def _keep_it(spec: RunSpec) -> tuple[str, ...]:
    if spec.config_path is None:
        return ()
    name = Path(spec.config_path).name
    return (f"{name} is not changed: put the new settings there if they help.",)


# ----------------------------------------------------------------- a new run


def _from_the_beginning(
    run: RunDir, spec: RunSpec, attempt: int, wanted: Changes, why: str
) -> RetryPlan:
    """`attempt`: the newest one; its changes apply too. Raises ValueError, Unreadable."""
    first = read_json(run.attempt(1), AttemptPlan)
    earlier = read_changes(read_json(run.attempt(attempt), AttemptPlan).changes)
    wanted_in_all = wanted.over(earlier)
    before, changed = applied(first, earlier), applied(first, wanted_in_all)
    _refuse_no_difference(differences(before, changed), wanted)
    new = RunDir(runs_root() / new_run_id(spec.name, time.time()))
    plan = _placed(spec, changed, new)
    config = _config(spec, wanted_in_all)
    flags, cwd = effective_flags(plan), Path(plan.cwd)
    key: str | None = key_of(changed.command, changed.env, changed.cwd)
    if spec.smoke:  # of the full run it is for, if known
        key = settings_key(config) if config is not None else None
    new_spec = replace(
        spec,
        id=new.id,
        command=plan.command,
        env=plan.env,
        created_at=time.time(),
        output_dir=plan.output_dir,
        logging_dir=plan.logging_dir,
        forecast=_forecast(spec.forecast, plan, flags),
        versions=versions_of(spec),
        settings_key=key,
        approval=None,
        overwrite=None,
        retry_of=run.id,
        dataset_text=dataset_text(flags, cwd),
        fingerprints=dataset_fingerprints(flags, cwd),
    )
    gate = gate_of_changed(spec, changed)
    facts = [f"Starts again from step 0 as a new run: {why}."]
    if plan.output_dir:
        facts.append(f"Writes to {plan.output_dir}; nothing is overwritten.")
    preview = Preview(
        f"Retry {spec.name}",
        tuple(facts),
        (*_keep_it(spec), *gate_warnings(gate)),
        differences(before, plan, _OURS),
        shlex.join(hidden_command(plan.command)),
    )
    return RetryPlan(run, preview, spec=new_spec, plan=plan, config=config, gate=gate)


def _placed(spec: RunSpec, plan: AttemptPlan, new: RunDir) -> AttemptPlan:
    """A folder without any of its files, and separate event files."""
    output_dir, logging_dir = spec.output_dir, spec.logging_dir
    if spec.smoke:
        output_dir = str(new.scratch)
    elif output_dir is not None:
        output_dir = _free(Path(output_dir), spec.output_name or "last")
    if logging_dir is not None and "tensorboard" in Path(logging_dir).parts:
        logging_dir = str(new.tensorboard / "attempt-1")
    moved = {
        "output_dir": (spec.output_dir, output_dir),
        "logging_dir": (spec.logging_dir, logging_dir),
    }
    places = {flag: now for flag, (was, now) in moved.items() if now is not None and now != was}
    return replace(
        plan, attempt=1, command=with_flags(plan.command, places) if places else plan.command,
        output_dir=output_dir, logging_dir=logging_dir, base_step=0, changes=(),
    )  # fmt: skip


def _free(folder: Path, name: str) -> str:
    """The folder itself, or a subfolder if it already has files of that name."""
    for place in (folder, *(folder / f"{name}-retry{n}" for n in range(2, 100))):
        if not files_of_name(place, name):
            return str(place)
    raise Refused(f"no free folder next to {folder}: delete some of the {name}-retry folders")


def _config(spec: RunSpec, wanted: Changes) -> Config | None:
    """plasma.toml with the changes, if it still matches the run's start."""
    if spec.config_path is None:
        return None
    try:
        config = load_config(Path(spec.config_path))
    except ConfigError:
        return None
    if settings_part(config) != part_of(spec.settings_key):
        return None
    return changed_config(config, wanted)


def _forecast(before: Forecast | None, plan: AttemptPlan, flags: dict[str, Any]) -> Forecast | None:
    """From the changed flags; sizes and times as in the earlier forecast."""
    if before is None:
        return None
    trainer = recorded_trainer(plan.command, plan.cwd)
    program, given = program_of(trainer), {k: v for k, v in flags.items() if v is not False}
    question = program.question(trainer, given, Path(plan.cwd), processes=processes_of(plan))
    found = program.forecast(question)
    return replace(
        found,
        command=plan.command,
        checkpoint_bytes=before.checkpoint_bytes,
        state_bytes=before.state_bytes,
        seconds_per_step=before.seconds_per_step,
        memory_bytes=before.memory_bytes,
    )


# ----------------------------------------------------------------- doing it


def carry_out(
    plan: RetryPlan, *, force: str | None = None, agreed: str | None = None, queue: bool = False
) -> RunDir:
    """Start it. Returns the run. `force`: even if a check fails; a reason in it, or in `agreed`, overrides a
    closed gate. Raises StartRefused, GateClosed."""
    changes = [f"{one.name}={one.after or ''}" for one in plan.preview.changes]
    what = ", ".join((f"retry of {plan.run.id}", *changes))
    reason = f"{what}: {force or agreed}" if force or agreed else None
    if plan.resume is not None:
        request = QueueRequest() if queue else None
        start_attempt(plan.run, plan.resume.approved(reason), queue=request)
        return plan.run
    assert plan.spec is not None and plan.plan is not None
    spec = replace(plan.spec, approval=approval_for_changed(plan.gate, reason))
    results = _checked(plan.config, smoke=spec.smoke, waits=queue)
    failed = next((result for result in results if result.status == "fail"), None)
    if failed is not None and force is None:
        words = f"{failed.title or failed.name}: {failed.detail or failed.evidence}"
        raise StartRefused(f"not started, a check failed: {words}")
    request = None
    if queue:
        request = QueueRequest(plan.config, smoke=spec.smoke, force=force is not None)
    channels = channels_or_none(plan.run)
    return start_run(spec, plan.plan, results, channels=channels, queue=request)


def _checked(config: Config | None, *, smoke: bool, waits: bool) -> tuple[CheckResult, ...]:
    """If plasma.toml changed since, its checks would not apply."""
    if config is None:
        return ()
    from runner.preflight.registry import in_order, run_checks

    return in_order(list(run_checks(config, smoke=smoke, waits=waits)))
