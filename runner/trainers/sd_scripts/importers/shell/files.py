"""The files of a command: those that its script writes are taken from there, and relative paths in those on the
disk are made absolute, because plasma-tui starts the trainer in the folder of sd-scripts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.config.paths import ACCELERATE_PATH_FLAGS, PATH_FLAGS, absolute
from runner.files.atomic import first_free
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.config_file import config_file_path, entries
from runner.trainers.sd_scripts.importers.model import Draft, Field, NewFile, Number, with_paths
from runner.trainers.sd_scripts.importers.sd_toml import plain
from runner.trainers.sd_scripts.importers.shell.state import SHOWN, UNNAMED


@dataclass(frozen=True, slots=True)
class ScriptFiles:
    """`written`: by the script; `cwd`: where its command runs; `project`: the folder of plasma.toml."""

    written: Mapping[Path, Field]
    cwd: Path
    project: Path

    def complete(self, draft: Draft) -> Draft:
        used = {str(value) for value in (*draft.train.values(), *draft.accelerate.values())}
        draft = self._dataset(self._config(draft))
        train, beside = self._beside(draft.train, PATH_FLAGS)
        accelerate, more = self._beside(draft.accelerate, ACCELERATE_PATH_FLAGS)
        unknown = [
            f"replace {''.join(SHOWN.findall(text.text)[:1])} from {path.name}: {text.unknown[0]}"
            if SHOWN.search(text.text)
            else f"{path.name} is written by the script, but {text.unknown[0]}"
            for path, text in self.written.items()
            if text.unknown and str(path) in used
        ]
        lost = [name for name, value in train.items() if str(value).startswith(UNNAMED)]
        return replace(
            draft,
            train={name: value for name, value in train.items() if name not in lost},
            accelerate=accelerate,
            files=(*draft.files, *beside, *more),
            notes=(*draft.notes, *unknown),
            unmapped=(
                *draft.unmapped,
                *(f"--{name}: the file that the script writes" for name in lost),
            ),
        )

    def _config(self, draft: Draft) -> Draft:
        """The flags of a --config_file that the script writes; of one on the disk the relative paths."""
        named = draft.train.get("config_file")
        if not isinstance(named, str):
            return draft
        path = config_file_path(named)
        values = self._toml(path)
        if values is None:
            return draft
        given = {str(keys[-1]): value for keys, value in entries(values)}
        flags = {
            k: _flag(v) for k, v in given.items() if v is not False and not isinstance(v, dict)
        }
        flags = {name: v for name, v in flags.items() if name not in draft.train}
        if path in self.written:
            kept = {name: v for name, v in draft.train.items() if name != "config_file"}
            reasons = self.written[path].unknown
            unknown = {k: v for k, v in flags.items() if reasons and SHOWN.search(str(v))}
            flags = {name: v for name, v in flags.items() if name not in unknown}
            lost = (f"{name} = {v}: {reasons[0]}" for name, v in unknown.items())
            draft = replace(draft, unmapped=(*draft.unmapped, *lost))
            note = f"{path.name} is written by the script; its flags are in [train]"
            train = {**with_paths(flags, self.cwd), **kept}
        else:
            found = with_paths(flags, self.cwd).items()
            moved = (
                {name: v for name, v in found if v != flags[name]} if self._elsewhere(draft) else {}
            )
            if not moved:
                return draft
            train = {**draft.train, **moved}
            note = (
                f"paths in {path.name} start at {self.cwd}; [train] has {', '.join(moved)} in full"
            )
        return replace(draft, train=train, notes=(*draft.notes, note))

    def _dataset(self, draft: Draft) -> Draft:
        """`[dataset]` for a dataset config that the script writes, or that has relative paths."""
        named = draft.train.get("dataset_config")
        path = Path(named) if isinstance(named, str) else None
        values = self._toml(path) if path is not None else None
        if path is None or values is None or not isinstance(values.get("datasets"), list):
            return draft
        values = plain(values)
        moved = [(subset, key) for subset, key in _folders(values) if _is_relative(subset[key])]
        for subset, key in moved:
            subset[key] = absolute(subset[key], self.cwd)
        if path in self.written:
            note = f"{path.name} is written by the script; it is [dataset]"
        elif moved and self._elsewhere(draft):
            note = f"paths in {path.name} start at {self.cwd}; [dataset] has them in full"
        else:
            return draft
        train = dict(draft.train)
        if path.exists() or str(path).startswith(UNNAMED):
            names = (f"dataset{f'-{number}' if number else ''}.toml" for number in range(100))
            train["dataset_config"] = str(first_free(self.project / name for name in names))
        return replace(draft, train=train, dataset=values, notes=(*draft.notes, note))

    def _elsewhere(self, draft: Draft) -> bool:
        """Does the trainer of plasma-tui run in another folder than the command?"""
        return draft.sd_scripts is not None and draft.sd_scripts != self.cwd

    def _toml(self, path: Path) -> dict[str, Any] | None:
        try:
            written = self.written.get(path)
            if written is not None:
                return parse_toml(written.text, parse_float=Number)
            return parse_toml(read_text(path))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            return None

    def _beside(
        self, flags: Mapping[str, FlagValue], names: frozenset[str]
    ) -> tuple[dict[str, FlagValue], list[NewFile]]:
        """Any other file that the script writes, such as prompts: next to plasma.toml."""
        changed, files = dict(flags), list[NewFile]()
        for name, value in flags.items():
            path = Path(value) if name in names and isinstance(value, str) else None
            text = None if path is None else self.written.get(path)
            if path is None or text is None or name == "dataset_config":
                continue
            files.append(NewFile(path.name, text.text))
            changed[name] = str(self.project / path.name)
        return changed, files


def _flag(value: Any) -> FlagValue:
    if isinstance(value, list):
        return tuple(item if isinstance(item, int | str) else str(item) for item in value)
    return value if isinstance(value, bool | int | float | str) else str(value)


def _is_relative(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith(("/", "~", "${"))


def _folders(values: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each subset with its keys for folders and files."""
    datasets = values.get("datasets")
    for dataset in datasets if isinstance(datasets, list) else []:
        subsets = dataset.get("subsets") if isinstance(dataset, dict) else None
        for subset in subsets if isinstance(subsets, list) else []:
            if isinstance(subset, dict):
                yield from ((subset, key) for key in subset if key.endswith(("_dir", "_file")))
