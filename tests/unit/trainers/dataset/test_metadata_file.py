"""Metadata files as `FineTuningDataset` reads them; the forecast matrix has what the real loop did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.trainers.sd_scripts.dataset import DatasetError, FolderImages
from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints

SUFFIX = "_sd.npz"


def listed(folder: Path, entries: Any, image_dir: str | None = "a", name: str = "m.json") -> Any:
    (folder / name).write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return FolderImages(folder, SUFFIX).metadata(name, image_dir)


def test_names_are_joined_with_the_folder_and_absolute_ones_stay(tmp_path: Path) -> None:
    found = listed(tmp_path, {"1.png": {"caption": "x", "tags": "y"}, "/b/2.png": {}})
    assert found.keys == ("1.png", "/b/2.png")
    assert found.paths == ("a/1.png", "/b/2.png")
    assert found.captions == {"a/1.png": ("x", "y"), "/b/2.png": ()}


def test_a_size_in_the_file_is_believed(tmp_path: Path) -> None:
    found = listed(tmp_path, {"1.png": {"image_size": [640, 480]}, "2.png": {}})
    assert found.sizes == {"a/1.png": (640, 480)}


def test_a_cache_decides_where_the_file_holds_no_size(tmp_path: Path) -> None:
    """Names are compared as they stand in the file, so caches count for absolute names only."""
    for name in ("1_0064x0128_sd.npz", "11_0128x0064_sd.npz", "2_0032x0032_sd.npz"):
        (tmp_path / name).write_text("")
    entries = {f"{tmp_path}/{name}.png": {} for name in ("1", "11", "3")}
    entries[f"{tmp_path}/2.png"] = {"image_size": [8, 8]}
    found = listed(tmp_path, entries, None)
    assert found.sizes == {
        f"{tmp_path}/1.png": (64, 128),
        f"{tmp_path}/11.png": (128, 64),
        f"{tmp_path}/2.png": (8, 8),
    }
    (tmp_path / "a").mkdir()
    (tmp_path / "a/5_0064x0128_sd.npz").write_text("")
    assert listed(tmp_path, {"5.png": {}}).sizes == {}


@pytest.mark.parametrize(
    ("text", "name", "error", "said"),
    [
        ("{", "m.json", "JSONDecodeError", "not valid JSON"),
        ('{"image_path": "a"}\n\n', "m.jsonl", "JSONDecodeError", "not valid JSON"),
        ('{"caption": "a"}\n', "m.jsonl", "KeyError", "is not a metadata file"),
        (
            '{"file_name": "1.png", "text": "a"}\n',
            "m.jsonl",
            "KeyError",
            "in Hugging Face's format",
        ),
        ("[1]", "m.json", "TypeError", "is not a metadata file"),
        ('{"1.png": "caption"}', "m.json", "AttributeError", "is not a metadata file"),
        ('{"1.png": {"image_size": [1]}}', "m.json", "IndexError", "is not a metadata file"),
    ],
)
def test_what_stops_the_trainer_is_one_sentence(
    tmp_path: Path, text: str, name: str, error: str, said: str
) -> None:
    with pytest.raises(DatasetError) as raised:
        listed(tmp_path, text, name=name)
    assert said in str(raised.value)
    assert raised.value.trainer_error == error


def test_a_relative_name_needs_image_dir(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="set image_dir"):
        listed(tmp_path, {"1.png": {}}, None)
    assert FolderImages(tmp_path).metadata("none.json", None) is None


def test_the_fingerprint_changes_with_a_caption_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("[[datasets]]\n[[datasets.subsets]]\nmetadata_file='m.json'\n")
    flags = {"dataset_config": "d.toml"}
    digests = []
    for caption in ("a cat", "a dog"):
        (tmp_path / "m.json").write_text(json.dumps({"/x/1.png": {"caption": caption}}))
        digests.append(dataset_fingerprints(flags, tmp_path))
    assert digests[0]["dataset"] != digests[1]["dataset"]
    assert digests[0]["dataset_images"] == "1"
