"""Settings that differ between two launches, as words and in a command line."""

from pathlib import Path

import pytest

from runner.config.flags import launcher_flags, read_flags, with_launcher_flags
from runner.config.model import Config, Trainer
from runner.control.changes import (
    Changes,
    applied,
    changed_config,
    differences,
    flag_text,
    read_changes,
)
from runner.model import AttemptPlan
from runner.model.preview import FlagChange

LAUNCHED = (
    "/v/bin/python", "-m", "accelerate.commands.launch", "--num_processes=2", "--multi_gpu", "train_network.py",
    "--network_args", "a=1", "b=2", "--cache_latents", "--learning_rate=1e-4",
)  # fmt: skip


def plan(command: tuple[str, ...] = LAUNCHED, **env: str | None) -> AttemptPlan:
    return AttemptPlan(1, command, dict(env), "/", None, None)


def test_a_command_is_read_back_as_flags() -> None:
    assert read_flags(LAUNCHED) == {
        "network_args": ("a=1", "b=2"), "cache_latents": True, "learning_rate": "1e-4",
    }  # fmt: skip
    assert launcher_flags(LAUNCHED) == {"num_processes": "2", "multi_gpu": True}
    assert launcher_flags(("python", "-u", "train_network.py", "--seed=1")) == {}


def test_the_launchers_flags_are_changed_without_touching_the_scripts() -> None:
    found = with_launcher_flags(LAUNCHED, {"num_processes": 1, "multi_gpu": False})
    assert launcher_flags(found) == {"num_processes": "1"}
    assert read_flags(found) == read_flags(LAUNCHED)
    module = (
        "python",
        "-m",
        "accelerate.commands.launch",
        "--module",
        "runner.embedded",
        "--seed=1",
    )
    found = with_launcher_flags(module, {"num_processes": 1})
    assert found[-3:] == ("--module", "runner.embedded", "--seed=1")
    with pytest.raises(ValueError, match="without accelerate"):
        with_launcher_flags(("python", "train_network.py"), {"num_processes": 1})


@pytest.mark.parametrize(
    "words",
    [
        ("cache_latents=true", "learning_rate=5e-05"),
        ("xformers=false",),
        ("env.PYTORCH_ENABLE_MPS_FALLBACK=1", "accelerate.num_processes=1"),
        ('network_args=["a=1", "b=2"]',),
        ("optimizer_type=AdamW",),
    ],
)
def test_words_are_read_and_written_back(words: tuple[str, ...]) -> None:
    assert read_changes(words).words == words
    assert read_changes(read_changes(words).words) == read_changes(words)


@pytest.mark.parametrize("word", ["cache_latents", "=true", "", "--=1"])
def test_what_is_no_setting_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(ValueError, match="write FLAG=VALUE, for example cache_latents=true"):
        read_changes((word,))


def test_later_words_count() -> None:
    first, second = read_changes(("a=1", "b=1", "env.X=1")), read_changes(("a=2", "env.X="))
    assert second.over(first) == Changes({"a": 2, "b": 1}, {"X": None}, {})


def test_applied_and_told() -> None:
    wanted = read_changes(
        (
            "cache_latents=false",
            "gradient_checkpointing=true",
            "env.A=1",
            "accelerate.num_processes=1",
        )
    )
    before = plan(A="0", B=None)
    after = applied(before, wanted)
    assert differences(before, after) == (
        FlagChange("cache_latents", "true", None),
        FlagChange("gradient_checkpointing", None, "true"),
        FlagChange("accelerate.num_processes", "2", "1"),
        FlagChange("env.A", "0", "1"),
    )
    assert differences(before, after, ("env.A", "cache_latents", "accelerate.num_processes")) == (
        FlagChange("gradient_checkpointing", None, "true"),
    )


def test_what_is_set_already_is_no_difference() -> None:
    assert differences(plan(), applied(plan(), read_changes(("cache_latents=true",)))) == ()


def test_values_as_a_person_types_them() -> None:
    assert [flag_text(value) for value in (True, False, 4, 0.5, "a", ("x", 1))] == [
        "true", "false", "4", "0.5", "a", '["x", 1]',
    ]  # fmt: skip


def test_a_configuration_takes_the_changes_and_loses_what_they_remove(tmp_path: Path) -> None:
    trainer = Trainer(None, "python", "runner.embedded", env={"A": "1", "B": "2"})
    config = Config(tmp_path / "plasma.toml", "fox", trainer, train={"seed": 1, "flip_aug": True})
    changed = changed_config(
        config, read_changes(["seed=2", "flip_aug=false", "env.A=", "env.C=3"])
    )
    assert changed.flags() == {"seed": 2}
    assert changed.trainer.env == {"B": "2", "C": "3"}
