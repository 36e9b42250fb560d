"""Flags of a command without a trainer at hand: what argparse would make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.flag_table import lora_script_of, shipped_flags
from runner.trainers.sd_scripts.scripts import SCRIPTS, TRAINED
from tests import DATA
from tests.unit.trainers.importers.import_context import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {})


@pytest.mark.parametrize(
    ("words", "flags", "said"),
    [
        ("--max_train_e=3 --network_al 4", {"max_train_epochs": 3, "network_alpha": 4},
         "--max_train_e is short for --max_train_epochs"),
        ("--network_dim=4 --network_di=8", {"network_dim": 8}, "--network_di is short for"),
        ("--save_every=1 --seed=2", {"seed": 2},
         "save_every = 1: an ambiguous short name, it could be save_every_n_epochs, save_every_n_steps"),
        ("--new_flag_of_a_fork=1", {"new_flag_of_a_fork": 1}, ""),
        ("--xformers=True --sdpa false", {"xformers": True}, "--sdpa is a switch and takes no value (false)"),
        ("--network_args a=1", {"network_args": ("a=1",)}, ""),
        ("--optimizer_a betas=0.9,0.99 d=-1", {"optimizer_args": ("betas=0.9,0.99", "d=-1")}, ""),
        ("--min_timestep -1 --noise_offset=-0.1", {"min_timestep": -1, "noise_offset": -0.1}, ""),
        ("--vae= --log_prefix '' --seed=1", {"seed": 1}, "--log_prefix: it is empty"),
    ],
)  # fmt: skip
def test_a_flag_is_read_as_argparse_reads_it_without_a_trainer(
    desk: Desk, words: str, flags: dict[str, object], said: str
) -> None:
    made = desk.pasted(f"accelerate launch /sd/train_network.py {words}\n")
    assert dict(desk.config(made).train) == flags
    assert said in "\n".join((*made.notes, *made.unmapped))


def test_the_shipped_flags_are_those_of_the_parsers() -> None:
    lines = (DATA / "flag_names.txt").read_text().splitlines()[1:]
    lines = [line for line in lines if "." not in line]
    scripts = ("train_network.py", "sdxl_train_network.py", "flux_train_network.py")
    shipped = {name for script in scripts for name in shipped_flags(script).names}
    assert set(lines) - {"help"} == shipped
    for script in (*SCRIPTS, *TRAINED):
        assert "output_name" in shipped_flags(script).names
    assert lora_script_of(["seed", "split_mode"]) == "flux_train_network.py"
    assert lora_script_of(["seed"]) is lora_script_of(["cache_text_encoder_outputs"]) is None
