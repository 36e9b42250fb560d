"""Cures change only what they say, keep comments and the old file, and do nothing that would be invalid."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from runner.config.load import load_config
from runner.preflight.cures.files import backup_name, in_front, move_cure, rename_cure
from runner.preflight.cures.model import Cure, CureFailed
from runner.preflight.cures.settings import edited, set_cure, set_everywhere
from runner.preflight.registry import CHECKS, cure_for, known_names
from tests.unit.preflight.preflight_project import TRIGGER, Project, project_fixture

project = project_fixture(3, f"{TRIGGER}, hat", checkout=False)


TEXT = """\
# my training
name = "spyke"   # the hero

[trainer]
sd_scripts = "embedded"

[train]
dataset_config = "dataset.toml"
output_dir = "out"
--mixed-precision = "fp16" # half
max_train_steps = 5

# the short test
[smoke]
mixed_precision = "fp16"
"""


def test_a_flag_is_changed_where_it_stands_and_comments_stay(project: Project) -> None:
    file = project.root / "plasma.toml"
    file.write_text(TEXT)
    config = load_config(file, known_flags=lambda trainer: None)
    cure = set_cure(config, "precision", "t", "train", {"mixed_precision": "no", "seed": 42})
    assert cure is not None
    assert cure.will_do == (
        f"in {file} (a copy of the old file is kept):",
        '[train] mixed_precision = "no"',
        "[train] seed = 42",
        '[smoke] mixed_precision = "no"',
    )
    told: list[str] = []
    cure.apply(told.append)
    expected = TEXT.replace('--mixed-precision = "fp16"', '--mixed-precision = "no"')
    expected = expected.replace('mixed_precision = "fp16"\n', 'mixed_precision = "no"\n')
    expected = expected.replace("max_train_steps = 5\n", "max_train_steps = 5\nseed = 42\n")
    assert file.read_text() == expected
    (copy,) = project.root.glob("plasma.toml.*.bak")
    assert copy.read_text() == TEXT
    assert told == [f"the old file is kept as {copy}", f"changed {file}"]


def test_a_flag_that_is_not_in_the_file_cannot_be_taken_out(project: Project) -> None:
    config = project.config(train="seed = 1")
    assert set_cure(config, "x", "t", "train", {"xformers": False}) is None
    cure = set_cure(config, "x", "t", "train", {"seed": False})
    assert cure is not None
    cure.apply(lambda line: None)
    assert "seed" not in (project.root / "plasma.toml").read_text()


def test_nothing_is_written_that_would_not_be_valid(project: Project) -> None:
    config = project.config()
    before = (project.root / "plasma.toml").read_text()
    cure = set_cure(config, "x", "t", "expect", {"images": 0})
    with pytest.raises(CureFailed, match=r"nothing was changed.*\[expect\] images is 0"):
        cure.apply(lambda line: None)
    assert (project.root / "plasma.toml").read_text() == before
    assert sorted(p.name for p in project.root.iterdir()) == [
        "dataset.toml",
        "plasma.toml",
        "train",
    ]


def test_a_cancelled_change_is_not_made(project: Project) -> None:
    cancelled = threading.Event()
    cancelled.set()
    cure = set_cure(project.config(), "x", "t", "train", {"seed": 7})
    assert cure is not None
    with pytest.raises(CureFailed, match="cancelled before"):
        cure.apply(lambda line: None, cancelled)
    assert "seed" not in (project.root / "plasma.toml").read_text()


def test_rights_and_links_of_a_changed_file_stay(project: Project) -> None:
    config = project.config()
    real = project.root / "elsewhere.toml"
    (project.root / "plasma.toml").rename(real)
    real.chmod(0o640)
    (project.root / "plasma.toml").symlink_to(real)
    cure = set_cure(config, "x", "t", "train", {"seed": 7})
    assert cure is not None
    cure.apply(lambda line: None)
    assert (project.root / "plasma.toml").is_symlink()
    assert "seed = 7" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_line_ends_and_the_byte_order_mark_stay(project: Project) -> None:
    file = project.root / "plasma.toml"
    project.config()
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    config = load_config(file, known_flags=lambda trainer: None)
    cure = set_cure(config, "x", "t", "train", {"seed": 7})
    assert cure is not None
    cure.apply(lambda line: None)
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf[trainer]\r\n") and b"seed = 7\r\n" in content
    assert content.count(b"\n") == content.count(b"\r\n")


def test_what_cannot_be_written_is_one_sentence(project: Project) -> None:
    config = project.config()
    cure = set_cure(config, "x", "t", "train", {"seed": 7})
    assert cure is not None
    (project.root / "plasma.toml").unlink()
    with pytest.raises(CureFailed, match=r"No such file or directory \(.*plasma\.toml\)"):
        cure.apply(lambda line: None)


def test_a_value_of_the_dataset_is_changed_wherever_it_wins(project: Project) -> None:
    text = """\
# ours
[general]
shuffle_caption = true # for variety
[[datasets]]
resolution = 512
  [[datasets.subsets]]
  image_dir = "a"
  shuffle_caption = true
  [[datasets.subsets]]
  image_dir = "b"
