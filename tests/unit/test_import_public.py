"""Scripts, cells and notebooks as people write them: what their import must hold or say.

Each folder of `tests/data/public` holds a rewritten input and `expect.json` with what is right.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config.model import Config
from runner.trainers.sd_scripts.importers.files import import_file
from runner.trainers.sd_scripts.importers.model import Imported, ImportRefused
from tests.unit.import_context import Desk

CASES = Path(__file__).parents[1] / "data" / "public"
#: (folder, a check that this test does not make: the forecast reports it)
ELSEWHERE = {("52-script-save-every-zero", "forecast_warns")}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    (home / "sd-scripts").mkdir()
    (home / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {})


def wrong(key: str, right: object, config: Config, made: Imported, desk: Desk) -> str:
    """What is not as `right` says; "" if all is."""
    flags = dict(config.train)
    if key.startswith("flags_if") or key == "flags":
        assert isinstance(right, dict)
        return str(
            {
                name: flags.get(name)
                for name, value in right.items()
                if not f"/{flags.get(name)}".endswith(f"/{value}")
            }
            or ""
        )
    if key in ("flags_present", "flags_absent"):
        assert isinstance(right, list)
        have = [name for name in right if (name in flags) == (key == "flags_absent")]
        return "" if not have else f"{key}: {have}"
    if key == "script":
        return "" if Path(config.trainer.script).name == right else config.trainer.script
    if key == "env":
        return "" if dict(config.trainer.env) == right else f"{config.trainer.env}"
    if key == "unmapped":
        return "" if list(made.unmapped) == right else f"{made.unmapped}"
    if key == "unmapped_contains":
        return "" if str(right) in " ".join(made.unmapped) else f"{made.unmapped}"
    if key in ("said", "or_said"):
        return "" if str(right) in " ".join(made.notes) else f"{made.notes}"
    raise AssertionError(f"expect.json asks for {key}, which no test checks")


@pytest.mark.parametrize("name", sorted(folder.name for folder in CASES.iterdir()))
def test_a_public_script_is_imported_right_or_its_format_is_named(desk: Desk, name: str) -> None:
    right = json.loads((CASES / name / "expect.json").read_text())["right"]
    source = next((CASES / name).glob("input.*"))
    file = desk.project / source.name.removesuffix(".txt")  # no linter takes it for a notebook
    file.write_bytes(source.read_bytes())
    try:
        made = import_file(file, context=desk.context())
    except ImportRefused as error:
        said = right.get("said") or right.get("or_said")
        assert said and said in str(error), str(error)
        return
    config = desk.config(made)
    checks = [key for key in right if (name, key) not in ELSEWHERE]
    assert {k: told for k in checks if (told := wrong(k, right[k], config, made, desk))} == {}
