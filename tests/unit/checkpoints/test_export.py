"""Export copies: never over a file, never half a file, never the wrong bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import runner.checkpoints.export as exporting
import runner.files.atomic
from runner.checkpoints.export import (
    PART_PREFIX,
    ExportRefused,
    checked_name,
    clean_parts,
    export_file,
    free_name,
)
from runner.checkpoints.export_places import last_folder, remember_folder, suggested_folders
from tests.hostile import HOSTILE


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "from" / "spyke-step00000600.safetensors"
    path.parent.mkdir()
    save_file({"a": np.ones((64, 64), np.float32)}, path)
    return path


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    folder.mkdir()
    return folder


def parts(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(PART_PREFIX)]


def test_a_copy_has_the_same_bytes_and_the_source_stays_as_it_was(
    source: Path, loras: Path
) -> None:
    before = (source.read_bytes(), source.stat().st_mtime_ns, source.stat().st_nlink)
    made = export_file(source, loras, "spyke v1")
    target = loras / "spyke v1.safetensors"
    assert made.path == str(target)
    assert target.read_bytes() == before[0]
    assert made.sha256 == hashlib.sha256(before[0]).hexdigest()
    assert made.size_bytes == len(before[0])
    assert (source.read_bytes(), source.stat().st_mtime_ns, source.stat().st_nlink) == before
    assert not target.samefile(source)
    assert parts(loras) == []
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_that_is_there_is_never_replaced_and_a_free_name_is_offered(
    source: Path, loras: Path
) -> None:
    target = loras / source.name
    target.write_bytes(b"somebody's")
    with pytest.raises(ExportRefused, match="never overwritten: a free name is") as refused:
        export_file(source, loras, force=True)
    assert target.read_bytes() == b"somebody's"
    assert refused.value.free_name == "spyke-step00000600-2.safetensors"
    export_file(source, loras, refused.value.free_name)
    assert free_name(loras, source.name) == "spyke-step00000600-3.safetensors"


def test_a_dangling_link_of_that_name_is_a_file_too(source: Path, loras: Path) -> None:
    (loras / source.name).symlink_to(loras / "nowhere")
    with pytest.raises(ExportRefused, match="never overwritten"):
        export_file(source, loras)
    assert not (loras / "nowhere").exists()


def test_the_same_bytes_under_that_name_are_told_as_such(source: Path, loras: Path) -> None:
    export_file(source, loras)
    with pytest.raises(ExportRefused, match="with the same content: nothing to do"):
        export_file(source, loras)


def test_somebody_who_takes_the_name_meanwhile_keeps_it(
    source: Path, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(folder: Path, size: int) -> None:
        (loras / source.name).write_bytes(b"theirs")

    monkeypatch.setattr(exporting, "_room", late)
    with pytest.raises(ExportRefused, match="never overwritten"):
        export_file(source, loras)
    assert (loras / source.name).read_bytes() == b"theirs"
    assert parts(loras) == []


@pytest.mark.parametrize("linked", [True, False])
def test_a_name_is_taken_exclusively_with_links_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:
        monkeypatch.setattr(os, "link", _no_links)
    new, taken = tmp_path / "new", tmp_path / "taken"
    new.write_bytes(b"new")
    taken.write_bytes(b"taken")
    with pytest.raises(FileExistsError):
        runner.files.atomic.rename_to_free(new, taken)
    assert taken.read_bytes() == b"taken"
    runner.files.atomic.rename_to_free(new, tmp_path / "free")
    assert (tmp_path / "free").read_bytes() == b"new"
    assert not new.exists()


def _no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_without_any_exclusive_rename_a_taken_name_is_still_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    monkeypatch.setattr(runner.files.atomic, "_system_rename", lambda *_: 38)
    new, taken = tmp_path / "new", tmp_path / "taken"
    new.write_bytes(b"new")
    taken.write_bytes(b"taken")
    with pytest.raises(FileExistsError):
        runner.files.atomic.rename_to_free(new, taken)
    runner.files.atomic.rename_to_free(new, tmp_path / "free")
    assert (tmp_path / "free").read_bytes() == b"new"


# --------------------------------------------------------------------------- refusals


def test_a_file_that_is_cut_off_or_not_finite_is_refused_unless_forced(
    source: Path, loras: Path
) -> None:
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(ExportRefused, match="is not exported: cut off"):
        export_file(source, loras)
    assert list(loras.iterdir()) == []
    assert "cut off" in export_file(source, loras, force=True).notes[0]
    save_file({"a": np.full((4, 4), np.nan, np.float32)}, source)
    with pytest.raises(ExportRefused, match="NaN or Inf"):
        export_file(source, loras, "nan")


def test_a_file_that_is_gone_is_one_sentence(source: Path, loras: Path) -> None:
    source.unlink()
    with pytest.raises(ExportRefused, match="no longer exists"):
        export_file(source, loras)


def test_a_full_disk_is_told_before_anything_is_written(
    source: Path, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 5_000))
    with pytest.raises(ExportRefused, match=r"has 5.0 kB left and the file needs"):
        export_file(source, loras)
    assert list(loras.iterdir()) == []


def test_bytes_that_read_back_differently_are_no_export(
    source: Path, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_hash", lambda _: "0" * 64)
    with pytest.raises(ExportRefused, match="reads back differently"):
        export_file(source, loras)
    assert list(loras.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="does not exist: create it first"):
        export_file(source, tmp_path / "lora")
    with pytest.raises(ExportRefused, match="is no folder"):
        export_file(source, source)
    assert not (tmp_path / "lora").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/b", "cannot contain /"),
        ("..", "starting with a dot"),
        (".hidden", "starting with a dot"),
        ("x.ckpt", "would mislead"),
        ("bad\x07bell", "U\\+0007"),
        ("  ", "empty"),
        (".safetensors", "empty"),
        ("é" * 200, "more than 255 bytes"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, why: str) -> None:
    with pytest.raises(ExportRefused, match=why):
        checked_name(name, Path("x.safetensors"))


def test_names_keep_their_dots_and_get_the_ending() -> None:
    assert checked_name("spyke v1.2", Path("x.safetensors")) == "spyke v1.2.safetensors"
    assert checked_name("A.SAFETENSORS", Path("x.safetensors")) == "A.SAFETENSORS"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_file_in_that_folder_or_a_sentence(
    source: Path, loras: Path, name: str
) -> None:
    try:
        made = export_file(source, loras, name or "  ", force=True)
    except ExportRefused as error:
        assert "\n" not in str(error)
        assert list(loras.iterdir()) == []
    else:
        assert [str(p) for p in loras.iterdir()] == [made.path]


# --------------------------------------------------------------------------- killed

_SLOW = """
import sys, time
from pathlib import Path
import runner.checkpoints.export as exporting
exporting._drop_from_cache = lambda out: (print("written", flush=True), time.sleep(60))
exporting.export_file(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_export_leaves_one_part_that_the_next_takes_away(
    source: Path, loras: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(source), str(loras)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    assert len(parts(loras)) == 1
    # while it is being written it is nobody else's to clean
    assert clean_parts(loras) == ()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [p.name for p in loras.iterdir()] == parts(loras)
    export_file(source, loras)
    assert [p.name for p in loras.iterdir()] == [source.name]


def test_a_pipe_of_such_a_name_is_left_alone(loras: Path) -> None:
    os.mkfifo(loras / f"{PART_PREFIX}x.part")
    began = time.monotonic()
    assert clean_parts(loras) == ()
    assert time.monotonic() - began < 5


# --------------------------------------------------------------------------- where to


def test_folders_are_suggested_from_the_last_export_and_the_base_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    beside = tmp_path / "tools/ComfyUI/models/loras"
    last = tmp_path / "last"
    for folder in (beside, last):
        folder.mkdir(parents=True)
    base = tmp_path / "tools/ComfyUI/models/checkpoints/base.safetensors"
    command = ("python", "train.py", f"--pretrained_model_name_or_path={base}")
    assert suggested_folders(command) == (beside,)
    remember_folder(last)
    assert suggested_folders((*command[:2], "--pretrained_model_name_or_path", str(base))) == (
        last,
        beside,
    )
    assert last_folder() == last
    (tmp_path / "state/export.json").write_text("torn")
    assert last_folder() is None
