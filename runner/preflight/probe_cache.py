"""Cached answers of the trainer's Python on disk, valid while their dependencies are unchanged.

They depend on the interpreter, its torch and accelerate, the launcher's configuration, the environment and
the boot. The trainer reports its device again at every start, which is compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import platformdirs
import psutil

from runner.config.model import Config
from runner.files.private import private_folder
from runner.store.journal import Unreadable, read_json, write_json
from runner.trainers.accelerate import config_path

T = TypeVar("T")

#: drivers are updated and cards removed without a restart, if rarely
MAX_AGE_S = 12 * 3600.0
#: variables that change what torch or accelerate see
_PREFIXES = (
    "ACCELERATE_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_", "HF_", "HIP_", "HSA_", "ROCR_", "PYTHON",
    "LD_LIBRARY_PATH", "DYLD_", "XDG_CACHE_HOME", "HOME", "VIRTUAL_ENV", "ONEAPI_", "ZE_",
)  # fmt: skip
_DEVICE_NODES = ("nvidia*", "dri/*", "kfd", "accel/*")


def folder() -> Path:
    """Next to the runs if $PLASMA_HOME is set, else the user's cache folder."""
    chosen = os.environ.get("PLASMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute() / "cache" / "probe"
    return Path(platformdirs.user_cache_dir("plasma-tui", appauthor=False)) / "probe"


def key_of(
    argv: Sequence[str],
    config: Config,
    env: Mapping[str, str],
    source: str,
    files: Iterable[Path] = (),
) -> str:
    """A key for the answer; it changes with any dependency. `files`: dependencies besides torch, accelerate
    and the launcher's configuration."""
    variables = [f"{k}={v}" for k, v in sorted(env.items()) if k.startswith(_PREFIXES)]
    stamps = map(_stamp, (*_files(config, env), *files))
    nodes = sorted(str(p) for pattern in _DEVICE_NODES for p in Path("/dev").glob(pattern))
    parts = [*argv, source, *variables, *stamps, _boot(), *nodes]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def remembered(key: str, kind: type[T], find: Callable[[], T], good: Callable[[T], bool]) -> T:
    """The answer on disk, unless it is too old or of another version of plasma-tui; else computed now and
    stored if good. An unwritable cache is only slower."""
    path = folder() / f"{key}.json"
    try:
        if not _old(path):
            return read_json(path, kind)
    except (OSError, Unreadable):
        pass
    found = find()
    if good(found):
        with contextlib.suppress(OSError):
            private_folder(path.parent)
            for other in filter(_old, path.parent.glob("*.json")):
                other.unlink(missing_ok=True)
            write_json(path, found)
    return found


def _old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > MAX_AGE_S


def _files(config: Config, env: Mapping[str, str]) -> Iterator[Path]:
    python = Path(config.trainer.python)
    yield python
    yield config_path(config, env)
    for packages in sorted(python.parent.parent.glob("lib/python3*/site-packages")):
        for package in ("torch", "accelerate"):
            yield packages / package / "__init__.py"
        yield packages  # its mtime changes with every installation


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path} absent"
    return f"{path} {found.st_mtime_ns} {found.st_size}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return f"booted {psutil.boot_time():.0f}"
