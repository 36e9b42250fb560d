"""A trainer program is chosen in one place; a third one is a class and a row."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.analysis.diagnosis.cures import setting_of
from runner.config.catalog import Catalog, Effort, Flag, FlagReport
from runner.config.errors import ConfigError
from runner.config.model import Trainer
from runner.control.begin import prepare
from runner.control.resume import plan_resume
from runner.model import Forecast, Phase
from runner.model.events import ModelSaved
from runner.preflight.forecast import estimate
from runner.supervisor.ingest import Ingest
from runner.trainers import registry
from runner.trainers.console import Sentence, Vocabulary
from runner.trainers.names import FileNames
from runner.trainers.protocol import ModuleEnvironment, TrainerProgram
from runner.trainers.registry import load_config, program_of, recorded_trainer
from runner.trainers.sd_scripts.forecast import Question
from runner.trainers.sd_scripts.program import SdScripts
from runner.trainers.sd_scripts.vocabulary import SENTENCES
from tests.unit.control.test_resume import checkpoint, stopped, value

CONFIG = """\
[trainer]
sd_scripts = "musubi"
python = "{python}"
script = "wan_train_network.py"
[train]
output_dir = "out"
"""


class Musubi(SdScripts):
    """As kohya's musubi-tuner: a package below `src`, no --initial_step, flags of its own; and, to be seen, a
    sentence, names of files and a forecast of its own."""

    name = "musubi-tuner"
    vocabulary = Vocabulary(
        (*SENTENCES, Sentence("writing video model:", Phase.SAVING, lambda _, end: ModelSaved(end)))
    )
    names = FileNames(step_form="{}.{}", step_stem=r"(?P<base>.*)\.(?P<n>\d+)")
    failures = frozenset({"musubi"})

    def recognises(self, trainer: Trainer) -> bool:
        folder = trainer.sd_scripts
        return folder is not None and (folder / "src" / "musubi_tuner").is_dir()

    def modules(self, trainer: Trainer) -> ModuleEnvironment:
        return ModuleEnvironment(f"{trainer.sd_scripts}/src")

    def flag_report(
        self, trainer: Trainer, effort: Effort, cancelled: threading.Event | None
    ) -> FlagReport:
        return FlagReport(Catalog((Flag("output_dir"), Flag("dit"))))

    def forecast(self, question: Question) -> Forecast:
        return Forecast(steps=7 + len(question.flags))

    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        return False


@pytest.fixture
def musubi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    third: TrainerProgram = Musubi()
    monkeypatch.setattr(registry, "PROGRAMS", (third, *registry.PROGRAMS))
    folder = tmp_path / "musubi"
    (folder / "src" / "musubi_tuner").mkdir(parents=True)
    (folder / "wan_train_network.py").write_text("")
    (tmp_path / "plasma.toml").write_text(CONFIG.format(python=sys.executable))
    return tmp_path


def test_a_third_trainer_has_its_own_flags_command_and_name(musubi: Path) -> None:
    prepared = prepare(load_config(musubi / "plasma.toml"))
    assert prepared.spec.trainer == "musubi-tuner"
    assert prepared.command.argv[2] == str(musubi / "musubi" / "wan_train_network.py")
    assert str(prepared.command.env["PYTHONPATH"]).split(":")[0] == f"{musubi}/musubi/src"
    file = musubi / "plasma.toml"
    file.write_text(file.read_text() + "initial_step = 3\n")
    with pytest.raises(ConfigError, match="initial_step is not a flag of this trainer"):
        load_config(file)


def test_a_run_is_resumed_by_the_program_that_its_command_shows(musubi: Path) -> None:
    spec = prepare(load_config(musubi / "plasma.toml")).spec
    assert program_of(registry.trainer_of(spec)).name == "musubi-tuner"
    moved = dataclasses.replace(spec, cwd="/elsewhere")
    assert program_of(registry.trainer_of(moved)).name == "sd-scripts"


def test_its_own_arithmetic_makes_the_forecast(musubi: Path) -> None:
    assert estimate(load_config(musubi / "plasma.toml")).steps == 8


def test_its_own_names_and_way_to_resume_make_the_next_attempt(musubi: Path) -> None:
    checkout = musubi / "musubi"
    found = plan_resume(stopped(checkout, checkpoint(checkout, 400)))
    assert "--initial_step" not in " ".join(found.plan.command)
    assert value(found.plan, "--max_train_steps") == "520"
    assert found.plan.origin_step == 400
    assert [one.name for one in found.plan.expected][:2] == [
        "x.500.safetensors",
        "x.600.safetensors",
    ]


def test_its_own_sentences_and_failures_reach_the_supervisor(musubi: Path) -> None:
    spec = prepare(load_config(musubi / "plasma.toml")).spec
    context: Any = SimpleNamespace(spec=spec)
    other: Any = None
    parser = Ingest(context, other, other, other, other).parser
    said = b"writing video model: out/x.safetensors\n"
    assert any(isinstance(event, ModelSaved) for event in (*parser.feed(said), *parser.finish()))
    assert not setting_of(spec.first_plan).platform.meets("sd-scripts")


def test_the_first_trainers_are_told_apart_by_their_command() -> None:
    script = recorded_trainer(("python", "-u", "/sd/train_network.py", "--seed=1"), "/sd")
    module = recorded_trainer(("python", "-u", "-m", "runner.embedded", "--seed=1"), "/x")
    assert (program_of(script).name, program_of(script).title(script)) == (
        "sd-scripts",
        "train_network.py",
    )
    assert (program_of(module).name, program_of(module).title(module)) == (
        "embedded",
        "the built-in trainer",
    )