"""
    new = edited(text, lambda d: set_everywhere(d, {"shuffle_caption": False}), "d.toml")
    assert new == text.replace("shuffle_caption = true", "shuffle_caption = false")
    new = edited(text, lambda d: set_everywhere(d, {"keep_tokens": 1}), "d.toml")
    assert new == text.replace("# for variety\n", "# for variety\nkeep_tokens = 1\n")
    assert "[general]\nkeep_tokens = 1" in edited(
        "[[datasets]]\n", lambda d: set_everywhere(d, {"keep_tokens": 1}), "d.toml"
    )


def test_both_places_of_a_dataset_are_changed(project: Project) -> None:
    rest = (
        '[dataset.general]\ncaption_extension = ".txt"\n[[dataset.datasets]]\nresolution = 64\n'
        '[[dataset.datasets.subsets]]\nimage_dir = "train"\nnum_repeats = 10\nflip_aug = true\n'
    )
    project.write_dataset(train="flip_aug = true")
    assert project.find("dataset", rest=rest).status == "pass"
    project.find("flip_aug", rest=rest).cures[0].apply(lambda line: None)
    for name in ("dataset.toml", "plasma.toml"):
        assert "flip_aug = false" in (project.root / name).read_text()
    config = load_config(project.root, known_flags=lambda trainer: None)
    assert cure_for("dataset", config) is None, "file and section still say the same"


def test_backups_never_replace_each_other(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    first = backup_name(file, 0)
    first.touch()
    second = backup_name(file, 0)
    assert second != first
    second.touch()
    assert backup_name(file, 0) not in (first, second)


def test_moving_tells_every_file_and_keeps_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "10_x"
    folder.mkdir(parents=True)
    files = [folder / f"{n}.npz" for n in range(12)]
    for file in files:
        file.write_text(file.name)
    cure = move_cure("latents", "t", files)
    assert cure is not None
    assert len(cure.will_do) == 9 and cure.will_do[-1].startswith("and 4 more")
    files[3].unlink()  # gone meanwhile
    cure.apply(lambda line: None)
    assert list(folder.iterdir()) == []
    moved = sorted(p.name for p in (tmp_path / "set" / "plasma-removed").rglob("*.npz"))
    assert moved == sorted(f.name for f in files if f != files[3])
    assert move_cure("latents", "t", []) is None


def test_a_name_that_is_taken_is_not_covered(tmp_path: Path) -> None:
    old, new = tmp_path / "a.Jpg", tmp_path / "a.jpg"
    old.write_text("old")
    cure = rename_cure("extensions", "t", [(old, new)])
    assert cure is not None
    new.write_text("new")
    with pytest.raises(CureFailed, match="already exists"):
        cure.apply(lambda line: None)
    assert (old.read_text(), new.read_text()) == ("old", "new")


def test_a_broken_off_move_tells_how_far_it_came(tmp_path: Path) -> None:
    files = [tmp_path / "d" / f"{n}.png" for n in range(3)]
    files[0].parent.mkdir()
    for file in files:
        file.touch()
    cancelled = threading.Event()
    cure = move_cure("image_files", "t", files)
    assert cure is not None
    with pytest.raises(CureFailed, match="cancelled after 1 of 3"):
        cure.apply(lambda line: cancelled.set(), cancelled)
    assert [file.exists() for file in files] == [False, True, True]


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("hat, spyke_v1, blue", "spyke_v1, hat, blue"),
        ("hat", "spyke_v1, hat"),
        ("hat, spyke_v1\nsecond line", "spyke_v1, hat\nsecond line"),
        ("spyke_v1, spyke_v1", "spyke_v1"),
    ],
)
def test_the_trigger_is_put_in_front_once(caption: str, wanted: str) -> None:
    assert in_front(caption, TRIGGER) == wanted


def test_captions_without_the_trigger_get_it_and_the_old_ones_are_kept(project: Project) -> None:
    (project.train / "0001.txt").write_text(f"hat, {TRIGGER}")
    (project.train / "0002.txt").write_text("only a hat")
    expect = f'trigger = "{TRIGGER}"'
    found = project.find("trigger", expect=expect)
    found.cures[0].apply(lambda line: None)
    assert project.find("trigger", expect=expect).status == "pass"
    kept = {p.name: p.read_text() for p in (project.root / "plasma-removed").rglob("*.txt")}
    assert kept == {"0001.txt": f"hat, {TRIGGER}", "0002.txt": "only a hat"}


def test_captions_of_another_ending_are_cured_in_the_dataset(project: Project) -> None:
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace('caption_extension = ".txt"\n', ""))
    found = project.find("captions")
    assert found.status == "fail"
    found.cures[0].apply(lambda line: None)
    assert project.find("captions").status == "pass"


def test_expectations_can_be_put_right(project: Project) -> None:
    for check, expect in (("images", "images = 23"), ("steps", "steps = 920")):
        found = project.find(check, expect=expect)
        assert found.status == "warn"
        found.cures[0].apply(lambda line: None)
        config = load_config(project.root, known_flags=lambda trainer: None)
        assert cure_for(check, config) is None, "nothing is left to cure"


def test_an_output_folder_can_be_named_and_made(project: Project) -> None:
    project.config()
    file = project.root / "plasma.toml"
    file.write_text(file.read_text().replace('output_dir = "out"\n', ""))
    config = load_config(file, known_flags=lambda trainer: None)
    cure = cure_for("output", config)
    assert cure is not None
    cure.apply(lambda line: None)
    config = load_config(file, known_flags=lambda trainer: None)
    making = cure_for("output", config)
    assert making is not None and making.will_do == (f"mkdir -p {project.root}/output",)
    making.apply(lambda line: None)
    assert (project.root / "output").is_dir()


def test_every_check_has_a_name_for_its_cure(project: Project) -> None:
    config = project.config()
    assert set(known_names()) >= {check.name for check in CHECKS}
    assert "accelerate_file" in known_names()
    with pytest.raises(KeyError):
        cure_for("no such check", config)
    assert cure_for("images", config) is None


def test_an_error_of_the_system_names_its_file() -> None:
    def act(on_output: object, cancelled: object) -> None:
        os.stat("/no/such/file")

    with pytest.raises(CureFailed, match=r"No such file or directory \(/no/such/file\)"):
        Cure("a", "a", "t", (), act).apply(lambda line: None)
