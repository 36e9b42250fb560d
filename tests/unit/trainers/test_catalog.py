"""The catalogue of flags: what it refuses, what is read from help texts, how it is remembered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.config.catalog import Catalog, Flag
from runner.config.model import Trainer
from runner.trainers import flag_catalog
from runner.trainers.builtin.arguments import build_parser
from runner.trainers.builtin.program import catalog_of
from runner.trainers.checkout import checkout_commit
from runner.trainers.flag_catalog import key_of, remember, remembered
from runner.trainers.sd_scripts.config_file import config_file_path, config_file_problems

CATALOG = Catalog(
    (
        Flag("steps", "int", dest="steps"),
        Flag("rate", "float", dest="rate"),
        Flag("warmup", "int_or_float", dest="warmup"),
        Flag("size", "str", dest="size"),
        Flag("odd", "my_type", dest="odd", choices=("x",)),
        Flag("length", "int", choices=(150, 225), dest="length"),
        Flag("kind", "str", choices=("a", "b"), dest="kind"),
        Flag("many", "str", nargs="*", dest="many"),
        Flag("pair", "float", nargs=2, dest="pair"),
        Flag("maybe", "str", nargs="?", dest="maybe"),
        Flag("bare", None, nargs=0, bare=True, default=False, dest="bare", aliases=("naked",)),
    )
)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("steps", "1e3", 'is "1e3"; it must be an integer'),
        ("steps", "10", None),
        ("rate", "1e-4", None),
        ("warmup", 0.05, None),
        ("warmup", "5%", None),
        ("warmup", 100, None),
        ("warmup", 10.5, 'is "10.5"; it must be an integer, a fraction below 1 or a percentage'),
        ("odd", "anything", None),
        ("length", 75, 'is "75"; choose one of 150, 225'),
        ("length", "150", None),
        ("pair", (1, 2), None),
        ("pair", (1, 2, 3), "takes 2 values, not 3"),
        ("pair", 1, "takes 2 values, not 1"),
        ("maybe", True, None),
        ("many", True, None),
        ("many", "[red", None),
        ("many", ("a=1", "b=2"), None),
        (
            "many",
            "[a=1,b=2]",
            'is the text "[a=1,b=2]", not a list; write ["…", "…"], in a shell between single quotes',
        ),
        ("size", "[v2]", None),
        ("size", True, "needs a value, not true"),
        ("naked", "yes", "is a switch; write true or false"),
    ],
)
def test_a_value_that_argparse_would_refuse_is_told(
    name: str, value: Any, said: str | None
) -> None:
    assert CATALOG.problem(name, value) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("num_repeats", "set it in the dataset config"),
        ("class_tokens", "set it in the dataset config"),
        ("netwrk_dim", "did you mean network_dim?"),
        ("nonsense_at_all", "remove it"),
    ],
)
def test_a_key_of_the_dataset_is_sent_to_the_dataset(name: str, said: str) -> None:
    assert catalog_of(build_parser()).cure(name) == said


def test_a_flag_is_told_in_words() -> None:
    told = {name: flag.takes for name in CATALOG.names if (flag := CATALOG.get(name)) is not None}
    assert told["steps"] == "an integer"
    assert told["kind"] == "one of a, b"
    assert told["many"] == "text; several, separated by spaces"
    assert told["bare"] == "true or false"
    assert told["odd"] == "one of x"


@pytest.mark.parametrize(
    ("help_text", "english"),
    [
        ("where it goes / 出力先", "where it goes"),
        ("a/b or c / aかb", "a/b or c"),
        ("either and/or both", "either and/or both"),
        ("two\nlines / 二行\n続き", "two\nlines"),
        ("", ""),
    ],
)
def test_the_second_language_of_a_help_can_be_left_out(help_text: str, english: str) -> None:
    assert Flag("x", help=help_text).english == english


def trainer(folder: Path) -> Trainer:
    return Trainer(folder, "/usr/bin/python3", str(folder / "train_network.py"))


def test_the_key_changes_with_everything_that_flags_may_come_from(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "train_network.py").write_text("x = 1\n")
    first = key_of(trainer(tmp_path))
    assert first is not None and first == key_of(trainer(tmp_path))
    (tmp_path / "library" / "args.py").write_text("y = 1\n")
    second = key_of(trainer(tmp_path))
    (tmp_path / "train_network.py").write_text("x = 12\n")
    third = key_of(trainer(tmp_path))
    other_python = Trainer(tmp_path, "/other/python", str(tmp_path / "train_network.py"))
    assert len({first, second, third, key_of(other_python)}) == 4
    (tmp_path / "train_network.py").write_text("")
    assert key_of(trainer(tmp_path)) is None


def test_the_commit_is_read_without_git(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        names = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(
            ["git", *names, *words], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
        )  # fmt: skip
        return done.stdout.strip()

    assert checkout_commit(tmp_path) is None
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert checkout_commit(tmp_path) == head
    git("pack-refs", "--all")
    assert checkout_commit(tmp_path) == head
    git("worktree", "add", "-q", "inner", "-b", "other")
    assert checkout_commit(tmp_path / "inner") == head  # its .git is a file, as in a submodule
    git("checkout", "-q", "--detach")
    assert checkout_commit(tmp_path) == head


def test_only_the_newest_catalogues_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flag_catalog, "KEPT", 2)
    for number in range(4):
        remember(f"key{number}", (Flag("a"),))
        file = flag_catalog.cache_folder() / f"key{number}.json"
        os.utime(file, (number, number))
    remember("key9", (Flag("a"),))
    assert remembered("key9") == (Flag("a"),)
    assert remembered("key0") is None
    assert len(list(flag_catalog.cache_folder().iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    remember("key", (Flag("a"),))
    assert remembered("key") is None


CONFIG_FILE = """\
[model]
size = 512
[learning]
rate = "1e-4"
stepps = 4
many = "conv_dim=4"
kind = "c"
steps = 1600.0
bare = 1
length = 75
max_token_length = 75
epoch = 4
maybe = false
pair = [1, 2]
odd = 3
"""


def test_a_config_file_is_checked_as_its_values_will_be_used(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG_FILE)
    assert [str(p).removeprefix(f"{file}:") for p in config_file_problems(file, CATALOG)] == [
        "2: size is an integer; it must be text in quotes",
        "4: rate is text; it must be a number; remove the quotes",
        "5: stepps is not a flag of this trainer, which silently ignores it; did you mean steps?",
        '6: many is text; write a list: ["...", "..."]',
        '7: kind is "c"; choose one of a, b',
        "8: steps is a number; it must be an integer",
        "9: bare is an integer; write true or false",
        '10: length is "75"; choose one of 150, 225',
    ]


def test_a_config_file_of_kohya_ss_has_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "config_lora-20240101-120000.toml"
    names = ("max_token_length", "dynamo_backend", "persistent_data_loader_workers")
    catalog = Catalog(Flag(name, kind=None, nargs=0, bare=name.startswith("p")) for name in names)
    file.write_text(
        'dynamo_backend = "no"\nepoch = 4\nmax_token_length = 75\nnoise_offset_type = "Original"\n'
        "persistent_data_loader_workers = 1\nstop_text_encoder_training = 3\n"
    )
    assert config_file_problems(file, catalog) == ()
    file.write_text('dynamo_backend = "none"\npersistent_data_loader_workers = 2\n')
    assert [str(p).partition(": ")[2] for p in config_file_problems(file, catalog)] == [
        "persistent_data_loader_workers is an integer; write true or false"
    ]


def test_a_config_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    def said(data: bytes | None) -> str:
        file = tmp_path / "c.toml"
        if data is not None:
            file.write_bytes(data)
        (problem,) = config_file_problems(file, CATALOG)
        return str(problem).removeprefix(str(file))

    assert said(None) == ": file not found; correct config_file"
    assert said(b"a = 1\nb = \xff\n") == ":2: is not UTF-8; save it as UTF-8"
    assert said(b"a = True\n").startswith(":1: not valid TOML")
    assert config_file_path("x/conf") == Path("x/conf.toml")
    assert config_file_path("conf.toml") == Path("conf.toml")
