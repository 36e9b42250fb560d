"""From plasma.toml to a started run, for command line and screen."""

from __future__ import annotations

import shlex
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.channels import Channels
from runner.config.hiding import without_addresses
from runner.config.model import Config
from runner.control.gate import GateClosed as GateClosed
from runner.control.gate import forced, gate_status
from runner.control.launch import start_run
from runner.control.queueing import QueueRequest, refuse_bad_slots
from runner.control.start_refusals import WouldOverwrite
from runner.model import Approval, AttemptPlan, CheckResult, Forecast, RunSpec
from runner.model.preview import Preview
from runner.model.units import count
from runner.preflight.existing_files import NO_CONSENT, Consent, existing_files, sentence
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.checkout import trainer_versions
from runner.trainers.command import Command, build_command
from runner.trainers.registry import load_config, program_of
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset_keys import dataset_text
from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints
from runner.trainers.sd_scripts.settings_key import settings_key


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything `launch.start_run` needs."""

    spec: RunSpec
    plan: AttemptPlan
    command: Command
    channels: Channels = field(default_factory=Channels)


class ChecksFailed(Exception):
    """Preflight failed; `failed` are the failed checks."""

    def __init__(self, failed: list[CheckResult]) -> None:
        super().__init__(", ".join(check.title or check.name for check in failed))
        self.failed = failed


def load(path: Path) -> Config:
    """Read plasma.toml. Raises ConfigError with every problem of the file."""
    return load_config(path.absolute())


def forecast_of(config: Config, *, smoke: bool = False) -> Forecast:
    """From sd-scripts' own arithmetic and earlier runs; unknown values are None and named in its warnings."""
    from runner.preflight.forecast import estimate

    return estimate(config, smoke=smoke)


def prepare(
    config: Config,
    *,
    smoke: bool = False,
    forecast: Forecast | None = None,
) -> Prepared:
    """The run that this configuration describes. Creates nothing, only checks for tensorboard."""
    now = time.time()
    name = f"{config.name} smoke" if smoke else config.name
    run = RunDir(runs_root() / new_run_id(name, now))
    tensorboard = run.tensorboard / "attempt-1"
    if smoke:  # a separate folder: a test must not write among the user's files
        config = config.changed({"output_dir": str(run.scratch)})
    command = build_command(config, smoke=smoke, tensorboard_dir=tensorboard)
    known = trainer_flags(command.flags, Path(command.cwd)).values
    output_dir, output_name = _text(known, "output_dir"), _text(known, "output_name")
    spec = RunSpec(
        id=run.id,
        name=name,
        command=command.argv,
        cwd=command.cwd,
        env=command.env,
        created_at=now,
        host=socket.gethostname(),
        output_dir=str(Path(command.cwd) / output_dir) if output_dir else None,
        output_name=output_name,
        logging_dir=command.logging_dir,
        config_path=str(config.path),
        config_text=without_addresses(config.text),
        launcher=config.trainer.launcher,
        forecast=replace(forecast, command=command.argv) if forecast is not None else None,
        # a smoke test is shorter on purpose
        expect=replace(config.expect, steps=None) if smoke else config.expect,
        smoke=smoke,
        guard=config.guard,
        engine=config.engine,
        notify=config.notify,
        trainer=program_of(config.trainer).name,
        settings_key=settings_key(config),
        versions=trainer_versions(config.trainer.python, config.trainer.sd_scripts),
        summary_beside=config.summary_beside,
        dataset_text=dataset_text(known, Path(command.cwd)),
        fingerprints=dataset_fingerprints(known, Path(command.cwd)),
    )
    plan = replace(spec.first_plan, nice=config.trainer.nice)
    return Prepared(spec, plan, command, config.channels)


def target_of(config: Config) -> tuple[str | None, str | None]:
    """(output_dir, output_name) of the full run, also if set in sd-scripts' own --config_file."""
    known = trainer_flags(config.flags(), config.trainer_cwd).values
    folder = _text(known, "output_dir")
    return str(config.trainer_cwd / folder) if folder else None, _text(known, "output_name")


