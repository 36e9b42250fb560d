"""Can runs be stored in $PLASMA_HOME? Checked once, before a command does anything."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import tempfile
from pathlib import Path

from runner.files.private import private_folder, writable_by_others
from runner.store.rundir import home

#: about the longest path below the home: a run's id, `tensorboard`, an event file of the trainer
_BELOW = Path("runs") / ("x" * 64) / "tensorboard" / "attempt-10" / ("x" * 120)


def home_problem(*, writing: bool) -> str | None:
    """Why the folder of all runs cannot be used, one sentence; None: it can. `writing`: runs will be created,
    so test by writing files there."""
    chosen = os.environ.get("PLASMA_HOME")
    name = "PLASMA_HOME" if chosen else "the folder of runs"
    try:
        place = home()
        shown = str(place).encode("utf-8").decode("utf-8")
    except UnicodeEncodeError:
        return f"{name} is not UTF-8; choose a folder with a UTF-8 name"
    except RuntimeError:
        return f"{name} is {chosen}, and there is no such user; write the full path"
    except OSError as error:  # relative to a deleted working folder
        return f"{name} cannot be resolved: {error.strerror}; use an absolute path"
    problem = _unusable(place) or _unusable(place / "runs") or _too_deep(place)
    if problem is None and writing:
        problem = _unwritable(place)
    if problem is None:
        return None
    return f"{name} ({shown[:200]}) {problem}"


def _unusable(place: Path) -> str | None:
    """As the end of a sentence. A folder that does not exist yet is created later."""
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        if place.is_symlink():
            return f"is a link to {place.readlink()}, which does not exist; create that folder"
        return None
    except NotADirectoryError:
        return "is below a file; choose a folder"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "is too long for this file system; choose a shorter path"
        return f"cannot be used: {error.strerror}"
    if not stat.S_ISDIR(mode):
        return (
            "is a file; choose a folder" if place.name != "runs" else "contains a file named runs"
        )
    if not os.access(place, os.R_OK | os.X_OK):
        return "cannot be read: permission denied"
    return _exposed(place)


def _exposed(place: Path) -> str | None:
    """Another user who can put files here could add runs and orders, and so start commands as this user."""
    who = writable_by_others(place)
    if who is None:
        return None
    what = f"has a folder runs that {who}" if place.name == "runs" else who
    if "belongs" in who:
        return f"{what}: choose a folder of your own"
    return f"{what}: run `chmod 700 {shlex.quote(str(place))}`, or choose a folder of your own"


def _too_deep(place: Path) -> str | None:
    try:
        (place / _BELOW).stat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "is too long for the files of a run; choose a shorter path"
    return None


def _unwritable(place: Path) -> str | None:
    """Permissions are not enough: read-only mounts, quotas."""
    try:
        private_folder(place)
        with tempfile.NamedTemporaryFile(dir=place, prefix=".writable-"):
            return None
    except OSError as error:
        return f"cannot be written to: {error.strerror}"
