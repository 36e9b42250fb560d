"""Finding runs: `last` is the newest that was started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import RunSpec
from runner.preflight.existing_files import files_of_name
from runner.store.journal import read_json, write_json
from runner.store.registry import RunNotFound, resolve, target_key
from runner.store.rundir import RunDir
from scripts.bench.many_runs import make_runs


def test_last_is_the_newest_that_was_started_not_what_was_imported_since() -> None:
    oldest, middle, newest = (RunDir(path) for path in make_runs(3))
    assert resolve("last") == newest.path
    write_json(newest.spec, replace(read_json(newest.spec, RunSpec), origin="imported"))
    write_json(middle.spec, replace(read_json(middle.spec, RunSpec), origin="inspected"))
    assert resolve("last") == oldest.path
    write_json(oldest.spec, replace(read_json(oldest.spec, RunSpec), origin="imported"))
    assert resolve("last") == newest.path  # there is nothing else


def test_nothing_fits_an_empty_word() -> None:
    make_runs(2)
    with pytest.raises(RunNotFound, match="nearest"):
        resolve("")


def test_a_complete_id_is_found_without_listing_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: among 20,000 runs the details of those in sight cost a second, and keys waited for it."""
    paths = make_runs(3)
    monkeypatch.setattr("runner.store.registry.run_paths", list)
    assert [resolve(path.name) for path in paths] == paths
    with pytest.raises(RunNotFound):
        resolve("..")


def test_two_ways_to_name_the_same_files_are_one_target(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert target_key(out, "loras/spyke") == target_key(f"{out}/loras", "spyke")
    assert target_key(out, f"{out}/spyke") == target_key(out, "spyke")
    assert target_key(out, "spyke") != target_key(out, "loras/spyke")
    assert target_key(out, None) == target_key(f"{out}/../out", "")


def test_files_of_a_name_with_folders_are_found_in_them(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    for name in ("spyke.safetensors", "loras/spyke-000001.safetensors", "loras/other.safetensors"):
        (tmp_path / name).touch()
    assert files_of_name(tmp_path, "loras/spyke") == ("loras/spyke-000001.safetensors",)
    assert files_of_name(tmp_path, "spyke") == ("spyke.safetensors",)
