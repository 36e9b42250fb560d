"""Which runs of a sweep exist already, and whether they were started with the same settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.config.model import Config
from runner.control.begin import target_of
from runner.control.changes import ENV, differences
from runner.model import AttemptPlan, Forecast, RunSnapshot
from runner.model.preview import Existing, FlagChange
from runner.preflight.existing_files import existing_files, writers
from runner.store.journal import readable
from runner.store.registry import target_key
from runner.store.rundir import RunDir, runs_root
from runner.trainers.command import build_command

#: of the run's own folder; of the shell that started it
_OWN = ("logging_dir", f"{ENV}PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Found:
    """`files`: that a run would overwrite; `run`: the ID of the run that writes or wrote them, "" if unknown;
    `live`: it has not ended; `differs`: its settings that are different."""

    files: tuple[Existing, ...] = ()
    run: str = ""
    live: bool = False
    differs: tuple[FlagChange, ...] = ()


NOTHING = Found()


def find(
    configs: Sequence[tuple[Config, Forecast]],
    targets: Mapping[tuple[str, str | None], RunSnapshot],
) -> tuple[Found, ...]:
    """`targets`: of `live_targets`."""
    files = [existing_files(*target_of(config), forecast) for config, forecast in configs]
    paths = [one.path for some in files for one in some]
    wrote = writers(paths) if paths else {}
    found = []
    for (config, _), some in zip(configs, files, strict=True):
        folder, name = target_of(config)
        rival = targets.get(target_key(folder, name)) if folder is not None else None
        run = rival.id if rival else next((wrote[f.path] for f in some if f.path in wrote), "")
        differs = _differs(run, config) if run else ()
        found.append(Found(some, run, rival is not None, differs))
    return tuple(found)


def _differs(run_id: str, config: Config) -> tuple[FlagChange, ...]:
    """None for a run that cannot be read."""
    before = readable(RunDir(runs_root() / run_id).attempt(1), AttemptPlan)
    if before is None:
        return ()
    command = build_command(config)
    after = AttemptPlan(1, command.argv, command.env, command.cwd, None, None)
    try:
        return differences(before, after, _OWN)
    except ValueError:  # no script in the command
        return ()


def differing(found: Found) -> str:
    """`max_train_steps 80 instead of 40, seed 7 instead of none`."""
    return ", ".join(
        f"{one.name} {one.after or 'none'} instead of {one.before or 'none'}"
        for one in found.differs
    )
