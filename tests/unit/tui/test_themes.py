"""Themes: ours load, read well, and bad files become sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.color import Color as RichColor
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from tests import ROOT
from tui.kit.paint import RAMP_STEPS
from tui.palette import Palette
from tui.terminal import pick_theme
from tui.themes import DEFAULT, PLAIN, ThemeProblem, load_theme, load_themes, theme_folders

GOOD = (ROOT / "themes" / "plasma-dark.toml").read_text()


def ours() -> list[Theme]:
    return load_themes(theme_folders()[:1])[0]


def palette(theme: Theme) -> Palette:
    return Palette({**theme.to_color_system().generate(), **theme.variables}, theme.ansi)


def test_our_themes_load_without_a_failure() -> None:
    themes, failures = load_themes(theme_folders()[:1])
    assert failures == []
    assert {theme.name for theme in themes} == {"plasma-dark", "plasma-light", "high-contrast"}
    assert DEFAULT in {theme.name for theme in themes}
    assert PLAIN in BUILTIN_THEMES


def contrast(colors: Palette, role: str, ground: str) -> float:
    style = colors.style(role, ground)
    assert style.color is not None and style.bgcolor is not None
    return ratio(style.color, style.bgcolor)


def ratio(one: RichColor, other: RichColor) -> float:
    """WCAG 2 contrast of two colours, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: RichColor) -> float:
    parts = [value / 255 for value in color.get_truecolor()]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ours(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["background", "surface", "panel"])
@pytest.mark.parametrize(
    "role", ["text", "strong", "dim", "title", "accent", "good", "warn", "bad", "key"]
)
def test_words_can_be_read(theme: Theme, ground: str, role: str) -> None:
    wanted = 7.0 if theme.name == "high-contrast" else 4.5
    assert contrast(palette(theme), role, ground) >= wanted


@pytest.mark.parametrize("theme", ours(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("step", range(0, RAMP_STEPS, 3))
def test_the_ramp_stands_out_from_ground_and_band(theme: Theme, step: int) -> None:
    colors = palette(theme)
    assert contrast(colors, f"ramp-{step}", "background") >= 3.0
    style = colors.style(f"ramp-{step}-band")
    assert style.bgcolor is not None and style.color is not None
    assert ratio(style.color, style.bgcolor) >= 2.4


@pytest.mark.parametrize("theme", ours(), ids=lambda theme: theme.name)
def test_the_ramp_has_no_red_of_alarm(theme: Theme) -> None:
    colors = palette(theme)
    alarm = colors.color("bad")
    for step in range(RAMP_STEPS):
        style = colors.style(f"ramp-{step}")
        assert style.color is not None
        assert Color.from_rich_color(style.color) != alarm


@pytest.mark.parametrize("name", sorted(BUILTIN_THEMES))
def test_every_theme_of_textual_gives_every_role_a_style(name: str) -> None:
    colors = palette(BUILTIN_THEMES[name])
    for role in ("text", "dim", "faint", "band", "on-band", "ground-on-band", "band-edge", "bad-dim",
                 "key", "ramp-0", f"ramp-{RAMP_STEPS - 1}", "ramp-7-band"):  # fmt: skip
        for ground in ("background", "surface", "panel"):
            colors.style(role, ground)


def test_plain_colours_use_the_terminals_own() -> None:
    colors = palette(BUILTIN_THEMES[PLAIN])
    for role in ("text", "ramp-0", f"ramp-{RAMP_STEPS - 1}", "bad"):
        style = colors.style(role)
        assert style.bgcolor is None
        assert style.color is None or style.color.number is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[ramp]", "[rump]"), "unknown key 'rump'"),
        (('name = "plasma-dark"', ""), "`name` is missing"),
        (("dark = true", 'dark = "yes"'), "`dark` must be true or false"),
        (('primary = "#c9a6ff"', 'primary = "blurple"'), "primary = 'blurple' is not a colour"),
        (('primary = "#c9a6ff"', "primary = 7"), "primary = 7"),
        (('primary = "#c9a6ff"', 'primary = "#c9a6ff80"'), "opaque"),
        (('dim = "#9a94ae"', ""), "'dim' is missing in [roles]"),
        (('dim = "#9a94ae"', 'dim = "#9a94ae"\nlean = "#123456"'), "unknown key 'lean' in [roles]"),
        (('"#9b20c9", "#cc4778", "#f89540", ', ""), "2 to 8 colours"),
        (("[colors]", "[colors"), "line"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in GOOD
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace(*change))
    with pytest.raises(ThemeProblem, match=r"mine\.toml") as caught:
        load_theme(file)
    assert said in str(caught.value)
    themes, failures = load_themes([tmp_path])
    assert themes == [] and failures == [str(caught.value)]


def test_bytes_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    assert "mine.toml" in load_themes([tmp_path])[1][0]


def test_the_users_theme_wins_over_ours_by_name(isolated_home: Path) -> None:
    folder = isolated_home / "config" / "plasma-tui" / "themes"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text(GOOD.replace('strong = "#ffffff"', 'strong = "#eeeeee"'))
    themes = {theme.name: theme for theme in load_themes()[0]}
    assert themes["plasma-dark"].variables["role-strong"] == "#eeeeee"
    assert "plasma-light" in themes


def test_a_missing_folder_is_no_failure(tmp_path: Path) -> None:
    assert load_themes([tmp_path / "none"]) == ([], [])


@pytest.mark.parametrize(
    ("environ", "wanted", "system", "low", "picked"),
    [
        ({}, None, "truecolor", False, DEFAULT),
        ({}, None, "256", False, DEFAULT),
        ({}, None, "standard", False, PLAIN),
        ({}, None, "truecolor", True, PLAIN),
        ({"NO_COLOR": "1"}, "plasma-light", "truecolor", False, PLAIN),
        ({"NO_COLOR": ""}, None, "truecolor", False, DEFAULT),
        ({}, "plasma-light", "standard", True, "plasma-light"),
    ],
)
def test_which_theme_a_terminal_gets(
    environ: dict[str, str], wanted: str | None, system: str, low: bool, picked: str
) -> None:
    assert pick_theme(wanted, environ, system, low) == picked
