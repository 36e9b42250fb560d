"""The projects that are tortured: short trainings of the built-in trainer and of sd-scripts itself."""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from runner.control import begin
from runner.control.begin import Prepared

#: Saves fall on the ends of epochs, and all batches of an epoch are alike: sd-scripts fetches the first batch
#: after a resume before it has shuffled (train_util.py: set_current_epoch follows the fetch). With more images
#: no resumed training can equal an unbroken one.
IMAGES, REPEATS = 1, 10
#: the pixels are noise, the same in every project
PIXEL_SEED = 7
#: threads that wait for each other by spinning make a step a hundred times as slow on a busy machine
ONE_THREAD = (("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"))


@dataclass(frozen=True, slots=True)
class Trainer:
    """One trainer and the length of its runs. `environment`: what it needs beside the shell's."""

    name: str
    steps: int
    save_every: int
    section: str
    flags: str
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def saves(self) -> tuple[int, ...]:
        return tuple(range(self.save_every, self.steps + 1, self.save_every))


def builtin() -> Trainer:
    section = f'sd_scripts = "embedded"\npython = {json.dumps(sys.executable)}\n'
    flags = 'pretrained_model_name_or_path = "builtin"\n'
    return Trainer("built-in", 100, 20, section, flags, ONE_THREAD)


def sd_scripts() -> Trainer:
    """The real loop around a tiny network. Its checkout, an interpreter with its requirements, the script to
    start and a tokenizer's folder come from the environment."""
    names = ("SD_SCRIPTS", "PYTHON", "SCRIPT", "TOKENIZER")
    missing = [f"TORTURE_{name}" for name in names if not os.environ.get(f"TORTURE_{name}")]
    if missing:
        raise SystemExit(f"--trainer sd-scripts needs {', '.join(missing)} in the environment")
    checkout, python, script, tokenizer = (os.environ[f"TORTURE_{name}"] for name in names)
    section = "".join(
        f"{key} = {json.dumps(value)}\n"
        for key, value in (("sd_scripts", checkout), ("python", python), ("script", script))
    )
    flags = (
        'pretrained_model_name_or_path = "base.safetensors"\n'
        f"tokenizer_cache_dir = {json.dumps(tokenizer)}\ncache_latents = true\n"
    )
    environment = {"SD_SCRIPTS": checkout, "TINY_SLEEP": "0.02", "HF_HUB_OFFLINE": "1"}
    return Trainer("sd-scripts", 100, 20, section, flags, (*environment.items(), *ONE_THREAD))


TRAINERS = {"built-in": builtin, "sd-scripts": sd_scripts}


def write_project(folder: Path, trainer: Trainer, *, launcher: str, workers: int = 0) -> Path:
    """A project with a few small images; returns its plasma.toml."""
    from PIL import Image

    images = folder / "img" / f"{REPEATS}_thing"
    images.mkdir(parents=True)
    pixels = random.Random(PIXEL_SEED)
    for number in range(IMAGES):
        Image.frombytes("RGB", (64, 64), pixels.randbytes(64 * 64 * 3)).save(
            images / f"{number:02}.png"
        )
        (images / f"{number:02}.caption").write_text(f"thing, tag {number}")
    (folder / "base.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    environment = "".join(f"{name} = {json.dumps(value)}\n" for name, value in trainer.environment)
    accelerate = "[accelerate]\ncpu = true\nnum_processes = 1\n" if launcher == "accelerate" else ""
    text = f"""name = "life"
[trainer]
{trainer.section}launcher = "{launcher}"
{f"[trainer.env]{chr(10)}{environment}" if environment else ""}{accelerate}[train]
{trainer.flags}train_data_dir = "img"
resolution = "64,64"
output_dir = "out"
output_name = "life"
save_every_n_steps = {trainer.save_every}
save_state = true
max_train_steps = {trainer.steps}
network_module = "networks.lora"
network_dim = 4
optimizer_type = "AdamW"
learning_rate = 1e-3
mixed_precision = "no"
max_data_loader_n_workers = {workers}
seed = 42
[smoke]
gate = false
"""
    path = folder / "plasma.toml"
    path.write_text(text)
    return path


def prepared(config: Path) -> Prepared:
    """What a start needs, without the checks before it."""
    loaded = begin.load(config)
    return begin.prepare(loaded, forecast=begin.forecast_of(loaded))
