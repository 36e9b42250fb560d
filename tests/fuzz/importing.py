"""Targets: what an import reads, and plasma.toml."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from runner.config.errors import ConfigError
from runner.config.load import load_config
from runner.config.model import Config
from runner.config.paths import PATH_FLAGS
from runner.config.positions import key_lines
from runner.config.reading import read_settings
from runner.files.toml_text import parse_toml
from runner.trainers.command import build_command
from runner.trainers.sd_scripts.importers.files import import_file
from runner.trainers.sd_scripts.importers.find import Context, Places, find_setup
from runner.trainers.sd_scripts.importers.model import Imported, ImportRefused
from runner.trainers.sd_scripts.importers.write import write_project
from tests.fuzz.guards import folder, harmless, place
from tests.fuzz.reading import require
from tests.unit.trainers.importers.import_context import nothing_known

#: what a plasma.toml lacks if the source did: to be filled in by hand
_TO_FILL_IN = ("[trainer] sd_scripts is missing",)
#: signs of an input that may mean a folder itself
_FOLDERS = (b".", b"~", b"PWD", b"pwd", b"%", b"HOME", b"home", b"dirname", b"$", b"/", b"\\")


def _installed(python: str, env: object) -> bool:
    """A check of the trainer's packages would start its Python."""
    return True


@functools.cache
def _context() -> Context:
    """A home with nothing in it: no import may depend on this machine."""
    home = folder() / "home"
    project = home / "project"
    shutil.rmtree(home, ignore_errors=True)
    project.mkdir(parents=True)
    environ = {"HOME": str(home), "EMPTY": "", "BROKEN": "a\udcffb"}
    places = Places(home, project, environ, "linux", (), home / "none")
    return Context(project, places, find_setup(places), lambda trainer: None)


def importer(name: str) -> Callable[[bytes], None]:
    """Of a file of this name: refused with one sentence, or a plasma.toml that loads, twice the same."""

    def target(data: bytes) -> None:
        where = _context()
        path = place(f"home/project/{name}", data)
        with harmless():
            try:
                made = import_file(path, context=where)
            except ImportRefused as error:
                require(
                    str(error).strip() != "" and "\n" not in str(error), "no sentence", str(error)
                )
                return
            require(import_file(path, context=where) == made, "a second import differs")
            config = _written(made, where.project)
        if config is not None:
            _check_paths(config, data, where)
            build_command(config, smoke=False, environ={}, tensorboard_check=_installed)

    return target


def _written(made: Imported, project: Path) -> Config | None:
    """`init` reads what it wrote."""
    for old in (project / "plasma.toml", *(project / file.name for file in made.files)):
        old.unlink(missing_ok=True)
    write_project(project, made.config_text, files=made.files, force=True)
    try:
        return load_config(project, known_flags=nothing_known)
    except ConfigError as error:
        texts = [one.text for one in error.problems]
        rest = [text for text in texts if not text.startswith(_TO_FILL_IN)]
        require(not rest, "a written plasma.toml is refused", rest, made.config_text)
        return None


def _check_paths(config: Config, data: bytes, where: Context) -> None:
    """An empty value is no path, least of all the folder of the project."""
    for name in PATH_FLAGS & config.train.keys():
        value = config.train[name]
        require(value != "", "an empty path", name)
        if value in (str(where.project), str(where.places.home)):
            require(any(sign in data for sign in _FOLDERS), "an empty value became a folder", name)


def plasma_toml(data: bytes) -> None:
    """Config, or sentences with lines; every key of a valid file has its line."""
    path = place("config/plasma.toml", data)
    lines = data.count(b"\n") + data.count(b"\r") + 1
    try:
        config = load_config(path, known_flags=nothing_known)
    except ConfigError as error:
        for problem in error.problems:
            require("\n" not in problem.text, "several lines", problem)
            require(problem.line is None or 1 <= problem.line <= lines, "no line", problem, lines)
    else:
        build_command(config, smoke=True, environ={}, tensorboard_check=_installed)


def toml(data: bytes) -> None:
    """Every key that tomllib finds has a line."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    try:
        values = parse_toml(text)
    except ValueError:
        return
    found = key_lines(text)
    require(all((name,) in found for name in values), "a key without a line", values, found)


def settings(data: bytes) -> None:
    """`--set FLAG=VALUE`."""
    words = os.fsdecode(data).split("\0")
    try:
        read_settings(words, folder())
    except ConfigError as error:
        require(bool(error.problems), "no problem", words)
