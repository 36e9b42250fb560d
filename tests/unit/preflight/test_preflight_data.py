"""What preflight finds in datasets: folders, images, captions, trigger word, kept tokens."""

from __future__ import annotations

import json
import sys
import time

import pytest

from runner.preflight.facts import Facts
from runner.preflight.registry import CHECKS, run_check
from tests.unit.preflight.preflight_project import TRIGGER, Project, png, project_fixture

CAPTION = f"{TRIGGER}, standing, blue hair"
BUCKETS = "enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 128"
EXPECT_TRIGGER = f'trigger = "{TRIGGER}"'


project = project_fixture(3, CAPTION, checkout=False)


def test_a_readable_dataset_passes(project: Project) -> None:
    found = project.find("dataset")
    assert (found.status, found.evidence) == ("pass", "1 image folder")


def test_a_dataset_that_sd_scripts_would_refuse_fails_with_its_sentence(project: Project) -> None:
    project.write_dataset(train='num_repeat = "x"')
    found = project.find("dataset")
    assert (found.status, found.evidence) == ("fail", "1 mistake")
    assert "num_repeat" in found.detail and "dataset.toml" in found.detail


def test_a_missing_dataset_file_fails(project: Project) -> None:
    (project.root / "dataset.toml").unlink()
    found = project.find("dataset")
    assert found.status == "fail"
    assert "dataset.toml: the dataset config does not exist" in found.detail
    assert project.find("images").evidence == "dataset unread"
    assert project.find("captions").status == "skip"


METADATA = """[[datasets]]
resolution = 64
[[datasets.subsets]]
metadata_file = "{root}/m.json"
image_dir = "{root}/train"
num_repeats = 2
"""
OF_CHECKOUT = f'sd_scripts = "sd"\npython = "{sys.executable}"'


def write_metadata(project: Project, **captions: str) -> None:
    project.checkout()
    (project.root / "dataset.toml").write_text(METADATA.format(root=project.root))
    entries = {f"{name[1:]}.png": {"caption": text} for name, text in captions.items()}
    (project.root / "m.json").write_text(json.dumps(entries))


def test_a_valid_metadata_file_is_no_failure_and_is_counted(project: Project) -> None:
    write_metadata(project, _0000=TRIGGER, _0001=f"{TRIGGER}, a boat")
    facts = Facts(project.config(trainer=OF_CHECKOUT, expect=f'trigger = "{TRIGGER}"'))
    results = {c.name: run_check(c, facts) for c in CHECKS if not c.slow}
    assert results["dataset"].evidence == "1 metadata file"
    assert results["images"].evidence == "2 images"
    assert results["captions"].evidence == "2 captions"
    assert results["trigger"].status == "pass"
    assert "8 steps" in results["steps"].detail
    of_data = ("images", "image_files", "extensions", "captions", "repeats", "buckets", "latents")
    assert {results[name].status for name in of_data} <= {"pass", "skip"}


def test_what_a_metadata_file_names_must_be_there(project: Project) -> None:
    write_metadata(project, _0000="x", _0077="x")
    found = project.find("images", trainer=OF_CHECKOUT)
    assert (found.status, found.evidence) == ("fail", "1 missing")
    assert "0077.png" in found.detail


def test_a_caption_that_the_metadata_does_not_hold_is_told(project: Project) -> None:
    write_metadata(project, _0000="x", _0001="")
    found = project.find("captions", trainer=OF_CHECKOUT)
    assert (found.status, found.evidence) == ("warn", "1 without caption")
    assert "There are .txt files" not in found.detail


def test_a_broken_metadata_file_fails_in_one_sentence(project: Project) -> None:
    write_metadata(project)
    (project.root / "m.json").write_text("{")
    found = project.find("images", trainer=OF_CHECKOUT)
    assert (found.status, found.evidence) == ("fail", "metadata unread")
    assert "not valid JSON" in found.detail
    (project.root / "m.json").unlink()
    assert project.find("images", trainer=OF_CHECKOUT).status == "fail"


def test_the_built_in_trainer_reads_no_metadata_file(project: Project) -> None:
    write_metadata(project, _0000="x")
    assert project.find("dataset").evidence == "metadata_file"


DATASET = """
[dataset.general]
caption_extension = ".txt"
[[dataset.datasets]]
resolution = 64
[[dataset.datasets.subsets]]
image_dir = "train"
num_repeats = 10
"""


