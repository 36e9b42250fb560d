"""The flags of a trainer's script beside what plasma.toml says, for looking through them."""

from __future__ import annotations

from pathlib import Path

from runner.config.catalog import Effort, FlagReport
from runner.config.errors import ConfigError
from runner.config.load import load_config
from runner.config.model import Config, Trainer
from runner.model.refusal import Refusal
from runner.trainers.registry import flag_report, program_of
from tui.backend.results import FlagSheet


def flag_sheet(config_path: Path, thorough: bool) -> FlagSheet:
    """Not `thorough`: only what is remembered, at once. A file with a misspelt flag is just the one for
    which flags are looked up, so its trainer is enough. Raises Refusal without one."""
    trainers: list[Trainer] = []
    config: Config | None = None

    def note(trainer: Trainer) -> None:
        trainers.append(trainer)

    try:
        config = load_config(config_path.absolute(), known_flags=note)
        trainers.append(config.trainer)
    except ConfigError as error:
        if not trainers:
            raise Refusal(str(error.problems[0])) from None
    trainer = trainers[0]
    report = _asked(trainer, thorough)
    script = program_of(trainer).title(trainer)
    if config is None:
        return FlagSheet(script, report)
    return FlagSheet(script, report, dict(config.train), dict(config.smoke.flags))


def _asked(trainer: Trainer, thorough: bool) -> FlagReport:
    """The quick way reads the script; the full one, up to a minute, really imports it."""
    if not thorough:
        return flag_report(trainer, Effort.CACHED)
    report = flag_report(trainer, Effort.QUICK)
    return report if report.catalog is not None else flag_report(trainer, Effort.FULL)
