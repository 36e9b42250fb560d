"""A draft as the text of a plasma.toml, and the written file."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

import tomlkit

from runner.config.flags import Flags, FlagValue
from runner.config.paths import (
    ACCELERATE_PATH_FLAGS,
    PATH_FLAGS,
    PATH_OR_NAME_FLAGS,
    looks_like_path,
)
from runner.files.atomic import first_free, replace_file
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.model import Draft, Imported, NewFile
from runner.trainers.sd_scripts.importers.refine import without_states
from runner.trainers.sd_scripts.scripts import BASE_MODEL, SCRIPTS

FILE_NAME = "plasma.toml"
#: heading -> flags in their order, for a draft without an order; `*` at the end of a name: any with that
#: prefix
_GROUPS: Mapping[str, Sequence[str]] = tomllib.loads(
    Path(__file__).with_name("flag_groups.toml").read_text(encoding="utf-8")
)
_REST = "more"
_NO_STATES = "# save_state = true  # suggested: without it a run can only resume from weights"


@dataclass(frozen=True, slots=True)
class Written:
    """`backup`: where an older file was moved; `files`: other written files, `kept`: existing files left
    unchanged."""

    path: Path
    backup: Path | None = None
    files: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()


class AlreadyThere(Exception):
    """The folder has a plasma.toml."""


#: any of these flags says what is trained on
_DATASETS = frozenset(
    {"train_data_dir", "dataset_config", "in_json", "dataset_class", "config_file"}
)


def imported(draft: Draft, where: Context) -> Imported:
    draft = replace(draft, missing={**_lacking(draft), **draft.missing})
    text = render(draft, where.project, where.places.home)
    return Imported(text, draft.unmapped, draft.notes, draft.source, draft.files)


def _lacking(draft: Draft) -> dict[str, str]:
    """Flags without which no LoRA script starts."""
    given, script = draft.train.keys(), SCRIPTS.get(PurePath(draft.script).name)
    if script is None or "config_file" in given:
        return {}
    lacking = {}
    if BASE_MODEL not in given:
        lacking[BASE_MODEL] = "the base model that the LoRA is for"
    if not given & _DATASETS:
        lacking["dataset_config"] = (
            "the dataset TOML; or train_data_dir, the folder of image folders"
        )
    if "network_module" not in given:
        lacking["network_module"] = f"the kind of network, such as {script.network_module}"
    return lacking


def render(draft: Draft, folder: Path, home: Path) -> str:
    """Paths below `folder` become relative to it, others below `home` start with `~`."""
    show = _Paths(folder, home)
    lines = [
        f"# {_one_line(f'written by plasma-tui from {draft.source}')}",
        _pair("name", draft.name),
        "\n[trainer]",
        *_trainer(draft, show),
    ]
    if draft.accelerate:
        lines += ["\n[accelerate] # flags of `accelerate launch`", *_flags(draft.accelerate, show)]
    lines.append("\n[train] # flags of the script, by their own names; true is a bare flag")
    lines += [_missing(name, why) for name, why in draft.missing.items()]
    for heading, flags in [("", draft.train)] if draft.in_order else _grouped(draft.train):
        lines += [f"# {heading}"] if heading else []
        lines += _flags(flags, show)
    lines += [_NO_STATES] if without_states(draft) else []
    if draft.smoke:
        lines += ["\n[smoke] # overrides for a smoke test", *_flags(draft.smoke, show)]
    if draft.expect:
        lines += [
            "\n[expect] # checked before the start and at the end",
            *itertools.starmap(_pair, draft.expect.items()),
        ]
    if draft.dataset is not None:
        lines += ["", tomlkit.dumps({"dataset": draft.dataset}).rstrip("\n")]
    if draft.unmapped:
        lines += ["\n# not imported:", *(f"#   {_one_line(text)}" for text in draft.unmapped)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Paths:
    """A path in a form that `load_config` reads back unchanged."""

    folder: Path
    home: Path

    def shown(self, path: str, *, beside: bool = True) -> str:
        """Relative to the folder (unless not `beside`), to the home, or absolute."""
        for base, lead in ((self.folder, ""), (self.home, "~/"))[not beside :]:
            if base != Path("/") and Path(path).is_relative_to(base) and Path(path) != base:
                rest = str(Path(path).relative_to(base))
                return lead + (rest if lead or not rest.startswith("~") else f"./{rest}")
        return path

    def scalar(self, name: str, value: FlagValue) -> FlagValue:
        if not isinstance(value, str) or not value.startswith("/"):
            return value
        short = self.shown(value)
        path = name in PATH_FLAGS or name in ACCELERATE_PATH_FLAGS
        path |= name in PATH_OR_NAME_FLAGS and looks_like_path(short, self.folder)
        return short if path else value


def _trainer(draft: Draft, show: _Paths) -> Iterator[str]:
    for name, path, what in (
        ("sd_scripts", draft.sd_scripts, "the folder of train_network.py"),
        ("python", draft.python, "python of the venv of sd-scripts"),
    ):
        yield _missing(name, what) if path is None else _pair(name, show.shown(str(path)))
    # A relative script is searched in the checkout first: in one that is still to be named, by its name alone.
    known = draft.sd_scripts is not None or Path(draft.script).exists()
    script = draft.script if known else PurePath(draft.script).name
    yield _pair("script", show.shown(script, beside=False))
    yield _pair("launcher", draft.launcher)
    if draft.env:
        env = tomlkit.inline_table()
        env.update(draft.env)
        yield f"env = {env.as_string()}"


def _flags(flags: Flags, show: _Paths) -> Iterator[str]:
    for name, value in flags.items():
        items = value if isinstance(value, tuple) else (value,)
        shown = [show.scalar(name, item) for item in items]
        yield _pair(name, shown if isinstance(value, tuple) else shown[0])


def _pair(name: str, value: Any) -> str:
    return f"{tomlkit.key(name).as_string()} = {tomlkit.item(value).as_string()}"


def _missing(name: str, what: str) -> str:
    return f'# {name} = "..."  # missing: {what}'


def _grouped(flags: Flags) -> list[tuple[str, Flags]]:
    """Heading and flags of each group that is not empty."""
    names = [name for group in _GROUPS.values() for name in group]
    ranks = {name: rank for rank, name in enumerate(names)}
    groups: dict[str, dict[str, FlagValue]] = {heading: {} for heading in (*_GROUPS, _REST)}
    for name, value in sorted(flags.items(), key=lambda item: ranks.get(item[0], len(ranks))):
        fits = (h for h, group in _GROUPS.items() if any(fnmatchcase(name, one) for one in group))
        groups[next(fits, _REST)][name] = value
    return [(heading, values) for heading, values in groups.items() if values]


def _one_line(text: str) -> str:
    """A comment has no line ends or control characters."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def write_project(
    folder: Path, text: str, *, files: Iterable[NewFile] = (), force: bool = False
) -> Written:
    """Write plasma.toml and what belongs to it. Raises AlreadyThere unless `force`, which keeps the old
    plasma.toml next to the new one; no other file is ever replaced. Raises OSError."""
    path = folder / FILE_NAME
    if path.exists() and not force:
        raise AlreadyThere(
            f"{path} is already there; give --force to replace it (a backup is kept) or --dir DIR"
        )
    folder.mkdir(parents=True, exist_ok=True)
    backup = None
    if path.exists():
        names = itertools.chain([".bak"], (f".bak{number}" for number in itertools.count(2)))
        backup = first_free(path.with_name(f"{path.name}{name}") for name in names)
        replace_file(backup, path.read_bytes())
    beside = {folder / file.name: file.text for file in files}
    kept = tuple(target for target in beside if target.exists())
    for target in beside.keys() - set(kept):
        replace_file(target, beside[target].encode(), mode=0o644)
    replace_file(path, text.encode(), mode=0o644)  # last: it refers to the others
    return Written(path, backup, tuple(one for one in beside if one not in kept), kept)