def test_a_dataset_section_that_is_not_yet_a_file_fails_but_is_counted(project: Project) -> None:
    (project.root / "dataset.toml").unlink()
    found = project.find("dataset", rest=DATASET)
    assert (found.status, found.evidence) == ("fail", "file not written yet")
    assert found.advice == f"write {project.root}/dataset.toml from [dataset] of plasma.toml"
    assert project.find("images", rest=DATASET).evidence == "3 images"


def test_a_dataset_section_is_held_against_its_file(project: Project) -> None:
    found = project.find("dataset", rest=DATASET)
    assert found.status == "pass", found
    project.write_dataset(general="shuffle_caption = true")
    found = project.find("dataset", rest=DATASET)
    assert (found.status, found.evidence) == ("warn", "unlike [dataset]")


def test_images_are_counted_and_held_against_the_expectation(project: Project) -> None:
    assert project.find("images").evidence == "3 images"
    assert project.find("images", expect="images = 3").status == "pass"
    found = project.find("images", expect="images = 23")
    assert (found.status, found.evidence) == ("warn", "3 images, not 23")
    assert str(project.train) in found.detail


def test_regularisation_images_are_counted_apart(project: Project) -> None:
    project.add_images("reg", 2, None)
    project.write_dataset(reg=True)
    assert project.find("images", expect="images = 3").evidence == "3 images, 2 reg"


def test_a_missing_folder_fails_and_a_missing_regularisation_folder_warns(project: Project) -> None:
    project.write_dataset(reg=True)
    found = project.find("images")
    assert (found.status, found.evidence) == ("warn", "1 folder missing")
    assert found.detail == f"Missing: {project.root}/reg."
    for file in project.train.iterdir():
        file.unlink()
    project.train.rmdir()
    assert project.find("images").status == "fail"


def test_relative_folders_start_where_the_trainer_runs(project: Project) -> None:
    text = (project.root / "dataset.toml").read_text().replace(str(project.root) + "/", "")
    (project.root / "dataset.toml").write_text(text)
    assert project.find("images").status == "pass"
    (project.root / "sd").mkdir()
    found = project.find("images", trainer='sd_scripts = "sd"')
    assert found.status == "fail"
    assert found.detail == f"Missing: train. Relative folders start at {project.root}/sd."


def test_an_empty_folder_fails(project: Project) -> None:
    for file in project.train.glob("*.png"):
        file.unlink()
    found = project.find("images")
    assert (found.status, found.evidence) == ("fail", "no images")


def test_settings_that_stop_the_trainer_are_no_fault_of_an_image(project: Project) -> None:
    project.write_dataset(general="enable_bucket = true")
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("fail", "bucket limits")
    assert "min_bucket_reso is 256" in found.detail
    assert found.advice == "min_bucket_reso = 64"
    assert project.find("images").evidence == "3 images"
    assert project.find("image_files").status == "pass"


def test_whole_captions_pass(project: Project) -> None:
    found = project.find("captions")
    assert (found.status, found.evidence) == ("pass", "3 captions")


def test_a_missing_caption_warns(project: Project) -> None:
    (project.train / "0002.txt").unlink()
    found = project.find("captions")
    assert (found.status, found.evidence) == ("warn", "1 without caption")
    assert found.detail == "1 of 3 training images have no caption: 0002.png."


def test_captions_of_another_ending_fail_with_the_flag_to_set(project: Project) -> None:
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace('caption_extension = ".txt"\n', ""))
    found = project.find("captions")
    assert (found.status, found.evidence) == ("fail", "3 without caption")
    assert found.advice == 'caption_extension = ".txt"'
    assert project.find("captions", train='caption_extension = ".txt"').status == "pass"


@pytest.mark.parametrize("content", [b"", b"caf\xe9, hat"])
def test_a_caption_that_stops_the_trainer_fails(project: Project, content: bytes) -> None:
    (project.train / "0001.txt").write_bytes(content)
    found = project.find("captions")
    assert (found.status, found.evidence) == ("fail", "1 unreadable")
    assert "0001.txt" in found.detail


def test_empty_captions_can_be_moved_away_and_others_are_for_a_person(project: Project) -> None:
    (project.train / "0001.txt").write_bytes(b"")
    found = project.find("captions")
    found.cures[0].apply(lambda line: None)
    found = project.find("captions")
    assert (found.status, found.evidence) == ("warn", "1 without caption")
    assert [p.name for p in (project.root / "plasma-removed").rglob("*.txt")] == ["0001.txt"]
    (project.train / "0002.txt").write_bytes(b"caf\xe9")
    assert project.find("captions").cures == ()


