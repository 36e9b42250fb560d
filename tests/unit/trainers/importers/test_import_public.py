"""Scripts, cells and notebooks as people write them: what their import must hold or say.

Each folder of `tests/data/public` holds a rewritten input and `expect.json` with what is right.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config.model import Config
from runner.preflight.forecast import estimate
from runner.trainers.sd_scripts.importers.files import import_file
from runner.trainers.sd_scripts.importers.model import Imported, ImportRefused
from tests.public_cases import Right, cases, input_of
from tests.unit.trainers.importers.import_context import Desk


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
    if key == "network_args_contains":
        assert isinstance(right, list)
        return "" if set(right) <= set(flags.get("network_args", ())) else str(flags)
    if key == "forecast_warns":
        told = estimate(config).warnings
        return "" if str(right) in " ".join(told) else f"{told}"
    raise AssertionError(f"expect.json asks for {key}, which no test checks")


@pytest.mark.parametrize(("folder", "right"), cases("script"))
def test_a_public_script_is_imported_right_or_its_format_is_named(
    desk: Desk, folder: Path, right: Right
) -> None:
    source = input_of(folder)
    file = desk.project / source.name.removesuffix(".txt")  # no linter takes it for a notebook
    file.write_bytes(source.read_bytes())
    try:
        made = import_file(file, context=desk.context())
    except ImportRefused as error:
        said = right.get("said") or right.get("or_said")
        assert said and said in str(error), str(error)
        return
    config = desk.config(made)
    assert {k: told for k in right if (told := wrong(k, right[k], config, made, desk))} == {}


@pytest.mark.parametrize(
    ("name", "text", "flags"),
    [
        ("t.py", "import subprocess\nm = '/m/a b.safetensors'\ndef go():\n    cmd = ['accelerate', 'launch',"
         " 'RUN', f'--vae={m}', '--seed', str(3)]\n    cmd += ['--cache_latents']\n"
         "    cmd.append('--output_name=x')\n    subprocess.run(cmd, check=True)\n",
         {"vae": "/m/a b.safetensors", "seed": 3, "cache_latents": True, "output_name": "x"}),
        ("t.py", "import os\nn = 'abc'\nos.system(f'python RUN --output_name=\"{n}\" '\n  '--seed=4')\n",
         {"output_name": "abc", "seed": 4}),
        ("t.py", "class A:\n  def go(self, a):\n    try:\n      c = 'python RUN --seed=3 --vae=' + a\n"
         "      p = subprocess.Popen(c, shell=True)\n    except OSError:\n      pass\n", {"seed": 3}),
        ("t.bat", "@echo off\r\nset \"NAME=my lora\"\r\nset M=C:\\m\\a.safetensors\r\nREM x\r\n"
         "if \"%1\"==\"\" goto x\r\npython RUN --output_name=\"%NAME%\" ^\r\n --ae=%M%"
         " --vae=\"v\\b.pt\"\r\n",
         {"output_name": "my lora", "ae": "C:\\m\\a.safetensors", "vae": "v/b.pt"}),
        ("t.ps1", "$a = @(\n '--seed=1',\n '--output_name=z'\n)\n$n = 0\nif ($n -gt 1) {\n $a += '--x'\n}"
         " else {\n [void]$a.Add('--y')\n}\n& .\\venv\\Scripts\\python.exe RUN @a\n",
         {"seed": 1, "output_name": "z", "y": True}),
        ("t.ipynb", json.dumps({"cells": [
            {"cell_type": "code", "source": ["dim = 16 #@param\n", "name = \"abc\"\n", "print(dim)"]},
            {"cell_type": "code", "source": "!python RUN --network_dim={dim} --output_name=$name"}]}),
         {"network_dim": 16, "output_name": "abc"}),
        ("t.txt", "%%bash\nA=1\npython RUN --seed=$A", {"seed": 1}),
    ],
)  # fmt: skip
def test_other_languages_that_start_a_training_are_read_without_running_them(
    desk: Desk, name: str, text: str, flags: dict[str, object]
) -> None:
    made = desk.imported(text.replace("RUN", "/sd/train_network.py"), name)
    train = dict(desk.config(made).train)
    here = f"{desk.project}/"
    told = {k: v.removeprefix(here) if isinstance(v, str) else v for k, v in train.items()}
    assert told == flags


def test_a_loop_of_power_shell_is_read_once_and_named(desk: Desk) -> None:
    made = desk.imported(
        "foreach ($x in 'a', 'b') {\n python /sd/train_network.py --output_name=$x\n}\n", "t.ps1"
    )
    assert desk.config(made).train["output_name"] == "a"
    assert (
        "line 1: PowerShell: the loop is not followed; read once, with its first value"
        in made.notes
    )


def test_paths_of_windows_stay_as_they_are_and_are_named(desk: Desk) -> None:
    made = desk.pasted("python /sd/train_network.py --vae='C:\\a.pt' --ae=D:/b.sft --seed=1")
    assert 'ae = "D:/b.sft"' in made.config_text
    assert any(note == "Change these Windows paths to local paths: vae, ae" for note in made.notes)
