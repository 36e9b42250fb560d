"""A draft as the text of a plasma.toml, and the file on the disk."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Item, Table

from runner.config.flags import Flags, FlagValue
from runner.config.paths import (
    ACCELERATE_PATH_FLAGS,
    PATH_FLAGS,
    PATH_OR_NAME_FLAGS,
    looks_like_path,
)
from runner.files.atomic import first_free, replace_file
from runner.trainers.sd_scripts.importers.model import Draft, Imported, NewFile
from runner.trainers.sd_scripts.importers.refine import without_states

FILE_NAME = "plasma.toml"
#: heading -> flags in their order, for a draft that has none; `*` at the end of a name: any that begins so
_GROUPS: Mapping[str, Sequence[str]] = tomllib.loads(
    Path(__file__).with_name("flag_groups.toml").read_text(encoding="utf-8")
)
_REST = "more"


@dataclass(frozen=True, slots=True)
class Written:
    """`backup`: where an older file went; `files`: what was written beside it, `kept`: what was
    there already and was left alone."""

    path: Path
    backup: Path | None = None
    files: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()


class AlreadyThere(Exception):
    """The folder has a plasma.toml."""


def imported(draft: Draft, folder: Path, home: Path) -> Imported:
    """The draft as text for this folder."""
    text = render(draft, folder, home)
    return Imported(text, draft.unmapped, draft.notes, draft.source, draft.files)


def render(draft: Draft, folder: Path, home: Path) -> str:
    """Paths below `folder` become relative to it, others below `home` begin with `~`."""
    show = _Paths(folder, home)
    document = tomlkit.document()
    document.add(tomlkit.comment(_one_line(f"written by plasma-tui from {draft.source}")))
    document.add("name", tomlkit.item(draft.name))
    document.add(tomlkit.nl())
    document.add("trainer", _trainer(draft, show))
    if draft.accelerate:
        flags = {name: show.flag(name, value) for name, value in draft.accelerate.items()}
        document.add("accelerate", _section(flags, "flags of `accelerate launch`"))
    document.add("train", _train(draft, show))
    if draft.smoke:
        flags = {name: show.flag(name, value) for name, value in draft.smoke.items()}
        document.add("smoke", _section(flags, "what differs in a smoke test"))
    if draft.expect:
        document.add("expect", _section(draft.expect, "what the run is held to"))
    if draft.dataset is not None:
        document.add("dataset", tomlkit.item(_plain(draft.dataset)))
    text = tomlkit.dumps(document).rstrip("\n") + "\n"
    return text + _unmapped(draft.unmapped)


@dataclass(frozen=True, slots=True)
class _Paths:
    """How a path is written so that `load_config` reads the same one back."""

    folder: Path
    home: Path

    def shown(self, path: str, *, beside: bool = True) -> str:
        """Below the folder (unless not `beside`), below the home, or whole."""
        for base, lead in ((self.folder, ""), (self.home, "~/"))[not beside :]:
            if base != Path("/") and Path(path).is_relative_to(base) and Path(path) != base:
                rest = str(Path(path).relative_to(base))
                return lead + (rest if lead or not rest.startswith("~") else f"./{rest}")
        return path

    def flag(self, name: str, value: FlagValue) -> FlagValue:
        if isinstance(value, tuple):
            return tuple(self._scalar(name, one) if isinstance(one, str) else one for one in value)
        return self._scalar(name, value) if isinstance(value, str) else value

    def _scalar(self, name: str, text: str) -> str:
        if not text.startswith("/"):
            return text
        if name in PATH_FLAGS or name in ACCELERATE_PATH_FLAGS:
            return self.shown(text)
        if name in PATH_OR_NAME_FLAGS:
            short = self.shown(text)
            return short if looks_like_path(short, self.folder) else text
        return text


def _trainer(draft: Draft, show: _Paths) -> Table:
    table = tomlkit.table()
    if draft.sd_scripts is None:
        table.add(tomlkit.comment('sd_scripts = "..."  # missing: the folder of train_network.py'))
    else:
        table.add("sd_scripts", tomlkit.item(show.shown(str(draft.sd_scripts))))
    if draft.python is None:
        table.add(tomlkit.comment('python = "..."  # missing: python of the venv of sd-scripts'))
    else:
        table.add("python", tomlkit.item(show.shown(draft.python)))
    # A relative script is looked for in the checkout first.
    script = show.shown(draft.script, beside=False) if "/" in draft.script else draft.script
    table.add("script", tomlkit.item(script))
    table.add("launcher", tomlkit.item(draft.launcher))
    if draft.env:
        env = tomlkit.inline_table()
        env.update(draft.env)
        table.add("env", env)
    table.add(tomlkit.nl())
    return table


def _train(draft: Draft, show: _Paths) -> Table:
    table = tomlkit.table()
    table.comment("flags of the script, by their own names; true is a bare flag")
    for name, why in draft.missing.items():
        table.add(tomlkit.comment(f'{name} = "..."  # missing: {why}'))
    groups = [("", dict(draft.train))] if draft.in_order else _grouped(draft.train)
    for heading, flags in groups:
        if heading:
            table.add(tomlkit.comment(heading))
        for name, value in flags.items():
            table.add(name, _item(show.flag(name, value)))
    if without_states(draft):
        table.add(
            tomlkit.comment("save_state = true  # proposed: without it a resume has weights only")
        )
    table.add(tomlkit.nl())
    return table


def _grouped(flags: Flags) -> list[tuple[str, dict[str, FlagValue]]]:
    """Heading and flags of each group that is not empty."""
    names = [name for group in _GROUPS.values() for name in group]
    ranks = {name: rank for rank, name in enumerate(names)}
    groups: dict[str, dict[str, FlagValue]] = {heading: {} for heading in (*_GROUPS, _REST)}
    for name, value in sorted(flags.items(), key=lambda item: ranks.get(item[0], len(ranks))):
        fits = (h for h, group in _GROUPS.items() if any(fnmatchcase(name, one) for one in group))
        groups[next(fits, _REST)][name] = value
    return [(heading, values) for heading, values in groups.items() if values]


def _section(values: Mapping[str, Any], comment: str) -> Table:
    table = tomlkit.table()
    table.comment(comment)
    for name, value in values.items():
        table.add(name, _item(value))
    table.add(tomlkit.nl())
    return table


def _item(value: Any) -> Item:
    item: Item = tomlkit.item(_plain(value))
    return item


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _unmapped(unmapped: Iterable[str]) -> str:
    lines = [f"#   {_one_line(text)}\n" for text in unmapped]
    return "\n# not taken over:\n" + "".join(lines) if lines else ""


def _one_line(text: str) -> str:
    """A comment holds no line end and no control character."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def write_project(
    folder: Path, text: str, *, files: Iterable[NewFile] = (), force: bool = False
) -> Written:
    """Write plasma.toml and what belongs to it. Raises AlreadyThere unless `force`, which keeps the
    old plasma.toml beside the new one; no other file is ever replaced. Raises OSError."""
    path = folder / FILE_NAME
    if path.exists() and not force:
        raise AlreadyThere(
            f"{path} is already there; give --force to replace it (a backup is kept) or --dir DIR"
        )
    folder.mkdir(parents=True, exist_ok=True)
    backup = _set_aside(path) if path.exists() else None
    replace_file(path, text.encode(), mode=0o644)
    written: list[Path] = []
    kept: list[Path] = []
    for file in files:
        target = folder / file.name
        if target.exists():
            kept.append(target)
        else:
            replace_file(target, file.text.encode(), mode=0o644)
            written.append(target)
    return Written(path, backup, tuple(written), tuple(kept))


def _set_aside(path: Path) -> Path:
    """A copy under the first free name plasma.toml.bak, plasma.toml.bak2 ..."""
    numbers = itertools.chain([""], map(str, itertools.count(2)))
    backup = first_free(path.with_name(f"{path.name}.bak{number}") for number in numbers)
    backup.write_bytes(path.read_bytes())
    return backup