def test_a_bad_caption_of_a_regularisation_image_fails_and_a_missing_one_does_not(
    project: Project,
) -> None:
    project.add_images("reg", 2, None)
    project.write_dataset(reg=True)
    assert project.find("captions").status == "pass"
    (project.root / "reg/0000.txt").touch()
    assert project.find("captions").status == "fail"


def test_the_trigger_is_looked_for_at_the_front(project: Project) -> None:
    assert project.find("trigger").status == "skip"
    found = project.find("trigger", expect=EXPECT_TRIGGER)
    assert (found.status, found.evidence) == ("pass", "first in all 3")
    (project.train / "0001.txt").write_text(f"hat, {TRIGGER}")
    found = project.find("trigger", expect=EXPECT_TRIGGER)
    assert (found.status, found.evidence) == ("warn", "not first in 1")
    (project.train / "0002.txt").write_text(f"hat, {TRIGGER}x")
    found = project.find("trigger", expect=EXPECT_TRIGGER)
    assert (found.status, found.evidence) == ("fail", "not in 1 caption")
    assert found.detail == f"{TRIGGER} is not in the caption of 0002.png."


def test_a_prefix_counts_as_the_front(project: Project) -> None:
    for file in project.train.glob("*.txt"):
        file.write_text("hat")
    project.write_dataset(train=f'caption_prefix = "{TRIGGER},"')
    assert project.find("trigger", expect=EXPECT_TRIGGER).status == "pass"


def test_shuffled_tags_need_kept_ones(project: Project) -> None:
    assert project.find("keep_tokens").status == "skip"
    assert project.find("keep_tokens", expect=EXPECT_TRIGGER).evidence == "tags stay in order"
    project.write_dataset(general="shuffle_caption = true")
    found = project.find("keep_tokens", expect=EXPECT_TRIGGER)
    assert (found.status, found.evidence, found.advice) == (
        "warn",
        "keep_tokens is 0",
        "keep_tokens = 1",
    )
    project.write_dataset(general="shuffle_caption = true\nkeep_tokens = 1")
    found = project.find("keep_tokens", expect=EXPECT_TRIGGER)
    assert (found.status, found.evidence) == ("pass", "keep_tokens = 1")


def test_a_trigger_of_two_tags_needs_two_kept_ones(project: Project) -> None:
    project.write_dataset(general="shuffle_caption = true\nkeep_tokens = 1")
    found = project.find("keep_tokens", expect='trigger = "spyke, plasma"')
    assert (found.status, found.advice) == ("warn", "keep_tokens = 2")


def test_a_thousand_images_are_looked_at_within_two_seconds(project: Project) -> None:
    project.add_images("train", 1000, CAPTION)
    project.add_images("reg", 200, None)
    project.write_dataset(general=f"{BUCKETS}\nshuffle_caption = true", reg=True)
    facts = Facts(project.config(expect=EXPECT_TRIGGER))
    names = {"dataset", "images", "captions", "trigger", "keep_tokens", "steps", "overwrite"}
    begin = time.process_time()  # the wall clock would also measure the tests beside this one
    found = {c.name: run_check(c, facts) for c in CHECKS if c.name in names}
    assert time.process_time() - begin < 2.0
    assert found["images"].evidence == "1000 images, 200 reg"
    assert found["captions"].status == "pass"


def test_the_steps_are_forecast_and_held_against_the_expectation(project: Project) -> None:
    found = project.find("steps")
    assert (found.status, found.evidence) == ("pass", "60 steps")
    assert found.detail == "60 steps: 2 epochs of 30 batches."
    assert project.find("steps", expect="steps = 60").status == "pass"
    found = project.find("steps", expect="steps = 50")
    assert (found.status, found.evidence) == ("warn", "60 steps, not 50")
    assert found.advice == "steps = 60 in [expect], or change the dataset or the epochs"
    assert project.find("steps", expect="steps = 50", smoke=True).evidence == "5 steps"


def test_regularisation_images_that_double_the_steps_are_a_warning_until_expected(
    project: Project,
) -> None:
    project.add_images("reg", 1, None)
    project.write_dataset(reg=True)
    found = project.find("steps")
    assert (found.status, found.evidence) == ("warn", "120 steps")
    assert "60" in found.detail and "double" in found.detail
    assert project.find("steps", expect="steps = 120").status == "pass"


def test_nothing_to_train_on_is_a_failure(project: Project) -> None:
    for file in project.train.glob("*.png"):
        file.unlink()
    found = project.find("steps")
    assert (found.status, found.evidence) == ("fail", "0 steps")
    assert "No images to train on" in found.detail


