"""Is there room for every checkpoint and state? A full disk kills sd-scripts in the middle of a save.

A state folder holds the LoRA in float32 and AdamW's two moments: about three times the file
(measured on sd-scripts main; other optimizers need less).
"""

from __future__ import annotations

import shutil

from runner.model import Forecast
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.preflight.output import nearest_existing
from runner.rundir import home
from runner.units import file_size

STATE_FACTOR = 3
#: console.log, journals and event files of one run, generously
RUN_FOLDER_BYTES = 100_000_000
#: asked for when the size of a checkpoint cannot be told
UNKNOWN_NEED_BYTES = 5_000_000_000


def look(facts: Facts) -> Finding:
    folder = facts.config.path_flag("output_dir", smoke=facts.smoke)
    if folder is None:
        return skipped("no output_dir")
    runs_free = shutil.disk_usage(nearest_existing(home())).free
    if runs_free < RUN_FOLDER_BYTES:
        detail = f"{home()} has {file_size(runs_free)} left for the run's own files."
        return failed(f"{file_size(runs_free)} for runs", detail, "free disk space there")
    place = nearest_existing(folder)
    free = shutil.disk_usage(place).free
    need = needed(facts.forecast(), facts.config.expect.checkpoint_mb)
    return judge(free, need, str(place))


def needed(forecast: Forecast, checkpoint_mb: tuple[float, float] | None) -> int | None:
    """Bytes of all files and states together; None when no size of a file is known."""
    files = len(forecast.checkpoints)
    states = sum(c.state_name is not None for c in forecast.checkpoints)
    if forecast.size_bytes is not None:
        each = forecast.size_bytes
    elif checkpoint_mb is not None:
        each = int(checkpoint_mb[1] * 1e6)
    else:
        return None
    return each * (max(files, 1) + states * STATE_FACTOR)


def judge(free: int, need: int | None, place: str) -> Finding:
    if need is None:
        told = f"{file_size(free)} are free in {place}; the size of the files is not known."
        if free < UNKNOWN_NEED_BYTES:
            return warned(f"{file_size(free)} free", told, "free disk space there")
        return passed(f"{file_size(free)} free", told)
    told = f"{file_size(free)} are free in {place}; about {file_size(need)} will be written."
    if free < need:
        evidence = f"{file_size(free)}, not {file_size(need)}"
        return failed(evidence, told, "free disk space, or save less often")
    if free < 1.2 * need:
        return warned(f"{file_size(free)} free", told, "free disk space, or save less often")
    return passed(f"{file_size(free)} free", told)


CHECK = Check("disk", "Disk", look)