def _text(flags: Mapping[str, Any], flag: str) -> str | None:
    value = flags.get(flag)
    return value if isinstance(value, str) and value else None


def preview(config: Config, *, smoke: bool = False) -> Preview:
    """What a start would do: project, output, command, and what it would overwrite. A smoke test writes to
    its run folder."""
    from runner.config.hiding import hidden_command
    from runner.trainers.command import build_command

    forecast = forecast_of(config, smoke=smoke)
    folder, name = (None, None) if smoke else target_of(config)
    existing = existing_files(folder, name, forecast)
    plan = [f"{forecast.steps} steps"] if forecast.steps is not None else []
    plan += [count(len(forecast.checkpoints), "checkpoint")] if forecast.checkpoints else []
    details = ", ".join(plan)
    output = "the run's own folder" if smoke else "no output_dir"
    output = f"{folder}/{name or 'last'}" if folder is not None else output
    return Preview(
        f"Start {'the smoke test of ' if smoke else ''}{config.name}",
        (f"Project: {config.path}", f"Output: {output}{f' ({details})' if details else ''}"),
        (f"{sentence(existing)}.",) if existing else (),
        command=shlex.join(hidden_command(build_command(config, smoke=smoke).argv)),
        existing=existing,
    )


def checks(
    config: Config,
    *,
    smoke: bool = False,
    slow: bool = True,
    cancel: threading.Event | None = None,
    only: Collection[str] = (),
    waits: bool = False,
) -> Iterator[CheckResult]:
    """The preflight checklist, each line as soon as it is ready. `only`: the names of the wanted checks;
    `waits`: before it waits in the queue."""
    from runner.preflight.registry import CHECKS, run_checks

    wanted = [check for check in CHECKS if not only or check.name in only]
    return run_checks(config, smoke=smoke, slow=slow, cancel=cancel, checks=wanted, waits=waits)


def start(
    config: Config,
    *,
    smoke: bool = False,
    force: str | None = None,
    consent: Consent = NO_CONSENT,
    on_check: Callable[[CheckResult], None] | None = None,
    queue: bool = False,
    group: str = "",
    checked: Sequence[CheckResult] | None = None,
) -> RunDir:
    """Run the checks, then the training. `force`: start although checks failed; with a reason, also although
    the gate is closed or files of an earlier training would be overwritten. `consent`: which of those files
    the user agreed to overwrite. `queue`: the run waits for a slot; `group`: of a sweep; `checked`: results of
    checks that were just run. Raises ChecksFailed, GateClosed, StartRefused, WouldOverwrite."""
    from runner.preflight.registry import in_order

    if queue:
        refuse_bad_slots()
    if force:
        consent = Consent(everything=True, reason=force)
    if not smoke:  # before slow checks; repeated under the start lock
        _approval(config, None, force)
        existing = existing_files(*target_of(config), forecast_of(config))
        if refused := consent.missing_for(existing):
            raise WouldOverwrite(refused)
    results = []
    found = checks(config, smoke=smoke, waits=queue) if checked is None else checked
    for result in found:
        results.append(result)
        if on_check is not None:
            on_check(result)
    failed = [result for result in results if result.status == "fail"]
    if failed and force is None:
        raise ChecksFailed(failed)
    prepared = prepare(config, smoke=smoke, forecast=forecast_of(config, smoke=smoke))
    # repeated: the checks take a while, and the record must match what starts
    approval = None if smoke else _approval(config, prepared.spec.settings_key, force)
    spec = replace(prepared.spec, approval=approval, group=group)
    request = QueueRequest(config, smoke=smoke, force=force is not None) if queue else None
    return start_run(
        spec,
        prepared.plan,
        in_order(results),
        channels=prepared.channels,
        consent=consent,
        queue=request,
    )


def _approval(config: Config, key: str | None, force: str | None) -> Approval | None:
    """The gate's decision on these settings. Raises GateClosed."""
    gate = gate_status(config, key)
    if not gate.open and not force:
        raise GateClosed(gate.text)
    return gate.approval if gate.open else forced(gate.key, force or "")
