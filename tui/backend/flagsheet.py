"""The flags of a trainer's script beside the values in plasma.toml, and their edits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.config.catalog import Effort, Flag, FlagReport
from runner.config.errors import ConfigError
from runner.config.load import load_config
from runner.config.model import Trainer
from runner.control import flag_edit
from runner.model.refusal import Refusal
from runner.trainers.registry import flag_report, program_of
from tui.backend.results import FlagAnswer, FlagSheet


def flag_sheet(config_path: Path, thorough: bool) -> FlagSheet:
    """Not `thorough`: only what is remembered, at once. A file with problems has flags too, as long as it names
    a trainer. Raises Refusal without one."""
    source = flag_edit.read(config_path)
    trainers: list[Trainer] = []

    def note(trainer: Trainer) -> None:
        trainers.append(trainer)

    try:
        trainers.append(load_config(config_path.absolute(), known_flags=note).trainer)
    except ConfigError as error:
        if not trainers:
            raise Refusal(str(error.problems[0])) from None
    trainer = trainers[0]
    sheet = FlagSheet(program_of(trainer).title(trainer), _report(trainer, thorough))
    return _with_source(sheet, source)


def _report(trainer: Trainer, thorough: bool) -> FlagReport:
    """The quick way reads the script; the full one imports it, which may take a minute."""
    if not thorough:
        return flag_report(trainer, Effort.CACHED)
    report = flag_report(trainer, Effort.QUICK)
    return report if report.catalog is not None else flag_report(trainer, Effort.FULL)


def _with_source(sheet: FlagSheet, source: bytes) -> FlagSheet:
    smoke = flag_edit.flags_in(source, "smoke")
    smoke.pop("gate", None)  # ours, not a flag
    return replace(sheet, given=flag_edit.flags_in(source, "train"), smoke=smoke, source=source)


def set_flag(
    path: Path, sheet: FlagSheet, section: str, flag: Flag, typed: str | None
) -> FlagAnswer:
    try:
        source = flag_edit.edited(sheet.source, section, flag, typed)
    except Refusal as refusal:
        return FlagAnswer(sheet, problem=str(refusal))
    return restore(path, sheet, source)


def restore(path: Path, sheet: FlagSheet, source: bytes) -> FlagAnswer:
    """`source` in the place of the sheet's. After a refusal the sheet is as the file is now."""
    try:
        flag_edit.write(path, sheet.source, source)
    except Refusal as refusal:
        now = _with_source(sheet, flag_edit.read(path))
        return FlagAnswer(now, problem=str(refusal))
    return FlagAnswer(_with_source(sheet, source), sheet.source)
