"""Dataset configuration: fallbacks, folder mode, everything that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    read_specs,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.config import (
    folder_repeats,
    folder_subsets,
    load_dataset_file,
)


def one_subset(**values: Any) -> dict[str, Any]:
    return {"datasets": [{"resolution": 512, "subsets": [{"image_dir": "a", **values}]}]}


def test_a_value_falls_back_from_subset_to_dataset_to_general_to_flags_to_default() -> None:
    config = {
        "general": {"num_repeats": 3, "keep_tokens": 5, "batch_size": 8},
        "datasets": [
            {
                "resolution": 512,
                "num_repeats": 2,
                "subsets": [{"image_dir": "a", "num_repeats": 1}, {"image_dir": "b"}],
            },
            {"batch_size": 4, "subsets": [{"image_dir": "c"}]},
        ],
    }
    flags = {"dataset_repeats": 9, "train_batch_size": 7, "resolution": "640,448", "keep_tokens": 1}
    first, second = read_specs(config, flags, "x.toml")
    assert [subset.num_repeats for subset in first.subsets] == [1, 2]
    assert second.subsets[0].num_repeats == 3
    assert [first.batch_size, second.batch_size] == [8, 4]
    assert [first.resolution, second.resolution] == [(512, 512), (640, 448)]
    assert second.subsets[0].keep_tokens == 5
    assert second.subsets[0].caption_separator == ","
    only_flags = read_specs(one_subset(), {"dataset_repeats": 9, "train_batch_size": 7}, "x.toml")
    assert (only_flags[0].subsets[0].num_repeats, only_flags[0].batch_size) == (9, 7)


def test_an_explicit_false_does_not_fall_through() -> None:
    config = {"general": {"shuffle_caption": True}, **one_subset(shuffle_caption=False)}
    (spec,) = read_specs(config, {}, "x.toml")
    assert spec.subsets[0].shuffle_caption is False


def test_a_caption_extension_gets_its_dot() -> None:
    (spec,) = read_specs(one_subset(caption_extension="txt"), {}, "x.toml")
    assert spec.subsets[0].caption_extension == ".txt"
    (spec,) = read_specs(one_subset(), {"caption_extention": ".cap"}, "x.toml")
    assert spec.subsets[0].caption_extension == ".cap"


@pytest.mark.parametrize(
    ("given", "sides"), [(512, (512, 512)), ("640", (640, 640)), ([512, 768], (512, 768))]
)
def test_a_resolution_is_one_side_or_two(given: Any, sides: tuple[int, int]) -> None:
    config = {"datasets": [{"subsets": [{"image_dir": "a"}]}]}
    assert read_specs(config, {"resolution": given}, "x.toml")[0].resolution == sides


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"train": {}}, "extra keys not allowed @ data['train']"),
        ({"general": {"is_reg": True}}, "extra keys not allowed @ data['general']['is_reg']"),
        (one_subset(repeats=2), "extra keys not allowed @ data['datasets'][0]['subsets'][0]"),
        (one_subset(num_repeats="2"), "expected int for dictionary value @ data['datasets'][0]"),
        (one_subset(keep_tokens=1.5), "['keep_tokens']"),
        ({"datasets": [{"resolution": [1, 2, 3]}]}, "expected int or two of them"),
        ({"datasets": [{"validation_split": 1}]}, "expected float for dictionary value"),
        ({"datasets": [{"subsets": [{}]}]}, "required key not provided"),
        ({"datasets": [{"resolution": 64, "cache_info": True}]}, "['datasets'][0]['cache_info']"),
        ({"datasets": {}}, "expected a list @ data['datasets']"),
        ({"datasets": ["a"]}, "expected a dictionary @ data['datasets'][0]"),
    ],
)
def test_a_wrong_configuration_is_refused_with_file_and_place(
    config: dict[str, Any], place: str
) -> None:
    with pytest.raises(DatasetError) as refused:
        read_specs(config, {}, "spyke.toml")
    assert str(refused.value).startswith("spyke.toml: ")
    assert place in str(refused.value)
    assert refused.value.trainer_error == "MultipleInvalid"


def test_a_subset_with_masks_has_its_own_keys() -> None:
    (spec,) = read_specs(
        {"general": {"class_tokens": "x"}, **one_subset(conditioning_data_dir="c")},
        {"alpha_mask": True, "conditioning_data_dir": "d"},
        "x.toml",
    )
    (subset,) = spec.subsets
    assert (subset.conditioning_data_dir, subset.class_tokens, subset.alpha_mask) == (
        "c",
        None,
        False,
    )
    assert spec.masked
    for key, value in (("class_tokens", "x"), ("is_reg", True), ("metadata_file", "m.json")):
        with pytest.raises(DatasetError, match="extra keys not allowed"):
            read_specs(one_subset(conditioning_data_dir="c", **{key: value}), {}, "x.toml")


def test_masks_are_for_all_subsets_of_a_dataset() -> None:
    subsets = [{"image_dir": "a", "conditioning_data_dir": "c"}, {"image_dir": "b"}]
    with pytest.raises(
        DatasetError, match="only some subsets of the dataset have conditioning_data"
    ):
        read_specs({"datasets": [{"subsets": subsets}]}, {}, "x.toml")


def test_a_subset_of_a_metadata_file_has_its_own_keys() -> None:
    (spec,) = read_specs(one_subset(metadata_file="m.json", num_repeats=3), {}, "x.toml")
    assert [(s.name, s.num_repeats, s.rootless) for s in spec.subsets] == [("m.json", 3, False)]
    alone = {"datasets": [{"subsets": [{"metadata_file": "m.json"}]}]}
    assert read_specs(alone, {}, "x.toml")[0].subsets[0].rootless
    for key in ("class_tokens", "caption_extension", "is_reg"):
        value = True if key == "is_reg" else ".txt"
        with pytest.raises(DatasetError, match="extra keys not allowed"):
            read_specs(one_subset(metadata_file="m.json", **{key: value}), {}, "x.toml")


def test_a_dataset_is_of_metadata_files_or_of_folders() -> None:
    mixed = {"datasets": [{"subsets": [{"metadata_file": "m.json"}, {"image_dir": "a"}]}]}
    with pytest.raises(DatasetError, match="cannot be mixed"):
        read_specs(mixed, {}, "x.toml")


def test_in_json_needs_the_folder_of_its_images(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="in_json needs train_data_dir"):
        specs_from_flags({"in_json": "m.json"}, tmp_path)


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.toml: the dataset config does not exist"):
        load_dataset_file(tmp_path / "none.toml")


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text("[general]\nenable_bucket = True\n")
    with pytest.raises(DatasetError, match=r"d\.toml: not valid TOML: .*line 2"):
        load_dataset_file(path)


def test_a_config_may_be_json_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"datasets": []}')
    assert load_dataset_file(tmp_path / "d.json") == {"datasets": []}
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(DatasetError, match="not valid JSON"):
        load_dataset_file(tmp_path / "d.json")
    (tmp_path / "d.yaml").write_text("")
    with pytest.raises(DatasetError, match=r"must end in \.toml or \.json"):
        load_dataset_file(tmp_path / "d.yaml")


def test_no_dataset_at_all_says_which_flags_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dataset_config and train_data_dir are both missing"):
        specs_from_flags({}, tmp_path)


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("10_spyke_plasma_v1", (10, "spyke_plasma_v1")),
        ("10", (10, "")),
        ("0_x", (0, "x")),
        ("spyke", (None, "")),
        ("1.5_x", (None, "")),
    ],
)
def test_repeats_are_the_number_before_the_first_underscore(
    name: str, repeats: tuple[int | None, str]
) -> None:
    assert folder_repeats(name) == repeats


def test_folder_mode_takes_numbered_subfolders_only(tmp_path: Path) -> None:
    for name in ("train/10_a b", "train/0_none", "train/plain", "train/3", "reg/1_r"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "train" / "5_file").write_text("")
    found = folder_subsets(tmp_path, "train", "reg")
    assert sorted((s["image_dir"], s["num_repeats"], s["is_reg"]) for s in found) == [
        ("reg/1_r", 1, True),
        ("train/10_a b", 10, False),
        ("train/3", 3, False),
    ]
    assert folder_subsets(tmp_path, "missing", None) == []
