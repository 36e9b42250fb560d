"""Config -> the command line, environment and working folder of one trainer process.

Facts behind it: stdout to a file is block buffered unless PYTHONUNBUFFERED is set; rich wraps lines at
COLUMNS, and so does tqdm if LINES is set too; `accelerate launch` without explicit numbers warns and may
start one process per GPU (sd-scripts main 48d368fa, accelerate 1.6, tqdm 4.66).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.config.flags import Flags, FlagValue, merged, to_arguments
from runner.config.interpreter import can_import
from runner.config.model import Config, Trainer
from runner.process.spawn import trainer_environment
from runner.trainers.registry import program_of

#: wide enough that no log line or path of sd-scripts is wrapped
COLUMNS = "500"

#: with these, exact losses go to TensorBoard event files
_TENSORBOARD_TRACKERS = (None, "tensorboard", "all")


@dataclass(frozen=True, slots=True)
class Command:
    """`env`: differences from the caller's environment; None removes a variable.
    `flags`: what the script gets, by name. `logging_dir`: where TensorBoard events will appear."""

    argv: tuple[str, ...]
    env: dict[str, str | None]
    cwd: str
    flags: dict[str, FlagValue] = field(default_factory=dict)
    logging_dir: str | None = None
    warnings: tuple[str, ...] = ()

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The full environment of the trainer; `base` defaults to our own."""
        return trainer_environment(self.env, base)


TensorboardCheck = Callable[[str, Mapping[str, str]], bool]


def has_tensorboard(python: str, env: Mapping[str, str]) -> bool:
    return can_import(python, "tensorboard", env)


def build_command(
    config: Config,
    *,
    smoke: bool = False,
    extra_flags: Flags | None = None,
    tensorboard_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    tensorboard_check: TensorboardCheck = has_tensorboard,
) -> Command:
    """What `start` runs.

    extra_flags: override those of the file; `False` removes one. tensorboard_dir: where event files go
    unless the user chose a logging_dir; None: nothing is injected. Starts the trainer's python once
    to ask for tensorboard if, and only if, a logging_dir is to be injected.
    """
    surroundings = os.environ if environ is None else environ
    trainer = config.trainer
    flags = merged(config.flags(smoke=smoke), extra_flags or {})
    env = _environment(trainer, surroundings)
    refusal = None
    if tensorboard_dir is not None and "logging_dir" not in flags:
        whole = trainer_environment(env, surroundings)
        refusal = _no_tensorboard(trainer, flags, whole, tensorboard_check)
        if refusal is None:
            flags["logging_dir"] = str(tensorboard_dir)
    logging_dir = flags.get("logging_dir")
    return Command(
        argv=(*_launch(config, flags), *to_arguments(flags)),
        env=env,
        cwd=str(config.trainer_cwd),
        flags=flags,
        logging_dir=logging_dir if isinstance(logging_dir, str) else None,
        warnings=(refusal,) if refusal else (),
    )


def shell_line(command: Command) -> str:
    """The command as typed in a shell, with secrets hidden."""
    from runner.config.hiding import hidden_command, hidden_env

    env, argv = hidden_env(command.env), hidden_command(command.argv)
    unset = [word for name, value in env.items() if value is None for word in ("-u", name)]
    put = [f"{name}={value}" for name, value in env.items() if value is not None]
    return f"cd {shlex.quote(command.cwd)} && {shlex.join(['env', *unset, *put, *argv])}"


def _launch(config: Config, flags: Flags) -> list[str]:
    """Everything before the script's flags."""
    trainer = config.trainer
    accelerate = trainer.launcher != "python"
    script = program_of(trainer).script_words(trainer, accelerate=accelerate)
    if not accelerate:
        return [trainer.python, "-u", *script]
    options = to_arguments(accelerate_flags(config, flags))
    return [trainer.python, "-m", "accelerate.commands.launch", *options, *script]


def accelerate_flags(config: Config, flags: Flags) -> dict[str, FlagValue]:
    """The launcher's flags. Without explicit numbers it warns on every start and, with two GPUs in
    the machine, starts two processes; a user's config_file has its own numbers."""
    if "config_file" in config.accelerate:
        return dict(config.accelerate)
    precision = flags.get("mixed_precision", "no")
    explicit: dict[str, FlagValue] = {
        "num_processes": 1,
        "num_machines": 1,
        "mixed_precision": precision if precision in ("fp16", "bf16") else "no",
        "dynamo_backend": "no",
    }
    return {**explicit, **config.accelerate}


def _environment(trainer: Trainer, surroundings: Mapping[str, str]) -> dict[str, str | None]:
    env: dict[str, str | None] = {
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": COLUMNS,
        # One bar per second is enough without numbers; a step's postfix is always shown.
        "TQDM_MININTERVAL": "1",
        "LINES": None,
    }
    path = trainer.env.get("PYTHONPATH", surroundings.get("PYTHONPATH"))
    modules = program_of(trainer).modules(trainer)
    if modules.path is not None:
        env["PYTHONPATH"] = os.pathsep.join(one for one in (modules.path, path) if one)
    if modules.safe_path:
        env["PYTHONSAFEPATH"] = "1"
    return {**env, **{k: v for k, v in trainer.env.items() if k != "PYTHONPATH" or k not in env}}


def _no_tensorboard(
    trainer: Trainer, flags: Flags, env: Mapping[str, str], check: TensorboardCheck
) -> str | None:
    """Why no logging_dir can be injected, as a sentence; None: it can."""
    less = "losses will be the bar's running average with 3 digits"
    tracker = flags.get("log_with")
    if tracker not in _TENSORBOARD_TRACKERS:
        return f"log_with is {tracker}, so no TensorBoard events are written: {less}"
    if not check(trainer.python, env):
        return f"tensorboard is not installed for {trainer.python}: {less}"
    return None
