"""Dataset configurations from public threads: what the forecast and the checks report about each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runner.config.load import load_config
from runner.preflight.forecast import estimate
from runner.trainers.sd_scripts.importers.files import import_file
from tests.public_cases import Right, cases, wrong
from tests.unit.preflight.preflight_project import Project, look
from tests.unit.trainers.importers.import_context import Desk

#: checks that a case may name: `dataset` for `status of it`, `dataset says` for its words
CHECKS = ("dataset", "captions", "images", "buckets", "output")


@pytest.mark.parametrize(("folder", "right"), cases("dataset"))
def test_a_public_dataset_is_read_right(folder: Path, right: Right, tmp_path: Path) -> None:
    home = tmp_path / "project"
    shutil.copytree(folder, home)
    for file in home.glob("*.*"):
        file.write_text(file.read_text("utf-8").replace("@HERE@", str(home)), "utf-8")
    _draw(home)
    Project(home).checkout()
    plan, script = home / "input-plasma.toml", home / "input.sh"
    if script.exists():
        desk = Desk(tmp_path, home, {})
        desk.config(import_file(script, context=desk.context()))
    else:
        text = plan.read_text("utf-8") if plan.exists() else _plan(right)
        (home / "plasma.toml").write_text(text, "utf-8")
    assert wrong({k: v for k, v in right.items() if k != "train"}, _seen(home)) == {}


def _plan(right: Right) -> str:
    flags = "\n".join(right.get("train", ()))
    return (
        '[trainer]\nsd_scripts = "sd"\nlauncher = "python"\n[train]\ndataset_config = "input.toml"\n'
        'pretrained_model_name_or_path = "m.safetensors"\nnetwork_module = "networks.lora"\n'
        f'output_dir = "out"\noutput_name = "x"\nmax_train_epochs = 2\n{flags}\n'
    )


def _draw(home: Path) -> None:
    """The images that `images.json` lists: folder -> [[width, height, number] ...], caption suffix, mode."""
    listed = home / "images.json"
    sets: dict[str, Any] = json.loads(listed.read_text("utf-8")) if listed.exists() else {}
    for name, (sizes, suffix, mode) in sets.items():
        (home / name).mkdir(exist_ok=True)
        drawn = [(w, h) for w, h, number in sizes for _ in range(number)]
        for at, size in enumerate(drawn):
            Image.new(mode, size).save(home / name / f"{at:02d}.png")
            if suffix:
                (home / name / f"{at:02d}{suffix}").write_text("1girl, solo ||| red hair", "utf-8")


def _seen(home: Path) -> dict[str, Any]:
    config = load_config(home, known_flags=lambda trainer: None)
    found = estimate(config)
    seen: dict[str, Any] = {
        "batches_per_epoch": found.batches_per_epoch,
        "total_steps": found.steps,
        "checkpoints": len(found.checkpoints),
        "warnings": " ".join(found.warnings),
    }
    for name in CHECKS:
        finding = look(name, config)
        seen[f"check_{name}"] = str(finding.status)
        seen[f"{name}_says"] = f"{finding.evidence} {finding.detail}"
    return seen
