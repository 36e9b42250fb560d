"""Converts any file that describes a training to the text of a plasma.toml. Reads it, never runs it."""

from __future__ import annotations

import errno
import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runner.config.model import Trainer
from runner.config.paths import absolute
from runner.config.reading import Wrong, checked_path
from runner.files.json_text import parse_json
from runner.files.regular_file import read_bytes
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.importers.dialects import as_shell
from runner.trainers.sd_scripts.importers.find import Context, Found, look_at_checkout
from runner.trainers.sd_scripts.importers.kohya.json import read_kohya_json
from runner.trainers.sd_scripts.importers.lora_metadata import read_lora
from runner.trainers.sd_scripts.importers.model import (
    Draft,
    Imported,
    ImportRefused,
    on_windows,
)
from runner.trainers.sd_scripts.importers.other_formats import (
    OtherTrainer,
    refuse_command,
    refuse_other,
)
from runner.trainers.sd_scripts.importers.project import dataset_section, look_at_project
from runner.trainers.sd_scripts.importers.refine import (
    PROPOSAL,
    refined,
    with_expectations,
    without_states,
)
from runner.trainers.sd_scripts.importers.sd_toml import (
    is_flags,
    looks_like_config,
    parse_settings,
    read_settings,
)
from runner.trainers.sd_scripts.importers.shell.script import read_shell
from runner.trainers.sd_scripts.importers.write import imported
from runner.trainers.sd_scripts.importers.written import configured, written_files

#: a script or configuration is a few KB; a model given by mistake is not read
MOST_BYTES = 500_000
_COMMENT = re.compile(rb"(?:^|\s)#|^\s*(?:rem\b|::)|^\s*@?echo\b", re.I)
#: name of a pasted text in a message
PASTED = "the pasted text"


def import_file(path: Path, *, context: Context) -> Imported:
    """A shell script, a kohya_ss JSON, an sd-scripts TOML or a LoRA with its settings as a plasma.toml. Raises
    ImportRefused with one sentence."""
    path = Path(absolute(str(path), context.places.cwd))
    if path.suffix.lower() == ".safetensors":
        with suppress(OSError):
            if draft := read_lora(path, context):
                return _encoded(_finished(draft, context), str(path))
    return _imported(_read(path), str(path), path, context)


def import_text(text: str, *, context: Context) -> Imported:
    """The same for pasted text, as if it were a file in the working folder."""
    return _imported(text, PASTED, None, context)


def _imported(text: str, source: str, path: Path | None, where: Context) -> Imported:
    try:
        made = _finished(_draft(text, source, path, where), where)
    except RecursionError:
        raise ImportRefused(f"{source} is nested too deeply; use the command itself") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ImportRefused(f"{source} holds a path that is longer than a path can be") from None
    return _encoded(made, source)


def _encoded(made: Imported, source: str) -> Imported:
    """Raises ImportRefused if it cannot be written as UTF-8."""
    for name, written in (
        ("plasma.toml", made.config_text),
        *((f.name, f.text) for f in made.files),
    ):
        try:
            written.encode("utf-8")
        except UnicodeEncodeError as error:
            line = written.count("\n", 0, error.start) + 1
            raise ImportRefused(
                f"{source} contains half a character ({written[error.start]!a}), which cannot be "
                f"encoded; it would be in line {line} of {name}"
            ) from None
    return made


def _draft(text: str, source: str, path: Path | None, where: Context) -> Draft:
    suffix = "" if path is None else path.suffix.lower()
    kind = _kind(text, suffix)
    if kind != "shell":
        folder = _base(text, where.places.cwd if path is None else path.parent, where.found)
        values = parse_settings(text, source, kind)
        if kind == ".json" and not is_flags(values):
            refuse_other(values, source)
            return read_kohya_json(values, source, folder, where)
        return read_settings(values, source, folder, where)
    if not text.strip():
        raise ImportRefused(f"{source} is empty; choose a file with a training command")
    folder = where.places.cwd if path is None else path.parent
    shell = as_shell(text, suffix, source, str(folder))
    try:
        files, lost = written_files(shell, folder)
        draft = read_shell(shell.text, source, path, where, files)
        refuse_command(draft, source)
        draft = replace(draft, unmapped=(*draft.unmapped, *lost))
    except OtherTrainer:
        raise
    except ImportRefused:
        configuration = configured(shell, text, source, folder, where)
        if configuration is None:
            raise
        draft = configuration
    return replace(draft, notes=(*shell.notes, *draft.notes))


