"""The flags of a trainer whose scripts define them with argparse, read once and cached on disk.

A short process of the trainer's own python reads a script's flags, without GPU and network, with a time
limit. Four ways, cheap ones first:

1. the script's `setup_parser()`, packages left out (`flag_probe`, mode hollow);
2. for a script outside the checkout without its own flags: the same of the checkout's script
   which it imports;
3. the same as 1 with real imports;
4. the parser used by the script with --help, for scripts with their own flags.

The cache has one file per script and state of the checkout, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from runner.config.catalog import Catalog, Effort, Flag, FlagReport
from runner.config.interpreter import Answer, run_small, sentinel_json
from runner.config.model import Trainer
from runner.files.atomic import replace_file
from runner.files.private import private_folder
from runner.trainers.checkout import checkout_commit
from runner.trainers.flag_probe import FUNCTION

PROBE = Path(__file__).with_name("flag_probe.py")
QUICK_S = 2.0
FULL_S = 60.0
#: a new number invalidates every cached file
FORMAT = 1
#: files kept; each is about 100 KB
KEPT = 40
#: no GPU, no network, no colours
_QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
    "PYTHONIOENCODING": "utf-8",
    "NO_COLOR": "1",
}
_DEFINES_FLAGS = re.compile(r"\badd_argument\s*\(")
_HAS_FUNCTION = re.compile(rf"^(?:def {FUNCTION}\b|{FUNCTION}\s*=|from .*\b{FUNCTION}\b)", re.M)
_IMPORTED_SCRIPT = re.compile(r"^\s*(?:import|from)\s+(\w*train\w*)\b", re.M)


def report_of_checkout(
    trainer: Trainer,
    effort: Effort = Effort.QUICK,
    *,
    cancelled: threading.Event | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> FlagReport:
    """The flags of the script, cached or read. `elsewhere`: as for a Catalog. Never raises."""
    key = key_of(trainer)
    if key is None:
        return FlagReport(None, f"flags not checked: no script {trainer.script}")
    flags = remembered(key)
    if flags is None and effort is Effort.CACHED:
        return FlagReport(None, "flags not checked yet")
    if flags is None:
        try:
            flags = ask(trainer, thorough=effort is Effort.FULL, cancelled=cancelled)
        except NoFlags as problem:
            return FlagReport(None, f"flags not checked: {problem}")
        remember(key, flags)
    return FlagReport(Catalog(flags, elsewhere))


# --------------------------------------------------------------------------- reading


_NOT_ASKED = "the script's flags could not be read ({})"


class NoFlags(Exception):
    """Why a script's flags are unknown: the end of a sentence."""


def ask(
    trainer: Trainer, *, thorough: bool, cancelled: threading.Event | None = None
) -> tuple[Flag, ...]:
    """The script's flags; within QUICK_S, or, when thorough, FULL_S for each way. Raises NoFlags."""
    script = Path(trainer.script)
    try:
        source = script.read_text("utf-8", "replace")
    except OSError as error:
        raise NoFlags(f"{script} cannot be read ({error.strerror})") from None

    def probed(mode: str, named: str) -> tuple[Flag, ...]:
        folders = dict.fromkeys((str(Path(named).parent), str(trainer.sd_scripts)))
        answer = run_small(
            [trainer.python, "-B", str(PROBE), mode, named, *folders],
            env=environment(trainer),
            cwd=str(trainer.sd_scripts),
            timeout_s=FULL_S if thorough else QUICK_S,
            cancelled=cancelled,
        )
        return _flags_in(answer)

    # Importing a script that does not keep its work behind a function would start the work.
    importable = bool(_HAS_FUNCTION.search(source))
    defines_flags = bool(_DEFINES_FLAGS.search(source))
    ways: list[Callable[[], tuple[Flag, ...]]] = []
    problems: list[NoFlags] = []
    if importable:
        ways.append(lambda: probed("hollow", trainer.script))
    elif script.parent != trainer.sd_scripts and not defines_flags:
        ways.append(lambda: probed("hollow", _imported_script(trainer, source)))
    else:
        problems.append(NoFlags(_NOT_ASKED.format(f"it has no {FUNCTION}()")))
    if thorough and importable:
        ways.append(lambda: probed("whole", trainer.script))
    if thorough and defines_flags:
        ways.append(lambda: probed("caught", trainer.script))
    for way in ways:
        try:
            return way()
        except NoFlags as problem:
            problems.append(problem)
    raise problems[0]


