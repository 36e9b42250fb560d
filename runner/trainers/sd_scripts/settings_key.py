"""What decides how (not how long) a training runs, as one short text: two runs with the same key train the
same way.

The key has four parts, so that a difference can be named: the settings themselves, the images and captions,
the trainer's code, and the model files in the settings. It is built from the command line, so a resumed or
retried run has one too.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from runner.config.flags import flags_begin, launcher_flags, read_flags
from runner.config.model import Config
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.command import build_command
from runner.trainers.registry import program_of, recorded_trainer
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.fingerprint import take

#: flags for length, file locations or save frequency that do not change how a run trains: an approval stays
#: valid if these change
FREE_FLAGS = frozenset(
    {
        "output_dir", "output_name", "max_train_steps", "max_train_epochs", "save_every_n_steps",
        "save_every_n_epochs", "save_n_epoch_ratio", "save_last_n_steps", "save_last_n_epochs",
        "save_last_n_steps_state", "save_last_n_epochs_state", "save_state", "save_state_on_train_end",
        "save_model_as", "resume", "initial_step", "initial_epoch", "skip_until_initial_step",
        "logging_dir", "log_prefix", "log_with", "log_tracker_name", "log_tracker_config",
        "console_log_file", "console_log_level", "console_log_simple", "wandb_run_name",
        "wandb_api_key", "huggingface_token", "sample_prompts", "sample_every_n_steps",
        "sample_every_n_epochs", "sample_at_first", "training_comment", "metadata_title",
        "metadata_author", "metadata_description", "metadata_license", "metadata_tags",
    }
)  # fmt: skip
#: variables that only affect console output
_CONSOLE_ENV = frozenset(
    ["PYTHONUNBUFFERED", "PYTHONIOENCODING", "COLUMNS", "LINES", "TQDM_MININTERVAL"]
)
_LAUNCHER = "accelerate.commands.launch"
_VERSION = "2"
_PARTS = ("settings", "images or captions", "the trainer's code", "model files")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

#: 10,000 images take about a second; a larger set than this is compared by its first images
MOST_IMAGES = 50_000
IMAGES_LIMIT_S = 20.0
#: a file up to this size is read completely, a larger one in samples
WHOLE_FILE_BYTES = 4 << 20
_FIRST_BYTES, _BLOCK_BYTES, _BLOCKS = 1 << 20, 1 << 16, 32
#: more files than this are not a trainer's own code
MOST_SOURCES = 2000


def settings_key(config: Config) -> str:
    """Key of the full run of this configuration; a smoke test has the key of its full run."""
    command = build_command(config)
    return key_of(command.argv, command.env, command.cwd)


def settings_part(config: Config) -> str:
    """Only the settings' own part, which reads no large files; see `part_of`."""
    command = build_command(config)
    return _digest(_settings(command.argv, command.env, command.cwd))


def part_of(key: str | None) -> str | None:
    """The settings' own part of a key. None: recorded by an older version."""
    parts = _parts(key)
    return parts[0] if parts is not None else None


def key_of(argv: Sequence[str], env: Mapping[str, str | None], cwd: str) -> str:
    """The key of a command line. Reads files for a few seconds at most; never raises for their content."""
    flags = _flags(argv, cwd)
    facts = (
        _settings(argv, env, cwd),
        _images(flags, Path(cwd)),
        list(_code(argv, flags, Path(cwd))),
        list(_files(argv, flags, Path(cwd))),
    )
    return "-".join((_VERSION, *map(_digest, facts)))


def changed_parts(before: str | None, now: str) -> tuple[str, ...] | None:
    """What differs between two keys, as text. None: the earlier one was recorded by an older version."""
    then, new = _parts(before), _parts(now)
    if then is None or new is None:
        return None
    return tuple(name for name, a, b in zip(_PARTS, then, new, strict=True) if a != b)


def _parts(key: str | None) -> list[str] | None:
    version, *parts = (key or "").split("-")
    return parts if version == _VERSION and len(parts) == len(_PARTS) else None


