"""Themes as data: TOML files become `textual.theme.Theme`, and a bad file becomes a sentence.

Textual finds a bad colour only when the theme is applied, and crashes; so every file is checked here
completely: its keys, each colour, and the colour system made from them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

import tui
from runner.files.toml_text import parse_toml
from runner.store.rundir import user_folder

COLORS = (
    "background",
    "surface",
    "panel",
    "foreground",
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
)
ROLES = ("strong", "dim", "faint", "band", "band-edge", "bad-dim")
MAX_STOPS = 8
DEFAULT = "plasma-dark"
#: Textual's own theme that uses the terminal's palette; with NO_COLOR it shows no colour at all
PLAIN = "ansi-dark"


class ThemeProblem(Exception):
    """A theme file that cannot be used; one sentence that names the file and what to do."""


def theme_folders() -> list[Path]:
    """Folders of themes: in the package, else beside it (editable install), then the user's own."""
    packaged = Path(tui.__file__).resolve().parent / "_themes"
    beside = Path(tui.__file__).resolve().parent.parent / "themes"
    first = packaged if packaged.is_dir() else beside
    return [first, user_folder() / "themes"]


def load_default() -> Theme | None:
    """Our own first theme, without the others; None: a file of the user's may replace it."""
    ours, users = theme_folders()
    try:
        return None if any(users.glob("*.toml")) else load_theme(ours / f"{DEFAULT}.toml")
    except (OSError, ThemeProblem):
        return None


def load_themes(folders: Iterable[Path] | None = None) -> tuple[list[Theme], list[str]]:
    """(themes, failures): all that can be used, and one sentence for each file that cannot."""
    found: dict[str, Theme] = {}
    failures: list[str] = []
    for folder in theme_folders() if folders is None else folders:
        try:
            files = sorted(folder.glob("*.toml"))
        except OSError as error:
            failures.append(f"{folder}: {error.strerror}")
            continue
        for file in files:
            try:
                theme = load_theme(file)
            except ThemeProblem as problem:
                failures.append(str(problem))
            else:
                found[theme.name] = theme
    return list(found.values()), failures


def load_theme(file: Path) -> Theme:
    """One file as a theme. Raises ThemeProblem."""
    try:
        data = parse_toml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThemeProblem(f"{file.name}: {error}") from None
    return theme_from(data, file.name)


def theme_from(data: dict[str, Any], where: str) -> Theme:
    """A parsed file as a theme. Raises ThemeProblem."""
    unknown = set(data) - {"name", "dark", "colors", "roles", "ramp"}
    if unknown:
        raise ThemeProblem(f"{where}: unknown key {min(unknown)!r}; remove it")
    name, dark = data.get("name"), data.get("dark", True)
    if not isinstance(name, str) or not name.isprintable() or not name.strip():
        raise ThemeProblem(f"{where}: `name` is missing")
    if not isinstance(dark, bool):
        raise ThemeProblem(f"{where}: `dark` must be true or false")
    colors = _table(data, "colors", COLORS, where)
    roles = _table(data, "roles", ROLES, where)
    stops = data.get("ramp", {}).get("stops") if isinstance(data.get("ramp"), dict) else None
    if not isinstance(stops, list) or not 2 <= len(stops) <= MAX_STOPS:
        raise ThemeProblem(f"{where}: [ramp] `stops` must be a list of 2 to {MAX_STOPS} colours")
    ramp = {f"ramp-{i}": _color(stop, f"stops[{i}]", where) for i, stop in enumerate(stops)}
    variables = {f"role-{key}": value for key, value in roles.items()} | ramp
    theme = Theme(name=name, dark=dark, variables=variables, primary=colors["primary"])
    for key, value in colors.items():
        setattr(theme, key, value)
    try:
        theme.to_color_system().generate()
    except Exception as error:
        raise ThemeProblem(f"{where}: {error}") from None
    return theme


def _table(data: dict[str, Any], key: str, names: tuple[str, ...], where: str) -> dict[str, str]:
    table = data.get(key)
    if not isinstance(table, dict):
        raise ThemeProblem(f"{where}: the table [{key}] is missing")
    wrong = set(table) - set(names)
    if wrong:
        raise ThemeProblem(f"{where}: unknown key {min(wrong)!r} in [{key}]; remove it")
    missing = [name for name in names if name not in table]
    if missing:
        raise ThemeProblem(f"{where}: {missing[0]!r} is missing in [{key}]")
    return {name: _color(table[name], name, where) for name in names}


def _color(value: object, key: str, where: str) -> str:
    try:
        color = Color.parse(str(value))
    except ColorParseError:
        raise ThemeProblem(f"{where}: {key} = {value!r} is not a colour; use #rrggbb") from None
    if not isinstance(value, str) or color.a != 1 or color.ansi is not None:
        raise ThemeProblem(f"{where}: {key} = {value!r} must be an opaque colour #rrggbb")
    return value


def theme_names() -> list[str]:
    """All names that `--theme` takes, ours first."""
    ours = [theme.name for theme in load_themes()[0]]
    return [*ours, *sorted(set(BUILTIN_THEMES) - set(ours))]