def _flags_in(answer: Answer) -> tuple[Flag, ...]:
    """Of a probe. Raises NoFlags with the interpreter's last line."""
    if answer.problem:
        raise NoFlags(f"the trainer's python did not respond ({answer.problem})")
    data = sentinel_json(answer.output)
    if data is None:
        lines = [line.strip() for line in answer.errors.splitlines() if line.strip()]
        raise NoFlags(_NOT_ASKED.format(lines[-1][:200] if lines else "no output"))
    try:
        flags = msgspec.convert(data.get("flags", ()), tuple[Flag, ...])
    except msgspec.ValidationError as error:
        raise NoFlags(f"its answer is invalid ({error})") from None
    if not flags:
        raise NoFlags("it defines no flags")
    return flags


def _imported_script(trainer: Trainer, source: str) -> str:
    """The checkout's script imported by an outside script; train_network.py if none."""
    folder = trainer.sd_scripts or Path()
    for name in _IMPORTED_SCRIPT.findall(source):
        if (folder / f"{name}.py").is_file():
            return str(folder / f"{name}.py")
    return str(folder / "train_network.py")


def environment(trainer: Trainer) -> Mapping[str, str]:
    """The trainer's own, kept away from GPU and network."""
    env = {**os.environ, **trainer.env, **_QUIET}
    env.pop("LINES", None)
    paths = (str(trainer.sd_scripts), env.get("PYTHONPATH"))
    env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return env


# --------------------------------------------------------------------------- caching


class _File(msgspec.Struct):
    format: int
    script: str
    flags: tuple[Flag, ...]


def cache_folder() -> Path:
    """Under $PLASMA_HOME, else in the user's cache folder."""
    chosen = os.environ.get("PLASMA_HOME")
    if chosen:
        return Path(chosen) / "cache" / "flags"
    import platformdirs

    return Path(platformdirs.user_cache_dir("plasma-tui", appauthor=False)) / "flags"


def key_of(trainer: Trainer) -> str | None:
    """Changes with the script, the interpreter, the commit and every file that flags may come
    from (an edited checkout has the same commit); None without a script."""
    script, checkout = Path(trainer.script), trainer.sd_scripts
    stamp = _stamp(script)
    if stamp is None:
        return None
    folders = {script.parent} | ({checkout, checkout / "library"} if checkout else set())
    sources = {str(file): _stamp(file) for folder in folders for file in folder.glob("*.py")}
    sources[str(script)] = stamp
    commit = checkout_commit(checkout) if checkout is not None else None
    told = [FORMAT, trainer.script, trainer.python, commit, sorted(sources.items())]
    return f"{script.stem}-{hashlib.sha256(repr(told).encode()).hexdigest()[:24]}"


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if found.st_size else None


@lru_cache(maxsize=32)
def _read(path: str, stamp: tuple[int, int]) -> tuple[Flag, ...] | None:
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found.flags if found.format == FORMAT and found.flags else None


def remembered(key: str) -> tuple[Flag, ...] | None:
    """The flags under this key; None without a complete file."""
    path = cache_folder() / f"{key}.json"
    stamp = _stamp(path)
    return None if stamp is None else _read(str(path), stamp)


def remember(key: str, flags: tuple[Flag, ...]) -> None:
    """Store them, completely or not; an unwritable folder is not an error."""
    folder = cache_folder()
    try:
        private_folder(folder)
        replace_file(folder / f"{key}.json", msgspec.json.encode(_File(FORMAT, key, flags)))
        files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        pass