def _digest(facts: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()[:12]


def _settings(argv: Sequence[str], env: Mapping[str, str | None], cwd: str) -> dict[str, Any]:
    flags = _flags(argv, cwd)
    launched = launcher_flags(argv)
    return {
        "python": argv[0],
        "script": argv[flags_begin(argv) - 1],
        "launcher": "accelerate" if _LAUNCHER in argv else "python",
        "cwd": cwd,
        "env": {name: value for name, value in env.items() if name not in _CONSOLE_ENV},
        "accelerate": {name: _plain_flag(value) for name, value in launched.items()},
        "flags": {name: _plain_flag(value) for name, value in flags.items()},
        "dataset": _dataset(flags, Path(cwd)),
    }


def _flags(argv: Sequence[str], cwd: str) -> dict[str, Any]:
    """What the trainer sees, its own --config_file included, without FREE_FLAGS."""
    read = trainer_flags(read_flags(argv), Path(cwd))
    free = FREE_FLAGS if read.problem is not None else FREE_FLAGS | {"config_file"}
    return {
        name: value
        for name, value in read.values.items()
        if name not in free and value is not False and value is not None
    }


def _plain_flag(value: Any) -> Any:
    """A flag reaches the trainer as text: 1e-4, 0.0001 and "1e-4" are the same, also after `name=`."""
    if isinstance(value, tuple | list):
        return _plain_flag(value[0]) if len(value) == 1 else [_plain_flag(one) for one in value]
    if isinstance(value, bool):
        return value
    name, sign, rest = str(value).rpartition("=")
    return f"{name}{sign}{_number(rest)}"


def _number(text: str) -> str:
    """One spelling for one number; other text as it is."""
    try:
        return str(Decimal(text).normalize()) if _NUMBER.fullmatch(text) else text
    except ArithmeticError:  # more digits than a Decimal has
        return text


def _dataset(flags: Mapping[str, Any], cwd: Path) -> Any:
    """The configuration as parsed, so that comments, white space and key order do not matter."""
    name = flags.get("dataset_config")
    if not isinstance(name, str) or not name:
        return None
    try:
        text = read_text(cwd / name, errors="replace")
        return _plain(parse_json(text) if name.lower().endswith(".json") else parse_toml(text))
    except OSError:
        return None
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"number": _number(repr(value))}
    return value if isinstance(value, bool | str) else str(value)


def _images(flags: Mapping[str, Any], cwd: Path) -> list[object]:
    """Without a cutting time limit: two reads of the same files must agree."""
    try:
        found = take(flags, cwd, limit_s=IMAGES_LIMIT_S, most_images=MOST_IMAGES)
    except (ValueError, OSError):
        return ["unreadable"]
    return ["too slow to read"] if found.cut else [found.digest, found.images]


def _code(argv: Sequence[str], flags: Mapping[str, Any], cwd: Path) -> Iterator[tuple[str, str]]:
    """(name, hash) of the sources that decide the training."""
    program = program_of(recorded_trainer(argv, str(cwd)))
    for folder, pattern in program.sources(argv, str(flags.get("network_module") or ""), cwd):
        yield from _below(folder, pattern, folder.name)


def _files(argv: Sequence[str], flags: Mapping[str, Any], cwd: Path) -> Iterator[tuple[str, str]]:
    """(flag, identity) of every file in a flag, and of the files of a model folder."""
    for name, value in sorted({**launcher_flags(argv), **flags}.items()):
        for text in value if isinstance(value, tuple | list) else (value,):
            if name == "dataset_config" or not isinstance(text, str) or not text:
                continue
            path = cwd / text
            if found := _identity(path):
                yield name, found
            elif any(_identity(path / index) for index in ("model_index.json", "config.json")):
                yield from _below(path, "**/*", name)


def _below(folder: Path, pattern: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        paths = sorted(folder.glob(pattern))[:MOST_SOURCES]
    except OSError:
        return
    for path in paths:
        if found := _identity(path):
            yield f"{name}/{path.relative_to(folder)}", found


def _identity(path: Path) -> str | None:
    """Size and hash of a file's content; None: not a regular file, or unreadable. Hashes are cached while the
    file is unchanged."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return None
        return _hashed(str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _hashed(path: str, size_bytes: int, modified_ns: int, changed_ns: int, inode: int) -> str:
    """Of a large file: its beginning with the header, its end, and blocks spread evenly over it, about 3 MiB
    of reading. Another model of the same architecture has the same size and header, but other weights."""
    digest = hashlib.sha256(str(size_bytes).encode())
    with Path(path).open("rb", buffering=0) as stream:
        if size_bytes <= WHOLE_FILE_BYTES:
            digest.update(stream.read(WHOLE_FILE_BYTES))
            return digest.hexdigest()
        digest.update(stream.read(_FIRST_BYTES))
        room = size_bytes - _FIRST_BYTES - _BLOCK_BYTES
        for number in range(_BLOCKS + 1):
            stream.seek(_FIRST_BYTES + room * number // _BLOCKS, os.SEEK_SET)
            digest.update(stream.read(_BLOCK_BYTES))
    return digest.hexdigest()