def _kind(text: str, suffix: str) -> str:
    """By name, else by content: ".json", ".toml", ".yaml" or "shell"."""
    if suffix in (".json", ".toml", ".yaml", ".yml"):
        return suffix
    if suffix in (".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".py", ".ipynb"):
        return "shell"
    if text.lstrip().startswith("{"):
        try:
            return "shell" if "cells" in parse_json(text) else ".json"
        except ValueError:
            return "shell"
    try:
        return ".toml" if looks_like_config(parse_toml(text)) else "shell"
    except tomllib.TOMLDecodeError:
        return "shell"


def _base(text: str, folder: Path, found: Found) -> Path:
    """Where relative paths of a configuration start: it is not specified, so it is the first of its own
    folder, sd-scripts and its parent folder in which one of its paths exists."""
    words = {word.strip() for word in text.replace("'", '"').split('"')}
    relative = [word for word in words if "/" in word and len(word) < 300 and word[0] not in "/~"]
    for base in (folder, *found.around):
        if any("\n" not in word and (base / word).exists() for word in relative):
            return base
    return folder


def _finished(draft: Draft, where: Context) -> Imported:
    for what, path in (
        ("sd_scripts", draft.sd_scripts),
        ("python", draft.python),
        ("script", draft.script),
    ):
        try:
            checked_path(str(path))
        except Wrong as wrong:
            raise ImportRefused(f"{draft.source}: the path of {what} {wrong}") from None
    catalog = None
    if draft.sd_scripts is not None and draft.python is not None:
        script = absolute(draft.script, draft.sd_scripts)
        trainer = Trainer(draft.sd_scripts, draft.python, script, draft.launcher, draft.env)
        catalog = where.flags_of(trainer)
    draft = _with_dataset(refined(draft, catalog), where.project)
    draft = with_expectations(draft, where)
    proposed = [PROPOSAL] if without_states(draft) else []
    draft = replace(draft, notes=(*draft.notes, *_not_there(draft), *proposed))
    return imported(draft, where)


def _not_there(draft: Draft) -> list[str]:
    """What the file refers to but this machine does not have (yet)."""
    told = []
    foreign = [name for name, value in draft.train.items() if on_windows(value)]
    if foreign:
        told.append(f"Change these Windows paths to local paths: {', '.join(foreign)}")
    if draft.sd_scripts is not None:
        checkout = look_at_checkout(draft.sd_scripts)
        if checkout is None:
            told.append(f"{draft.sd_scripts} has no train_network.py")
        elif checkout.problem:
            told.append(f"{checkout.path}: {checkout.problem}")
    if draft.python is not None and not Path(draft.python).exists():
        told.append(f"python {draft.python} does not exist")
    return told


def _with_dataset(draft: Draft, project: Path) -> Draft:
    """A missing dataset config is described in [dataset], if the project has images for it."""
    named = draft.train.get("dataset_config")
    if draft.dataset or not isinstance(named, str) or on_windows(named) or Path(named).exists():
        return draft
    files = look_at_project(project)
    missing = f"dataset_config {named} does not exist"
    if not files.images:
        return replace(draft, notes=(*draft.notes, missing))
    described = f"{missing}; [dataset] describes the images of this folder, `check` writes the file"
    return replace(draft, dataset=dataset_section(files, project), notes=(*draft.notes, described))


def _read(path: Path) -> str:
    """The file as text. Raises ImportRefused."""
    try:
        data = read_bytes(path, MOST_BYTES)
    except FileNotFoundError:
        raise ImportRefused(f"file not found: {path}") from None
    except IsADirectoryError:
        raise ImportRefused(
            f"{path} is a folder; choose the file that starts the training"
        ) from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ImportRefused(_too_large(str(path))) from None
        raise ImportRefused(
            f"{path} cannot be read as a script or configuration: {error.strerror}"
        ) from None
    return text_of(data, str(path))


def _too_large(path: str) -> str:
    return f"{path} is not a script or configuration: it has over {MOST_BYTES // 1000} kB"


def text_of(data: bytes, path: str) -> str:
    """The bytes of a script or configuration as text; `path`: its name in messages. Raises
    ImportRefused."""
    if len(data) > MOST_BYTES:
        raise ImportRefused(_too_large(path))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # PowerShell's default
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise ImportRefused(f"{path} is a binary file; choose a shell script, JSON or TOML")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _text_with_foreign_comments(data, path)


def _text_with_foreign_comments(data: bytes, path: str) -> str:
    """Another encoding does no harm in comments. Raises ImportRefused if it occurs elsewhere."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            if not _COMMENT.search(line[: error.start]):
                said = "is not UTF-8; save it as UTF-8"
                raise ImportRefused(f"{path}:{number + 1}: {said}") from None
            lines[number] = line.decode("utf-8", "replace").encode()
    return b"\n".join(lines).decode("utf-8")
