"""TOML and JSON that no person wrote are refused by one kind of error, as one sentence."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runner.config.errors import ConfigError
from runner.config.load import load_config
from runner.config.reading import read_settings
from runner.files.json_text import parse_json
from runner.files.toml_text import MOST_LEVELS, parse_toml
from runner.trainers.accelerate import read_config
from runner.trainers.sd_scripts.dataset.config import load_dataset_file
from runner.trainers.sd_scripts.dataset.metadata_file import read_metadata
from runner.trainers.sd_scripts.dataset.spec import DatasetError
from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.sd_toml import parse_settings
from tests.unit.trainers.importers.import_context import nothing_known

#: more digits than Python converts; more than a float holds; and the same in hexadecimal
NUMBERS = ("1" * 5000, "-" + "9" * 400, "0x" + "f" * 5000)
DEEP = (100, 100_000)


@pytest.mark.parametrize("number", NUMBERS, ids=range(3))
def test_an_integer_that_is_no_setting_is_no_toml(tmp_path: Path, number: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match="too many digits"):
        parse_toml(f"a = [{{ b = {number} }}]")
    (tmp_path / "plasma.toml").write_text(f"[trainer]\nnice = {number}\n")
    with pytest.raises(ConfigError, match="too many digits"):
        load_config(tmp_path, known_flags=nothing_known)
    # an integer that cannot be one is text, as any other value that is no TOML
    assert read_settings([f"seed={number}"], tmp_path) == {"seed": number}


@pytest.mark.parametrize("number", NUMBERS[:2], ids=range(2))
def test_an_integer_that_is_no_setting_is_no_json(tmp_path: Path, number: str) -> None:
    with pytest.raises(json.JSONDecodeError, match="too many digits"):
        parse_json(f'{{"a": [{number}]}}')
    for suffix in (".json", ".toml"):
        with pytest.raises(ImportRefused, match="too many digits"):
            parse_settings(
                f'{{"a": {number}}}' if suffix == ".json" else f"a = {number}", "x", suffix
            )
    for name, text in (("d.toml", f"a = {number}"), ("d.json", f'{{"a": {number}}}')):
        (tmp_path / name).write_text(text)
        with pytest.raises(DatasetError, match="too many digits"):
            load_dataset_file(tmp_path / name)
    file = tmp_path / "accelerate.yaml"
    file.write_text(f'{{"num_processes": {number}}}')
    found = read_config(file)
    assert found is not None
    assert "too many digits" in (found.problem or "")


@pytest.mark.parametrize("levels", DEEP)
def test_what_is_nested_too_deeply_is_refused_before_anything_recurses(levels: int) -> None:
    with pytest.raises(json.JSONDecodeError, match="Nested too deeply"):
        parse_json("[" * levels + "]" * levels)
    with pytest.raises(tomllib.TOMLDecodeError, match="Nested too deeply"):
        parse_toml("a = " + "[" * levels + "]" * levels)


def test_what_settings_have_is_read() -> None:
    nested: Any = 1
    for _ in range(MOST_LEVELS - 1):
        nested = [nested]
    assert parse_json(json.dumps(nested)) == nested
    assert parse_json('{"a": [1, 2.5, "x", null, true], "b": 99999999999999999999}') == {
        "a": [1, 2.5, "x", None, True],
        "b": 99999999999999999999,
    }
    assert parse_toml("a = 0xffffffffffffffff") == {"a": 2**64 - 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"a.png": {"image_size": [Infinity, 1]}}',
        "[" * 100_000,
        '{"a.png": {"image_size": [' + "9" * 5000,
    ],
    ids=["infinity", "deep", "digits"],
)
def test_a_metadata_file_of_anything_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(DatasetError):
        read_metadata("meta.json", "images", tmp_path, None)


@pytest.mark.parametrize("count", ["\u00b2", "9" * 5000])
def test_a_number_of_processes_that_is_none_is_unknown(tmp_path: Path, count: str) -> None:
    file = tmp_path / "default_config.yaml"
    file.write_text(f"num_processes: {count}\n", encoding="utf-8")
    found = read_config(file)
    assert found is not None
    assert found.processes is None