def test_steps_of_an_unread_dataset_cannot_be_told(project: Project) -> None:
    (project.root / "dataset.toml").unlink()
    found = project.find("steps")
    assert (found.status, found.evidence) == ("skip", "step count unknown")
    assert "dataset.toml" in found.detail


def test_files_of_an_earlier_training_are_found(project: Project) -> None:
    assert project.find("overwrite").evidence == "nothing"
    out = project.root / "out"
    out.mkdir()
    (out / "other.safetensors").touch()
    assert project.find("overwrite").evidence == "nothing"
    (out / "hero.safetensors").touch()
    (out / "hero-step00000020.safetensors").touch()
    (out / "hero-step00000020-state").mkdir()
    train = "save_every_n_steps = 20\nsave_state = true"
    found = project.find("overwrite", train=train)
    assert (found.status, found.evidence) == ("warn", "3 files")
    assert found.detail == (
        f"In {out} these will be overwritten: hero-step00000020.safetensors, "
        "hero-step00000020-state, hero.safetensors."
    )
    assert project.find("overwrite", train=train, smoke=True).status == "pass"


def test_the_disk_must_hold_what_is_forecast(project: Project) -> None:
    assert project.find("disk", expect="checkpoint_mb = [1, 2]").status == "pass"
    found = project.find("disk", expect="checkpoint_mb = [1, 900000000000]")
    assert found.status == "fail"
    assert found.advice == "free disk space, or save less often"


def test_preflight_plans_the_very_epoch_that_the_forecast_counts(project: Project) -> None:
    """Which images a split without validation_seed holds out decides what the buckets hold."""
    for number in range(8):
        (project.train / f"w{number}.png").write_bytes(png(128, 64))
    project.write_dataset(general=f"batch_size = 7\nvalidation_split = 0.3\n{BUCKETS}")
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace("resolution = 64", "resolution = 96"))
    for seed in range(12):
        facts = Facts(project.config(train=f"seed = {seed}"))
        assert facts.plan().batches_per_epoch == facts.forecast().batches_per_epoch


def test_paths_of_windows_are_named(project: Project) -> None:
    text = (project.root / "dataset.toml").read_text()
    (project.root / "dataset.toml").write_text(text.replace(f'"{project.train}"', "'C:\\img'"))
    found = project.find("images")
    assert (found.status, found.evidence) == ("fail", "1 folder missing")
    assert r"Paths of Windows do not exist here: C:\img." in found.detail
    assert "Relative folders" not in found.detail


def test_class_tokens_replace_missing_captions(project: Project) -> None:
    for file in project.train.glob("*.txt"):
        file.unlink()
    project.write_dataset(train='class_tokens = "spyke girl"')
    found = project.find("captions")
    assert (found.status, found.evidence) == ("pass", "class_tokens")
    assert "trained with their class_tokens: spyke girl" in found.detail
    (project.train / "0000.txt").write_text("a caption")
    found = project.find("captions")
    assert (found.status, found.evidence) == ("warn", "2 without caption")
    assert "class_tokens: spyke girl" in found.detail


def test_lines_that_are_never_read_are_told(project: Project) -> None:
    (project.train / "0000.txt").write_text(f"{CAPTION}\n\nA second paragraph.\n")
    (project.train / "0001.txt").write_text(f"{CAPTION}\n")
    found = project.find("captions")
    assert (found.status, found.evidence) == ("warn", "1 of more lines")
    assert "Only the first line is read of 0000.txt" in found.detail
    project.write_dataset(train="enable_wildcard = true")
    assert project.find("captions").status == "pass"


@pytest.mark.parametrize(
    ("caption", "settings", "status"),
    [
        (f"{TRIGGER}|||red hair, hat", 'keep_tokens_separator = "|||"', "pass"),
        (f"{TRIGGER};;;red hair", 'secondary_separator = ";;;"', "pass"),
        ("red hair", f'caption_prefix = "{TRIGGER}|||"\nkeep_tokens_separator = "|||"', "pass"),
        (f"{TRIGGER}, a\n{TRIGGER}, b", "enable_wildcard = true", "pass"),
        (f"{TRIGGER}, a\nb", "enable_wildcard = true", "fail"),
        (f"{TRIGGER}, a\nb, {TRIGGER}", "enable_wildcard = true", "warn"),
    ],
)
def test_the_trigger_is_found_as_the_trainer_takes_captions_apart(
    project: Project, caption: str, settings: str, status: str
) -> None:
    for file in project.train.glob("*.txt"):
        file.write_text(caption)
    project.write_dataset(train=settings)
    assert project.find("trigger", expect=f'trigger = "{TRIGGER}"').status == status
