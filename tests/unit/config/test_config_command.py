"""From a config to argv, environment and a line for people; editing a recorded command."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.config.errors import ConfigError
from runner.config.flags import flags_begin, plain_name, to_arguments, with_flags
from runner.config.model import Config, Smoke, Trainer
from runner.config.reading import read_settings
from runner.control.changes import read_changes
from runner.trainers.builtin.program import ONLY_RUNNER, catalog_of
from runner.trainers.command import Command, build_command, shell_line
from runner.trainers.registry import known_flags

SD = Path("/sd")
BARE: Mapping[str, str] = {"PATH": "/bin"}


def config(**trainer: Any) -> Config:
    given: dict[str, Any] = {"sd_scripts": SD, "python": "/venv/bin/python"}
    given["script"] = "/sd/train_network.py"
    return Config(path=Path("/work/plasma.toml"), name="x", trainer=Trainer(**(given | trainer)))


def built_in(**trainer: Any) -> Config:
    return config(sd_scripts=None, script="runner.embedded", **trainer)


def build(what: Config, **options: Any) -> Command:
    given: dict[str, Any] = {"environ": BARE, "tensorboard_check": lambda python, env: True}
    return build_command(what, **(given | options))


def with_train(what: Config, **flags: Any) -> Config:
    return dataclasses.replace(what, train=flags)


def test_python_starts_the_script_without_a_launcher_between() -> None:
    command = build(with_train(config(), output_dir="/out", gradient_checkpointing=True))
    assert command.argv == (
        "/venv/bin/python",
        "-u",
        "/sd/train_network.py",
        "--output_dir=/out",
        "--gradient_checkpointing",
    )
    assert command.cwd == "/sd"


def test_accelerate_always_gets_explicit_numbers() -> None:
    what = dataclasses.replace(
        with_train(config(launcher="accelerate"), mixed_precision="bf16"),
        accelerate={"num_cpu_threads_per_process": 4, "num_machines": 2},
    )
    assert build(what).argv == (
        "/venv/bin/python",
        "-m",
        "accelerate.commands.launch",
        "--num_processes=1",
        "--num_machines=2",
        "--mixed_precision=bf16",
        "--dynamo_backend=no",
        "--num_cpu_threads_per_process=4",
        "/sd/train_network.py",
        "--mixed_precision=bf16",
    )


def test_a_configuration_of_accelerate_has_its_own_numbers() -> None:
    what = dataclasses.replace(config(launcher="accelerate"), accelerate={"config_file": "/a.yaml"})
    assert build(what).argv[3:] == ("--config_file=/a.yaml", "/sd/train_network.py")


def test_the_built_in_trainer_is_a_module_for_both_launchers() -> None:
    assert build(built_in()).argv[1:] == ("-u", "-m", "runner.embedded")
    assert build(built_in(launcher="accelerate")).argv[-2:] == ("--module", "runner.embedded")


def test_the_environment_keeps_lines_whole_and_prompt() -> None:
    env = build(config()).env
    assert env["PYTHONUNBUFFERED"] == "1"
    assert env["PYTHONIOENCODING"] == "utf-8"
    assert env["COLUMNS"] == "500"
    assert env["LINES"] is None
    assert "PYTHONPATH" not in env


def test_the_environment_of_plasma_toml_has_the_last_word() -> None:
    command = build(config(env={"COLUMNS": "200", "CUDA_VISIBLE_DEVICES": ""}))
    whole = command.environment({"LINES": "24", "PATH": "/bin"})
    assert whole["COLUMNS"] == "200"
    assert whole["CUDA_VISIBLE_DEVICES"] == ""
    assert whole["PATH"] == "/bin"
    assert "LINES" not in whole


def test_the_built_in_trainer_finds_our_package_and_not_a_stranger() -> None:
    command = build(built_in(), environ={"PYTHONPATH": "/mine"})
    assert command.env["PYTHONPATH"] == f"{ONLY_RUNNER}{os.pathsep}/mine"
    assert command.env["PYTHONSAFEPATH"] == "1"
    assert command.cwd == "/work"
    assert [found.name for found in ONLY_RUNNER.iterdir()] == ["runner"]


def test_a_pythonpath_of_plasma_toml_stays_behind_ours() -> None:
    env = build(built_in(env={"PYTHONPATH": "/theirs"}), environ={"PYTHONPATH": "/mine"}).env
    assert env["PYTHONPATH"] == f"{ONLY_RUNNER}{os.pathsep}/theirs"


def test_a_script_from_elsewhere_finds_the_library_of_sd_scripts() -> None:
    assert build(config(script="/tools/mine.py")).env["PYTHONPATH"] == "/sd"


def test_exact_losses_are_asked_for_unless_the_user_logs_elsewhere() -> None:
    folder = Path("/run/tensorboard")
    command = build(config(), tensorboard_dir=folder)
    assert command.logging_dir == "/run/tensorboard"
    assert command.argv[-1] == "--logging_dir=/run/tensorboard"
    own = build(with_train(config(), logging_dir="/mine"), tensorboard_dir=folder)
    assert (own.logging_dir, own.argv[-1]) == ("/mine", "--logging_dir=/mine")
    assert own.warnings == ()


@pytest.mark.parametrize("tracker", ["tensorboard", "all"])
def test_a_tracker_that_needs_a_folder_gets_one(tracker: str) -> None:
    command = build(with_train(config(), log_with=tracker), tensorboard_dir=Path("/run/tb"))
    assert command.logging_dir == "/run/tb"


def test_another_tracker_is_left_alone_and_told() -> None:
    command = build(with_train(config(), log_with="wandb"), tensorboard_dir=Path("/run/tb"))
    assert command.logging_dir is None
    assert command.warnings == (
        "log_with is wandb, so no TensorBoard events are written: losses will be the bar's "
        "running average with 3 digits",
    )


def test_without_tensorboard_nothing_is_injected_and_it_is_told() -> None:
    asked: list[tuple[str, str | None]] = []

    def check(python: str, env: Mapping[str, str]) -> bool:
        asked.append((python, env.get("PYTHONUNBUFFERED")))
        return False

    command = build(config(), tensorboard_dir=Path("/run/tb"), tensorboard_check=check)
    assert command.argv[-1] == "/sd/train_network.py"
    assert command.warnings == (
        "tensorboard is not installed for /venv/bin/python: losses will be the bar's running "
        "average with 3 digits",
    )
    assert asked == [("/venv/bin/python", "1")]


def test_nothing_is_asked_where_nothing_would_be_injected() -> None:
    def never(python: str, env: Mapping[str, str]) -> bool:
        raise AssertionError("asked")

    build(config(), tensorboard_check=never)
    logged = with_train(config(), logging_dir="/x")
    build(logged, tensorboard_dir=Path("/t"), tensorboard_check=never)


def test_extra_flags_go_over_the_file_and_false_takes_out() -> None:
    what = with_train(config(), seed=1, cache_latents=True)
    command = build(what, extra_flags={"seed": 2, "cache_latents": False, "resume": "/s"})
    assert command.argv[3:] == ("--seed=2", "--resume=/s")
    assert command.flags == {"seed": 2, "resume": "/s"}


def test_a_smoke_test_is_a_command_of_its_own() -> None:
    what = dataclasses.replace(
        with_train(config(), max_train_epochs=4, seed=1), smoke=Smoke({"max_train_steps": 3})
    )
    assert build(what, smoke=True).argv[3:] == (
        "--seed=1",
        "--output_name=smoke_test",
        "--max_train_steps=3",
    )


def test_the_line_for_people_is_what_a_shell_would_run() -> None:
    command = Command(("/p y", "-u", "a$b"), {"A": "1 2", "LINES": None}, "/some where")
    line = shell_line(command)
    assert line == "cd '/some where' && env -u LINES 'A=1 2' '/p y' -u 'a$b'"
    assert shlex.split(line)[3:] == ["env", "-u", "LINES", "A=1 2", "/p y", "-u", "a$b"]


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--text")
PARSER.add_argument("--rate", type=float)
PARSER.add_argument("--epochs", type=int)
PARSER.add_argument("--many", nargs="*")
PARSER.add_argument("--kind", choices=["a", "b"])
PARSER.add_argument("--bare", action="store_true")


def test_argparse_reads_back_what_was_written() -> None:
    flags = {"text": "-x y", "rate": -1e-05, "epochs": 3, "many": ("a=1", "b"), "bare": True}
    assert vars(PARSER.parse_args(to_arguments(flags))) == {
        "text": "-x y",
        "rate": -1e-05,
        "epochs": 3,
        "many": ["a=1", "b"],
        "kind": None,
        "bare": True,
    }
    assert PARSER.parse_args(to_arguments({"many": ("-one",)})).many == ["-one"]
    assert to_arguments({"bare": False, "many": ()}) == []


def test_names_are_plain() -> None:
    assert plain_name("--max-train-epochs") == "max_train_epochs"
    assert plain_name("seed") == "seed"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 3, None),
        ("epochs", 3.5, 'is "3.5"; it must be an integer'),
        ("rate", "fast", 'is "fast"; it must be a number'),
        ("rate", 1, None),
        ("text", True, "needs a value, not true"),
        ("text", False, None),
        ("text", ("a", "b"), "takes one value, not 2"),
        ("many", ("a", "b"), None),
        ("kind", "c", 'is "c"; choose one of a, b'),
        ("kind", "b", None),
        ("bare", True, None),
        ("bare", 1, "is a switch; write true or false"),
    ],
)
def test_a_parser_tells_what_it_would_refuse(name: str, value: Any, said: str | None) -> None:
    catalog = catalog_of(PARSER)
    assert catalog.names == {"text", "rate", "epochs", "many", "kind", "bare"}
    assert catalog.problem(name, value) == said


def test_the_built_in_trainer_is_asked_for_its_flags_and_a_checkout_is_not() -> None:
    catalog = known_flags(built_in().trainer)
    assert catalog is not None
    assert {"output_dir", "max_train_epochs", "save_every_n_steps"} <= catalog.names
    assert catalog.problem("lr_warmup_steps", "10%") is None
    said = 'is "soon"; it must be an integer, a fraction below 1 or a percentage'
    assert catalog.problem("lr_warmup_steps", "soon") == said
    assert known_flags(config().trainer) is None


RECORDED = (
    "/venv/bin/python", "-m", "accelerate.commands.launch", "--mixed_precision=no",
    "/sd/train_network.py", "--mixed_precision=bf16", "--network_args", "a=1", "b=2",
    "--seed=1", "--cache_latents",
)  # fmt: skip


def test_a_recorded_command_gets_other_flags() -> None:
    changes = {"network_args": ("c=3", "d=4"), "mixed_precision": "no", "cache_latents": False}
    assert with_flags(RECORDED, changes) == (
        *RECORDED[:5], "--seed=1", "--network_args", "c=3", "d=4", "--mixed_precision=no",
    )  # fmt: skip


def test_the_flags_of_a_module_begin_behind_its_name() -> None:
    module = ("/venv/bin/python", "-u", "-m", "runner.embedded", "--seed=1")
    assert with_flags(module, {"seed": 2}) == (*module[:4], "--seed=2")
    with pytest.raises(ValueError, match="no script in the command: ls -l"):
        flags_begin(("ls", "-l"))


def test_settings_are_read_as_toml_or_as_text() -> None:
    texts = ["max_train_epochs=2", "--output-dir=out", "lr=1e-4", "name=a b", 'n=["x", "y"]']
    found = read_settings([*texts, "cache_latents=false"], Path("/here"))
    assert found == {
        "max_train_epochs": 2,
        "output_dir": "/here/out",
        "lr": 1e-4,
        "name": "a b",
        "n": ("x", "y"),
        "cache_latents": False,
    }


@pytest.mark.parametrize(
    "text", ["2026-01-01", "07:30:00", "{a = 1}", "1\nother = 2", "[red] fox", "'open", "[1, 2"]
)
def test_what_is_no_value_of_a_flag_is_text(text: str) -> None:
    assert read_settings([f"name={text}"], Path("/here")) == {"name": text}
    assert read_changes([f"name={text}"]).train == {"name": text}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "seed",
            "--set: 'seed' is not a setting; write FLAG=VALUE, for example max_train_epochs=2",
        ),
        ("=1", "--set: '=1' is not a setting; write FLAG=VALUE, for example max_train_epochs=2"),
        ("resume=", "--set: [train] resume is empty; set a path or remove the line"),
        ("lr=inf", "--set: [train] lr is inf; use a finite number"),
        ("kind=c", '--set: [train] kind is "c"; choose one of a, b'),
        ("sed=1", "--set: [train] sed is not a flag of this trainer; remove it"),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(text: str, said: str) -> None:
    known = catalog_of(PARSER) if text[0] in "ks" else None
    with pytest.raises(ConfigError) as caught:
        read_settings([text], Path("/here"), known)
    assert str(caught.value) == said
