"""Imports in a made-up home, and what the plasma.toml that comes out would start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.config.catalog import Catalog
from runner.config.load import load_config
from runner.config.model import Config, Trainer
from runner.trainers.command import Command, build_command
from runner.trainers.sd_scripts.importers.files import import_file, import_text
from runner.trainers.sd_scripts.importers.find import Context, Found, Places, find_setup
from runner.trainers.sd_scripts.importers.model import Imported
from runner.trainers.sd_scripts.importers.write import write_project


def nothing_known(trainer: Trainer) -> Catalog | None:
    return None


@dataclass(frozen=True)
class Desk:
    """A home with a project folder in it."""

    home: Path
    project: Path
    environ: Mapping[str, str]
    catalog: Catalog | None = None

    def context(self) -> Context:
        places = Places(self.home, self.project, self.environ, "linux", (), self.home / "none")
        return Context(self.project, places, find_setup(places), lambda trainer: self.catalog)

    @property
    def found(self) -> Found:
        return self.context().found

    def imported(self, text: str, name: str = "train.sh") -> Imported:
        """The text as a file of the project."""
        file = self.project / name
        file.write_text(text, encoding="utf-8")
        return import_file(file, context=self.context())

    def pasted(self, text: str) -> Imported:
        return import_text(text, context=self.context())

    def config(self, made: Imported) -> Config:
        """Written as plasma.toml and read back."""
        write_project(self.project, made.config_text, files=made.files, force=True)
        return load_config(self.project, known_flags=nothing_known)

    def command(self, made: Imported, *, smoke: bool = False) -> Command:
        return build_command(self.config(made), smoke=smoke, environ={})


def arguments(command: Command) -> list[str]:
    """The words behind the script."""
    words = list(command.argv)
    at = next(i for i, word in enumerate(words) if i and word.endswith(".py"))
    return words[at + 1 :]
