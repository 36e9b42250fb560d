"""A small project on disk: real PNG files, captions, a dataset TOML, a plasma.toml."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.config.load import load_config
from runner.config.model import Config
from runner.preflight.facts import Facts
from runner.preflight.model import Finding
from runner.preflight.registry import BY_NAME

TRIGGER = "spyke_v1"


def png(width: int = 64, height: int = 64) -> bytes:
    """A whole grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\x80" * width) * height)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@dataclass(frozen=True, slots=True)
class Project:
    """`root` holds plasma.toml, dataset.toml, train/ and, if asked for, reg/."""

    root: Path

    @property
    def train(self) -> Path:
        return self.root / "train"

    def add_images(self, folder: str, number: int, caption: str | None) -> None:
        where = self.root / folder
        where.mkdir(parents=True, exist_ok=True)
        for index in range(number):
            (where / f"{index:04}.png").write_bytes(png())
            if caption is not None:
                (where / f"{index:04}.txt").write_text(caption, encoding="utf-8")

    def checkout(self) -> Path:
        """A folder that looks like sd-scripts, `sd`."""
        folder = self.root / "sd"
        for name in ("train_network.py", "networks/lora.py", "library/train_util.py"):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("pass\n", encoding="utf-8")
        return folder

    def write_dataset(self, general: str = "", reg: bool = False, train: str = "") -> None:
        text = f'[general]\ncaption_extension = ".txt"\n{general}\n[[datasets]]\nresolution = 64\n'
        text += f'[[datasets.subsets]]\nimage_dir = "{self.train}"\nnum_repeats = 10\n{train}\n'
        if reg:
            text += f'[[datasets.subsets]]\nis_reg = true\nimage_dir = "{self.root / "reg"}"\n'
        (self.root / "dataset.toml").write_text(text, encoding="utf-8")

    def config(
        self,
        train: str = "",
        expect: str = "",
        trainer: str = 'sd_scripts = "embedded"',
        rest: str = "",
        dataset: str = "dataset.toml",
        name: str = "hero",
    ) -> Config:
        (self.root / "plasma.toml").write_text(
            f'[trainer]\n{trainer}\n[train]\ndataset_config = "{dataset}"\n'
            f'output_dir = "out"\noutput_name = {json.dumps(name)}\nmax_train_epochs = 2\n{train}\n'
            f"[expect]\n{expect}\n{rest}",
            encoding="utf-8",
        )
        return load_config(self.root, known_flags=lambda trainer: None)

    def find(self, check: str, smoke: bool = False, **parts: Any) -> Finding:
        """What the check of that name finds."""
        return look(check, self.config(**parts), smoke=smoke)


def project_fixture(images: int = 2, caption: str = "x", *, checkout: bool = True) -> Any:
    """The fixture `project` of a test file: images with captions, their dataset, and a checkout."""

    @pytest.fixture
    def project(tmp_path: Path) -> Project:
        made = Project(tmp_path)
        made.add_images("train", images, caption)
        made.write_dataset()
        if checkout:
            made.checkout()
        return made

    return project


def look(name: str, config: Config, *, smoke: bool = False) -> Finding:
    return BY_NAME[name].look(Facts(config, smoke=smoke))
