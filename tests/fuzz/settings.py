"""Targets: the trainer's configurations, and what tools of the machine print."""

from __future__ import annotations

import contextlib

from runner.config.interpreter import sentinel_json
from runner.hardware.apple_ioreg import NotUnderstood, accelerators, clients
from runner.hardware.apple_system import heat_in
from runner.hardware.nvidia import parse_apps, parse_cards
from runner.store.journal import encode_json
from runner.trainers.accelerate import read_config
from runner.trainers.sd_scripts.config_file import read_train_config
from runner.trainers.sd_scripts.dataset import DatasetError
from runner.trainers.sd_scripts.dataset.config import load_dataset_file, read_specs
from runner.trainers.sd_scripts.dataset.metadata_file import read_metadata
from runner.trainers.sd_scripts.dataset_keys import dataset_keys
from runner.trainers.sd_scripts.importers.project import look_at_project
from runner.trainers.sd_scripts.sample_prompts import read_prompt_file
from tests.fuzz.guards import folder, place
from tests.fuzz.reading import require
from tui.themes import ThemeProblem, load_theme


def dataset(data: bytes) -> None:
    """A dataset file: specs, or DatasetError."""
    for name in ("dataset.toml", "dataset.json"):
        path = place(f"dataset/{name}", data)
        with contextlib.suppress(DatasetError):
            read_specs(load_dataset_file(path), {}, name, path)
        dataset_keys(data.decode("utf-8", "replace"))
    look_at_project(path.parent)


def metadata(data: bytes) -> None:
    """A metadata file of images."""
    for name in ("meta.json", "meta.jsonl"):
        place(f"meta/{name}", data)
        for image_dir in (None, "images"):
            with contextlib.suppress(DatasetError):
                read_metadata(name, image_dir, folder() / "meta", "_sd.npz")


def prompts(data: bytes) -> None:
    for name in ("prompts.txt", "prompts.toml", "prompts.json"):
        found = read_prompt_file(place(name, data), 0.0)
        require(found.problem is None or "\n" not in found.problem, "several lines", found.problem)
        encode_json(found.prompts)


def flags_file(data: bytes) -> None:
    """`--config_file`, and the file of `accelerate config`."""
    read_train_config("config.toml", place("config.toml", data).parent)
    for name in ("default_config.yaml", "default_config.json"):
        found = read_config(place(name, data))
        if found is not None:
            require(found.processes is None or found.processes >= 0, "no number", found)


def theme(data: bytes) -> None:
    with contextlib.suppress(ThemeProblem):
        load_theme(place("theme.toml", data))


def tools(data: bytes) -> None:
    """What nvidia-smi, ioreg, macmon and a trainer's Python print."""
    text = data.decode("utf-8", "replace")
    parse_cards(text)
    parse_apps(text)
    heat_in(data)
    sentinel_json(text)
    for read in (accelerators, clients):
        with contextlib.suppress(NotUnderstood):
            read(data)
