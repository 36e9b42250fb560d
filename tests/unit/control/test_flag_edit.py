"""One flag of plasma.toml is edited: everything else stays, and what would lose something is refused."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from runner.config.catalog import Flag
from runner.control import flag_edit
from runner.model.refusal import Refusal

SOURCE = b"""\
# my training
name = "hero"

[trainer]
sd_scripts = "embedded"   # no checkout

[train]   # the flags
output_dir = "out"
output_name = "hero"
dataset_config = "dataset.toml"
# tried 1e-3 before
learning_rate = 1e-4  # slow
'max-train-epochs' = 4

# a short one
[smoke]
max_train_steps = 5
"""
RATE = Flag("learning_rate", "float")
EPOCHS = Flag("max_train_epochs", "int")
ARGS = Flag("optimizer_args", "str", nargs="*")


def edited(source: bytes, section: str, flag: Flag, typed: str | None) -> str:
    return flag_edit.edited(source, section, flag, typed).decode()


def changed_lines(before: bytes, after: str) -> list[str]:
    old = before.decode().splitlines()
    return [line for line in after.splitlines() if line not in old]


@pytest.mark.parametrize(
    ("section", "flag", "typed", "line"),
    [
        ("train", RATE, "2.0e-5", "learning_rate = 2.0e-5  # slow"),
        ("train", EPOCHS, "7", "'max-train-epochs' = 7"),
        ("smoke", Flag("max_train_steps", "int"), " 9 ", "max_train_steps = 9"),
        ("smoke", RATE, "1", "learning_rate = 1"),
        ("train", Flag("output_name"), "007", 'output_name = "007"'),
        ("train", Flag("output_dir", "Path"), "C:\\loras", r'output_dir = "C:\\loras"'),
        ("train", Flag("lowram", bare=True), "true", "lowram = true"),
        ("train", ARGS, "a=1 'b=x y'", 'optimizer_args = ["a=1", "b=x y"]'),
        ("train", Flag("betas", "float", nargs=2), "0.9 0.99", "betas = [0.9, 0.99]"),
        ("accelerate", EPOCHS, "3", "max_train_epochs = 3"),
    ],
)
def test_an_edit_changes_its_line_and_no_other(
    section: str, flag: Flag, typed: str, line: str
) -> None:
    made = edited(SOURCE, section, flag, typed)
    assert changed_lines(SOURCE, made) in ([line], [f"[{section}]", line])
    assert line in made.split(f"[{section}]")[1]


def test_what_was_typed_reads_back_as_typed() -> None:
    made = flag_edit.edited(SOURCE, "train", ARGS, "a=1 'b=x y'")
    assert flag_edit.flags_in(made, "train")["optimizer_args"] == "a=1 'b=x y'"
    assert flag_edit.flags_in(made, "train")["learning_rate"] == "1e-4"
    assert flag_edit.flags_in(made, "train")["max_train_epochs"] == "4"
    assert flag_edit.flags_in(b"[train\n", "train") == {}
    assert flag_edit.flags_in(b"train = 3\n", "train") == {}


def test_a_removed_flag_takes_its_line_and_no_other() -> None:
    made = edited(SOURCE, "train", EPOCHS, None)
    assert made == SOURCE.decode().replace("'max-train-epochs' = 4\n", "")
    assert edited(SOURCE, "accelerate", EPOCHS, None) == SOURCE.decode()


@pytest.mark.parametrize(
    "source",
    [
        b"train = { learning_rate = 1 }\n",
        b"train.learning_rate = 1\ntrain.seed = 4 # x\n",
        b"\xef\xbb\xbf[train]\r\nlearning_rate = 1 # x\r\n",
        b"",
        b'name = "x"',
    ],
)
def test_other_layouts_keep_theirs(source: bytes) -> None:
    made = flag_edit.edited(source, "train", RATE, "3e-4")
    kept = source.replace(b"learning_rate = 1", b"learning_rate = 3e-4")
    assert made == kept if source.count(b"learning") else made.startswith(source)
    assert tomllib.loads(made.decode("utf-8-sig").replace("\r\n", "\n"))["train"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"[train]\r\nseed = 1\n", "open it with e"),
        (b"train = 3\n", "open it with e"),
        (b"[train]\nlearning_rate = [\n 1, # first\n]\n", "open it with e"),
        (b"[train\n", "not valid TOML"),
        (b"[train]\nseed = 1\nseed = 2\n", "not valid TOML"),
        (b"\xff", "not UTF-8"),
    ],
    ids=["mixed line ends", "no table", "comment in a list", "syntax", "twice", "bytes"],
)
def test_a_file_that_would_lose_something_is_not_edited(source: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        flag_edit.edited(source, "train", RATE, "3e-4")


@pytest.mark.parametrize("typed", ["nan", "inf", "-inf"])
def test_a_number_is_finite(typed: str) -> None:
    with pytest.raises(Refusal, match="finite"):
        flag_edit.edited(SOURCE, "train", RATE, typed)


# --------------------------------------------------------------------------- writing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plasma.toml"
    path.write_bytes(SOURCE)
    path.chmod(0o640)
    return path


def refused(path: Path, expected: bytes, new: bytes) -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(Refusal) as caught:
        flag_edit.write(path, expected, new)
    assert (path.read_bytes() if path.is_file() else None) == before
    left = [item.name for item in path.parent.iterdir() if item.name != path.name]
    assert not left, "a refusal leaves nothing behind"
    return str(caught.value)


def test_the_file_is_replaced_at_once_and_keeps_its_rights(file: Path) -> None:
    with file.open("rb") as reader:
        flag_edit.write(file, SOURCE, flag_edit.edited(SOURCE, "train", EPOCHS, "7"))
        assert reader.read() == SOURCE, "who reads meanwhile sees the complete old file"
    assert "'max-train-epochs' = 7" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [item.name for item in file.parent.iterdir()] == ["plasma.toml"]


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "plasma.toml"
    link.symlink_to(file)
    flag_edit.write(link, SOURCE, flag_edit.edited(SOURCE, "train", EPOCHS, "7"))
    assert link.is_symlink() and "= 7" in file.read_text()


def test_a_file_that_an_editor_changed_meanwhile_is_never_overwritten(file: Path) -> None:
    new = flag_edit.edited(SOURCE, "train", EPOCHS, "7")
    file.write_bytes(SOURCE.replace(b"hero", b"nemo"))
    assert refused(file, SOURCE, new) == flag_edit.CHANGED
    file.unlink()
    assert "no longer exists" in refused(file, SOURCE, new)


def test_a_change_while_the_new_file_is_checked_is_seen(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path) -> None:
        file.write_bytes(SOURCE + b"# mine\n")

    monkeypatch.setattr(flag_edit, "load_config", slow)
    with pytest.raises(Refusal, match="changed"):
        flag_edit.write(file, SOURCE, flag_edit.edited(SOURCE, "train", EPOCHS, "7"))
    assert file.read_bytes() == SOURCE + b"# mine\n"


@pytest.mark.parametrize(
    ("flag", "typed", "words"),
    [
        (RATE, "fast", '[train] learning_rate is "fast"; it must be a number'),
        (EPOCHS, "4.5", "it must be an integer"),
        (EPOCHS, "[1, 2]", "takes one value"),
        (Flag("mystery"), "1", "not a flag of this trainer"),
    ],
)
def test_what_the_parser_refuses_is_not_written(
    file: Path, flag: Flag, typed: str, words: str
) -> None:
    assert words in refused(file, SOURCE, flag_edit.edited(SOURCE, "train", flag, typed))


def test_a_file_with_other_problems_is_not_written_but_its_only_one_can_be_removed(
    file: Path,
) -> None:
    broken = SOURCE.replace(
        b"[train]   # the flags\n", b"[train]   # the flags\nlearning_rat = 1\n"
    )
    file.write_bytes(broken)
    text = refused(file, broken, flag_edit.edited(broken, "train", EPOCHS, "7"))
    assert text.startswith("plasma.toml has other problems") and "plasma.toml:8" in text
    flag_edit.write(file, broken, flag_edit.edited(broken, "train", Flag("learning_rat"), None))
    assert file.read_bytes() == SOURCE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_a_sentence(file: Path) -> None:
    file.parent.chmod(0o500)
    try:
        new = flag_edit.edited(SOURCE, "train", EPOCHS, "7")
        assert "can't be written: Permission denied" in refused(file, SOURCE, new)
    finally:
        file.parent.chmod(0o700)


def test_a_disk_that_is_full_is_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    new = flag_edit.edited(SOURCE, "train", EPOCHS, "7")
    monkeypatch.setattr(flag_edit, "replace_text", full)
    assert "can't be written: No space left" in refused(file, SOURCE, new)
