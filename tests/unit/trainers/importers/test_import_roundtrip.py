"""Whatever flags a command has and however it is quoted: the imported plasma.toml starts the same."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.config.flags import unpassable
from runner.config.paths import PATH_FLAGS, PATH_OR_NAME_FLAGS
from runner.trainers.sd_scripts.flag_table import shipped_flags
from runner.trainers.sd_scripts.importers.command_line import flag_value, scalar
from runner.trainers.sd_scripts.importers.model import Draft
from runner.trainers.sd_scripts.importers.write import render
from tests.unit.trainers.importers.import_context import Desk, arguments

SHIPPED = shipped_flags("train_network.py").names
#: no flag that this program knows, and no beginning of one: their values are checked
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: (
        name not in PATH_FLAGS | PATH_OR_NAME_FLAGS
        and not any(known.startswith(name) for known in SHIPPED)
    )
)
#: no control characters: they cannot be typed, and a terminal would not show them
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NUMBERS = st.sampled_from(
    ["1e-4", "0.0001", "5e-05", "1E5", "007", "1_000", "1.50", "-3", "-0.5", "1e400", "inf", "nan",
     "9" * 25, "0x10", "+1", ".5", "5.", "true", "False", "null"]
)  # fmt: skip
VALUE = st.one_of(TEXT, NUMBERS, st.integers().map(str), st.floats().map(str))
LIST = st.lists(VALUE, min_size=2, max_size=4).filter(lambda items: unpassable(items) is None)
FLAGS = st.dictionaries(NAMES, st.one_of(st.none(), VALUE, LIST), min_size=1, max_size=8)


def quoted(text: str, style: int) -> str:
    """One of the ways to write a word so that a shell reads this text."""
    if style == 0:
        return shlex.quote(text)
    if style == 1:
        protected = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        return '"' + protected.replace("`", "\\`") + '"'
    # at the end of a paste, a backslash and a blank are read as a broken line: a repair that people need
    if style == 2 and not text.endswith((" ", "\t")):
        return "".join("\\" + char for char in text) if text else '""'
    middle = len(text) // 2
    return shlex.quote(text[:middle]) + quoted(text[middle:], 1)


def line_of(flags: dict[str, str | list[str] | None], draw: st.DataObject) -> str:
    """A command with these flags, each word quoted and separated at random."""
    style = st.integers(0, 3)
    words = []
    for name, value in flags.items():
        if value is None:
            words.append(f"--{name}")
        elif isinstance(value, list):
            words += [f"--{name}", *(quoted(item, draw.draw(style)) for item in value)]
        else:
            words.append(f"--{name}={quoted(value, draw.draw(style))}")
    gap = st.sampled_from([" ", "  ", " \\\n  ", "\t", " \\\r\n"])
    return "".join(draw.draw(gap) + word for word in words)


def as_words(flags: dict[str, str | list[str] | None]) -> list[str]:
    told: list[str] = []
    for name, value in flags.items():
        if isinstance(value, list):
            told += [f"--{name}", *value]
        else:
            told.append(f"--{name}" if value is None else f"--{name}={value}")
    return told


@pytest.mark.slow
@given(flags=FLAGS, draw=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_quoted_command_comes_out_as_it_went_in(
    flags: dict[str, str | list[str] | None], draw: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), Path(folder), {})
        made = desk.pasted("python /sd/train_network.py" + line_of(flags, draw))
        assert made.unmapped == ()
        assert arguments(desk.command(made)) == as_words(flags)


@given(text=VALUE)
@example(text="1e-4")
@example(text="0.1")
def test_a_value_is_a_number_only_where_nothing_is_lost(text: str) -> None:
    assert str(scalar("seed", text)) == text


ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(values=st.dictionaries(NAMES, ANY_TEXT, max_size=3), note=ANY_TEXT)
@settings(max_examples=60, deadline=None)
def test_any_text_becomes_valid_toml(values: dict[str, str], note: str) -> None:
    """Even control characters, which the file must not hold as they are."""
    import tomllib

    train = {name: flag_value(name, [text]) for name, text in values.items()}
    draft = Draft(note, train, env={"A": note}, unmapped=(note,))
    read = tomllib.loads(render(draft, Path("/project"), Path("/home")))
    assert {name: list(v) if isinstance(v, tuple) else v for name, v in train.items()} == read[
        "train"
    ]
    assert read["trainer"]["env"] == {"A": note}


@given(
    folder=st.sampled_from(["/h/p", "/h", "/", "/other"]),
    path=st.from_regex(r"/(?:h/p/|h/|other/)?[~.a-z ]{1,6}(?:\.safetensors)?", fullmatch=True),
    name=st.sampled_from(["output_dir", "pretrained_model_name_or_path", "vae"]),
)
@settings(max_examples=100, deadline=None)
def test_a_path_is_the_same_after_reading_it_back(folder: str, path: str, name: str) -> None:
    import tomllib

    from runner.config.paths import resolved

    path = os.path.normpath(path)
    text = render(Draft("x", {name: path}), Path(folder), Path("/h"))
    value = tomllib.loads(text)["train"][name]
    before = os.environ.get("HOME")
    os.environ["HOME"] = "/h"
    try:
        assert resolved(name, value, Path(folder)) == path
    finally:
        os.environ["HOME"] = before or "/"
