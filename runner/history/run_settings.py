"""Settings of a run as one flat table of names and texts, and differences from another run.

Files in the command may have been edited since: one newer than the run counts as unknown.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.flags import flags_begin, launcher_flags, read_flags
from runner.config.hiding import shown_value
from runner.control.changes import ACCELERATE, ENV, flag_text
from runner.files.toml_text import parse_toml
from runner.history.imported_runs.metadata import metadata_settings
from runner.model import AttemptPlan, RunSpec
from runner.model.preview import FlagChange
from runner.store.journal import readable
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.config_file import config_file_path
from runner.trainers.sd_scripts.dataset_keys import (
    PREFIX,
    dataset_keys,
    dataset_path,
    dataset_text,
    flat_keys,
)

UNKNOWN_SINCE = "unknown: the file changed later"
UNKNOWN = "unknown"
_CONFIG_FILE = "flags of config_file"
#: files of an imported run have some settings; the rest is unknown
_THE_REST = "other settings"
#: names and paths that always differ and do not affect training
ALWAYS_DIFFERENT = frozenset(
    """output_dir output_name logging_dir log_prefix log_tracker_name wandb_run_name config_file
    dataset_config sample_prompts training_comment metadata_title metadata_author
    metadata_description metadata_license metadata_tags accelerate.main_process_port
    accelerate.config_file""".split()  # noqa: SIM905 (the names are read as words)
)
#: set by plasma-tui for every run
_OUR_ENV = frozenset(
    """PYTHONUNBUFFERED PYTHONIOENCODING COLUMNS LINES TQDM_MININTERVAL PYTHONPATH PYTHONSAFEPATH""".split()  # noqa: SIM905 (the names are read as words)
)
#: tolerance: a file may be written at the moment of the start
_SLACK_S = 2.0


def settings_of(path: Path) -> dict[str, str]:
    """Flags of the first attempt's command by plain name (those of the trainer's own --config_file too),
    `accelerate.X`, `env.X`, `dataset.X`, `data.X` (the images and captions themselves), `script` and
    `version.X`. Empty for a folder that is not a run. Keys and passwords are hidden."""
    run = RunDir(path)
    spec = readable(run.spec, RunSpec)
    if spec is None:
        return {}
    plan = readable(run.attempt(1), AttemptPlan) or spec.first_plan
    flags = _flags(plan, spec.created_at)
    found: dict[str, Any] = {**flags, **_of_metadata(run, spec)}
    with contextlib.suppress(ValueError):  # an imported run has no command
        found["script"] = Path(plan.command[flags_begin(plan.command) - 1]).name
        launcher = launcher_flags(plan.command)
        found |= {f"{ACCELERATE}{name}": value for name, value in launcher.items()}
    found |= {f"{ENV}{name}": value for name, value in plan.env.items() if name not in _OUR_ENV}
    found |= _dataset(spec, flags, Path(plan.cwd))
    found |= _data(spec.fingerprints)
    found |= {f"version.{name}": value for name, value in spec.versions.items()}
    return {name: shown_value(name, _text(value)) for name, value in found.items()}


def difference(before: Path, after: Path) -> tuple[FlagChange, ...]:
    """Settings of `after` that differ from `before`, in order."""
    return settings_difference(settings_of(before), settings_of(after))


def settings_difference(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[FlagChange, ...]:
    return tuple(
        FlagChange(name, before.get(name), after.get(name))
        for name in in_order(before, after)
        if name not in ALWAYS_DIFFERENT
        and is_known(name, before)
        and is_known(name, after)
        and not same_setting(before.get(name), after.get(name))
    )


def is_known(name: str, settings: Mapping[str, str]) -> bool:
    """Is it known whether this run had that setting? A missing flag was not set; a missing version or
    fingerprint, or a file that changed later, is unknown."""
    if name in settings:
        return settings[name] not in (UNKNOWN, UNKNOWN_SINCE)
    if not settings or name.startswith(("data.", "version.")):
        return False
    if name.startswith(PREFIX):
        return "dataset" not in settings
    if _THE_REST in settings:
        return False
    return _CONFIG_FILE not in settings or name.startswith((ACCELERATE, ENV))


def in_order(*tables: Mapping[str, str]) -> tuple[str, ...]:
    """All names once: the trainer's flags first, then launcher, environment, dataset and versions."""
    names = dict.fromkeys(name for table in tables for name in table)
    prefixes = ("script", "", PREFIX, "data.", ACCELERATE, ENV, "version.")

    def place(name: str) -> int:
        known = [p for p in prefixes if p and name.startswith(p)]
        return prefixes.index(known[0] if known else "")

    return tuple(sorted(names, key=place))


def same_setting(one: str | None, other: str | None) -> bool:
    """1e-4 and 0.0001 are the same."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _flags(plan: AttemptPlan, created_at: float) -> dict[str, Any]:
    """Empty without a command, as for an imported run."""
    try:
        given = read_flags(plan.command)
    except ValueError:
        return {}
    name = given.get("config_file")
    if isinstance(name, str) and _younger(Path(plan.cwd) / config_file_path(name), created_at):
        return {**given, _CONFIG_FILE: UNKNOWN_SINCE}
    # a long chain of imports, which a list can avoid
    from runner.trainers.sd_scripts.config_file import effective_flags

    return effective_flags(plan)


def _of_metadata(run: RunDir, spec: RunSpec) -> dict[str, str]:
    if spec.origin != "imported":
        return {}
    told = metadata_settings(readable(run.metadata, dict[str, str]) or {})
    return {**told, _THE_REST: UNKNOWN} if told else {}


def _dataset(spec: RunSpec, flags: Mapping[str, Any], cwd: Path) -> dict[str, Any]:
    """From the run's copy; for older runs from the file, if unchanged, or `[dataset]` of the stored
    plasma.toml."""
    path, text = dataset_path(flags, cwd), spec.dataset_text
    if text is None and path is None:
        return {}
    if text is None and path is not None and not _younger(path, spec.created_at):
        text = dataset_text(flags, cwd)
    if text is not None:
        found = dataset_keys(text)
        return found if found is not None else {"dataset": UNKNOWN}
    table: Any = None
    with contextlib.suppress(tomllib.TOMLDecodeError):
        table = parse_toml(spec.config_text or "").get("dataset")
    return (flat_keys(table) if isinstance(table, dict) else {}) or {"dataset": UNKNOWN_SINCE}


def _data(fingerprints: Mapping[str, str]) -> dict[str, str]:
    """Of its training files: the number, and a short form of
    `runner.trainers.sd_scripts.fingerprint`."""
    shown = {"dataset_images": "images", "dataset_captions": "captions", "dataset": "fingerprint"}
    return {
        f"data.{name}": fingerprints[key][:12] for key, name in shown.items() if key in fingerprints
    }


def _younger(path: Path, moment: float) -> bool:
    """Written after that moment, or missing."""
    try:
        return path.stat().st_mtime > moment + _SLACK_S
    except OSError:
        return True


def _text(value: Any) -> str:
    if value is None:
        return "(unset)"
    if isinstance(value, list | tuple):
        value = tuple(one if isinstance(one, int | float | str) else str(one) for one in value)
    return flag_text(value) if isinstance(value, bool | int | float | str | tuple) else str(value)
