"""Steps, epochs and files of a training, told before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.model import Forecast
from runner.trainers.sd_scripts.forecast import forecast
from runner.trainers.sd_scripts.saves import expected_checkpoints, step_to_remove
from runner.trainers.sd_scripts.steps import count_steps
from tests.unit.trainers.dataset.dataset_images import MadeUpImages, write_png

SQUARE = (64, 64)


def project(tmp_path: Path, *, train: int = 23, reg: int | None = None, more: str = "") -> Path:
    """A dataset of 10 repeats; with `reg` images a regularisation subset."""
    for number in range(train):
        write_png(tmp_path / "train" / f"{number:02d}.png")
    text = f'[[datasets]]\nresolution = 64\n{more}\n[[datasets.subsets]]\nimage_dir = "train"\n'
    text += "num_repeats = 10\n"
    if reg is not None:
        (tmp_path / "reg").mkdir()
        for number in range(reg):
            write_png(tmp_path / "reg" / f"{number:02d}.png")
        text += '[[datasets.subsets]]\nis_reg = true\nimage_dir = "reg"\n'
    (tmp_path / "d.toml").write_text(text)
    return tmp_path


def told(folder: Path, **flags: object) -> Forecast:
    return forecast({"dataset_config": "d.toml", "output_name": "x", **flags}, folder)


def names(seen: Forecast) -> list[str]:
    return [checkpoint.name for checkpoint in seen.checkpoints]


def test_the_first_users_run_without_regularisation(tmp_path: Path) -> None:
    seen = told(project(tmp_path), max_train_epochs=4, save_every_n_steps=200)
    assert (seen.images, seen.reg_images, seen.batches_per_epoch) == (23, 0, 230)
    assert (seen.epochs, seen.steps) == (4, 920)
    assert names(seen) == [
        "x-step00000200.safetensors",
        "x-step00000400.safetensors",
        "x-step00000600.safetensors",
        "x-step00000800.safetensors",
        "x.safetensors",
    ]
    assert seen.final == "x.safetensors"
    assert [c.epoch for c in seen.checkpoints] == [1, 2, 3, 4, 4]
    assert [c.step for c in seen.checkpoints][-1] == 920
    assert seen.warnings == ()


def test_regularisation_doubles_the_steps_and_says_so(tmp_path: Path) -> None:
    seen = told(project(tmp_path, reg=30), max_train_epochs=4)
    assert (seen.steps, seen.reg_images) == (1840, 30)
    assert seen.warnings[0] == ("1840 steps, not 920: the regularisation subset doubles each epoch")


def test_with_a_fixed_number_of_steps_regularisation_halves_the_epochs(tmp_path: Path) -> None:
    seen = told(project(tmp_path, reg=30), max_train_steps=920)
    assert (seen.steps, seen.epochs) == (920, 2)
    assert seen.warnings[0].startswith("2 epochs, not 4: the regularisation subset doubles")


def test_within_the_first_epoch_regularisation_changes_no_number_of_epochs(tmp_path: Path) -> None:
    seen = told(project(tmp_path, reg=30), max_train_steps=60)
    assert (seen.steps, seen.epochs) == (60, 1)
    assert seen.warnings[0].startswith("460 batches an epoch, not 230: the regularisation subset")


def test_an_empty_regularisation_folder_changes_nothing(tmp_path: Path) -> None:
    seen = told(project(tmp_path, reg=0), max_train_epochs=4)
    assert seen.steps == 920
    assert seen.warnings == ("reg: no images found, the subset is ignored",)


@pytest.mark.parametrize(
    ("flags", "processes", "batches", "expected"),
    [
        ({}, 1, 230, (230, 230, 7, 1600)),
        ({"max_train_steps": 920}, 1, 230, (230, 230, 4, 920)),
        ({"max_train_epochs": 2}, 2, 230, (115, 115, 2, 230)),
        ({"max_train_epochs": 2}, 2, 231, (116, 116, 2, 232)),
        ({"max_train_epochs": 2, "gradient_accumulation_steps": 4}, 1, 230, (230, 58, 2, 116)),
        ({"max_train_epochs": 1, "gradient_accumulation_steps": 4}, 3, 230, (77, 20, 1, 20)),
        ({"max_train_epochs": "3", "max_train_steps": 5}, 1, 10, (10, 10, 3, 30)),
    ],
)
def test_steps_of_an_epoch_and_of_all(
    flags: dict[str, object], processes: int, batches: int, expected: tuple[int, ...]
) -> None:
    steps = count_steps(flags, batches, processes)
    assert (steps.batches, steps.per_epoch, steps.epochs, steps.total) == expected


def written(total: int, per_epoch: int, **flags: object) -> list[tuple[str, int, int | None]]:
    steps = count_steps({"max_train_steps": total}, per_epoch)
    found = expected_checkpoints({"output_name": "x", **flags}, steps)
    return [(c.name.removesuffix(".safetensors"), c.step, c.removed_at_step) for c in found]


def test_the_last_epoch_has_no_file_of_its_own() -> None:
    assert written(30, 10, save_every_n_epochs=1) == [
        ("x-000001", 10, None),
        ("x-000002", 20, None),
        ("x", 30, None),
    ]
    assert written(30, 10, save_every_n_epochs=3) == [("x", 30, None)]


def test_a_step_file_may_coincide_with_the_end_and_with_an_epoch() -> None:
    assert written(20, 10, save_every_n_steps=10, save_every_n_epochs=1) == [
        ("x-step00000010", 10, None),
        ("x-000001", 10, None),
        ("x-step00000020", 20, None),
        ("x", 20, None),
    ]


def test_a_ratio_sets_how_often_epochs_are_saved() -> None:
    assert [name for name, *_ in written(90, 10, save_n_epoch_ratio=4)] == [
        "x-000002", "x-000004", "x-000006", "x-000008", "x",
    ]  # fmt: skip


def test_old_step_files_go_counted_in_steps() -> None:
    kept = written(500, 500, save_every_n_steps=100, save_last_n_steps=100)
    assert kept == [
        ("x-step00000100", 100, 300),
        ("x-step00000200", 200, 400),
        ("x-step00000300", 300, 500),
        ("x-step00000400", 400, None),
        ("x-step00000500", 500, None),
        ("x", 500, None),
    ]
    assert step_to_remove(50, 10, 30) == 10


def test_old_epoch_files_go_counted_in_files() -> None:
    kept = written(50, 10, save_every_n_epochs=1, save_last_n_epochs=2)
    assert [row[2] for row in kept] == [30, 40, None, None, None]


def test_states_come_with_checkpoints_and_may_be_kept_longer() -> None:
    steps = count_steps({"max_train_steps": 40}, 40)
    flags = {
        "save_every_n_steps": 10,
        "save_last_n_steps": 0,
        "save_state": True,
        "save_last_n_steps_state": 20,
    }
    found = expected_checkpoints(flags, steps)
    assert [c.state_name for c in found] == [
        "at-step00000010-state",
        "at-step00000020-state",
        "at-step00000030-state",
        "at-step00000040-state",
        "last-state",
    ]
    assert [c.removed_at_step for c in found] == [20, 30, 40, None, None]
    assert [c.state_removed_at_step for c in found] == [40, None, None, None, None]


def test_names_without_an_output_name_and_of_another_format() -> None:
    steps = count_steps({"max_train_steps": 20}, 10)
    found = expected_checkpoints(
        {"save_every_n_steps": 20, "save_every_n_epochs": 1, "save_model_as": "pt"}, steps
    )
    assert [c.name for c in found] == ["epoch-000001.pt", "at-step00000020.pt", "last.pt"]
    assert [c.state_name for c in found] == [None, None, None]


def test_a_state_at_the_end_only() -> None:
    steps = count_steps({"max_train_steps": 20}, 20)
    flags = {"save_every_n_steps": 10, "save_state_on_train_end": True, "output_name": "x"}
    assert [c.state_name for c in expected_checkpoints(flags, steps)] == [None, None, "x-state"]


def test_false_means_not_given(tmp_path: Path) -> None:
    seen = told(project(tmp_path, train=2), max_train_epochs=False, max_train_steps=10,
                save_state=False, save_every_n_steps=None)  # fmt: skip
    assert seen.steps == 10
    assert seen.checkpoints[0].state_name is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"save_every_n_steps": 0}, "save_every_n_steps is 0: use 1 or more, or remove it"),
        ({"max_train_steps": -1}, "max_train_steps is -1: use 0 or more, or remove it"),
        ({"max_train_epochs": 4.0}, "max_train_epochs is 4.0: it must be an integer"),
        ({"output_name": ""}, "output_name is empty: sd-scripts cannot write the final file"),
        ({"dataset_class": "x.Y"}, "dataset_class: a custom dataset cannot be counted"),
        ({"initial_step": 1600}, "it would start at step 1600 of 1600, where sd-scripts stops"),
        ({"max_train_epochs": "four"}, "max_train_epochs is 'four': it must be an integer"),
        ({"seed": "x"}, "seed is 'x': it must be an integer"),
        ({"dataset_config": "none.toml"}, "none.toml: the dataset config does not exist"),
    ],
)
def test_what_cannot_be_told_says_why(tmp_path: Path, flags: dict[str, object], words: str) -> None:
    seen = told(project(tmp_path, train=1), **flags)
    assert seen.steps is None
    assert words in seen.warnings[-1]


def test_no_images_means_no_steps(tmp_path: Path) -> None:
    seen = told(project(tmp_path, train=0))
    assert (seen.steps, seen.images, seen.checkpoints) == (0, 0, ())
    assert seen.warnings[-1].startswith("No images to train on")


def test_flags_that_do_not_do_what_they_seem_to_are_told(tmp_path: Path) -> None:
    seen = told(
        project(tmp_path, train=2, more="batch_size = 2\nvalidation_split = 0.5"),
        save_state=True,
        max_train_epochs=1,
        max_train_steps=7,
        train_batch_size=4,
        train_data_dir="elsewhere",
    )
    assert "save_state only saves together with a checkpoint" in seen.warnings[0]
    assert seen.warnings[1:] == (
        "max_train_epochs overrides max_train_steps",
        "dataset_config is set, so train_data_dir is ignored",
        "batch_size 2 of the dataset config wins over train_batch_size 4",
        "without a seed the validation images are random",
    )


def test_images_may_come_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(
        '[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = "t"\nnum_repeats = 3\n'
    )
    flags = {"dataset_config": "d.toml", "max_train_epochs": 2}
    seen = forecast(flags, tmp_path, images=MadeUpImages({"t": [SQUARE] * 4}))
    assert seen.steps == 24


SPLIT = (
    "batch_size = 3\nenable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 128\n"
    "validation_split = 0.3\n"
)


def mixed(tmp_path: Path, more: str = SPLIT) -> Path:
    """Two datasets with regularisation, one of them split, of images in two buckets."""
    for number in range(10):
        write_png(tmp_path / "train" / f"w{number}.png", (128, 64))
        write_png(tmp_path / "train" / f"t{number}.png", (64, 128))
        write_png(tmp_path / "reg" / f"{number}.png", SQUARE)
    subsets = (
        '[[datasets.subsets]]\nimage_dir = "train"\n'
        '[[datasets.subsets]]\nimage_dir = "reg"\nis_reg = true\n'
    )
    (tmp_path / "d.toml").write_text(
        f"[[datasets]]\nresolution = 96\n{more}{subsets}[[datasets]]\nresolution = 64\n{subsets}"
    )
    return tmp_path


def test_a_validation_split_without_a_seed_makes_the_steps_unknown_where_they_depend_on_it(
    tmp_path: Path,
) -> None:
    folder = mixed(tmp_path)
    lengths = {told(folder, seed=seed).batches_per_epoch or 0 for seed in range(20)}
    assert len(lengths) > 1
    seen = told(folder, max_train_epochs=2)
    assert (seen.batches_per_epoch, seen.steps, seen.checkpoints) == (None, None, ())
    assert seen.images == 34
    assert f"an epoch has {min(lengths)} to {max(lengths)} batches" in seen.warnings[0]
    assert "set seed or validation_seed" in seen.warnings[0]
    assert "steps" not in seen.sources


def test_what_does_not_depend_on_the_split_is_told_without_a_seed(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    by_steps = told(folder, max_train_steps=30, save_every_n_steps=10)
    assert (by_steps.batches_per_epoch, by_steps.steps) == (None, 30)
    one_each = told(mixed(tmp_path, SPLIT.replace("batch_size = 3", "batch_size = 1")))
    assert one_each.batches_per_epoch is not None
    assert told(mixed(tmp_path, SPLIT + "validation_seed = 3\n")).batches_per_epoch is not None


def test_the_warning_about_regularisation_counts_with_the_trainers_own_split(
    tmp_path: Path,
) -> None:
    folder = mixed(tmp_path)
    text = (folder / "d.toml").read_text()
    alone = text.replace("is_reg = true", "num_repeats = 0")
    for seed in range(12):
        (folder / "d.toml").write_text(alone)
        steps = told(folder, max_train_epochs=1, seed=seed).steps
        (folder / "d.toml").write_text(text)
        warning = told(folder, max_train_epochs=1, seed=seed).warnings[0]
        assert f"not {steps}: the regularisation subset" in warning


def test_flags_that_stop_the_training_are_told_without_a_dataset_too(tmp_path: Path) -> None:
    seen = forecast({"dataset_config": "none.toml", "save_every_n_epochs": 0}, tmp_path)
    assert "the dataset config does not exist" in seen.warnings[0]
    assert seen.warnings[1].startswith("save_every_n_epochs is 0")


def test_masks_without_masked_loss_and_masked_loss_without_masks(tmp_path: Path) -> None:
    folder = project(tmp_path, train=2, more='caption_extension = ".txt"')
    seen = told(folder, masked_loss=True)
    assert "masked_loss has no effect" in seen.warnings[0]
    for number in range(2):
        write_png(tmp_path / "masks" / f"{number:02d}.png")
    text = (folder / "d.toml").read_text()
    (folder / "d.toml").write_text(f'{text}conditioning_data_dir = "masks"\n')
    assert told(folder, masked_loss=True).warnings == ()
    seen = told(folder)
    assert seen.batches_per_epoch == 20
    assert seen.warnings == (
        "conditioning_data_dir needs masked_loss: without it sd-scripts stops at this key",
    )
