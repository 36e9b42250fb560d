"""From a plasma.toml to something that can be started: command, forecast, checks, spec."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.channels import Channels
from runner.config.hiding import without_addresses
from runner.config.model import Config
from runner.model import AttemptPlan, Forecast, RunSpec
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.checkout import trainer_versions
from runner.trainers.command import Command, build_command
from runner.trainers.registry import program_of
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset_keys import dataset_text
from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints
from runner.trainers.sd_scripts.settings_key import settings_key


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that `launch.start_run` needs."""

    spec: RunSpec
    plan: AttemptPlan
    command: Command
    channels: Channels = field(default_factory=Channels)


def prepare(
    config: Config,
    *,
    smoke: bool = False,
    forecast: Forecast | None = None,
) -> Prepared:
    """The run that this configuration asks for. Makes nothing, starts only a look for tensorboard."""
    now = time.time()
    name = f"{config.name} smoke" if smoke else config.name
    run = RunDir(runs_root() / new_run_id(name, now))
    tensorboard = run.tensorboard / "attempt-1"
    if smoke:  # a folder of its own: nothing of a test belongs among the user's files
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
        notify=config.notify,
        trainer=program_of(config.trainer).name,
        settings_key=settings_key(config),
        versions=trainer_versions(config.trainer.python, config.trainer.sd_scripts),
        summary_beside=config.summary_beside,
        dataset_text=dataset_text(known, Path(command.cwd)),
        fingerprints=dataset_fingerprints(known, Path(command.cwd)),
    )
    plan = AttemptPlan(
        attempt=1,
        command=command.argv,
        env=command.env,
        cwd=command.cwd,
        output_dir=spec.output_dir,
        output_name=output_name,
        logging_dir=command.logging_dir,
        nice=config.trainer.nice,
    )
    return Prepared(spec, plan, command, config.channels)


def target_of(config: Config) -> tuple[str | None, str | None]:
    """(output_dir, output_name) of the long run, also where they are set in sd-scripts' own --config_file."""
    known = trainer_flags(config.flags(), config.trainer_cwd).values
    folder = _text(known, "output_dir")
    return str(config.trainer_cwd / folder) if folder else None, _text(known, "output_name")


def _text(flags: Mapping[str, Any], flag: str) -> str | None:
    value = flags.get(flag)
    return value if isinstance(value, str) and value else None
