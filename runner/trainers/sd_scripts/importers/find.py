"""Finds checkouts of sd-scripts, their interpreters and base models on this machine.

Only a fixed list of usual places is searched, none below document folders: on macOS reading those asks for
permission.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runner.config.catalog import Catalog
from runner.config.model import Trainer
from runner.config.paths import absolute, venv_python
from runner.trainers.registry import flag_report

_ROOT_NAMES = (
    "kohya_ss", "sd-scripts", "sd_scripts", "LoRA_Easy_Training_Scripts", "lora-scripts",
)  # fmt: skip
#: where sd-scripts is inside other programs; "" for its own checkout
_INSIDE = ("sd-scripts", "sd_scripts", "scripts/stable", "scripts/dev", "")
#: one folder between the home and the program
_BETWEEN = (
    "", "tools", "ai", "AI", "src", "git", "code", "dev", "projects", "repos", "apps", "opt",
    "workspace", "stable-diffusion", "sd", "training",
)  # fmt: skip
_MODEL_FOLDERS = (
    "models/checkpoints",
    "models/Stable-diffusion",
    "models/diffusion_models",
    "models",
)
_MODEL_ROOTS = (
    "ComfyUI", "comfyui", "stable-diffusion-webui", "stable-diffusion-webui-forge", "kohya_ss",
    "InvokeAI", "sd-scripts",
)  # fmt: skip
_MODEL_SUFFIXES = (".safetensors", ".ckpt")
#: smaller files in such folders are LoRAs, VAEs and text encoders
LEAST_MODEL_BYTES = 1_000_000_000
MOST_MODELS = 30


@dataclass(frozen=True, slots=True)
class FoundCheckout:
    """`problem`: why it cannot be used for training; None: train_network.py exists."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FoundModel:
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """Best first. `device`: "cuda" or "mps" if this machine certainly has one, else None."""

    sd_scripts: tuple[FoundCheckout, ...] = ()
    pythons: tuple[Path, ...] = ()
    models: tuple[FoundModel, ...] = ()
    device: str | None = None

    @property
    def around(self) -> list[Path]:
        """The checkouts and the parent of each."""
        return [folder for one in self.sd_scripts for folder in (one.path, one.path.parent)]

    @property
    def checkout(self) -> Path | None:
        """The best one."""
        return self.sd_scripts[0].path if self.sd_scripts else None

    def python_for(self, checkout: Path | None) -> Path | None:
        """The interpreter of a checkout, else the only one found."""
        own = None if checkout is None else venv_python(checkout)
        return own or (self.pythons[0] if len(self.pythons) == 1 else None)


@dataclass(frozen=True, slots=True)
class Places:
    """Where to search."""

    home: Path
    cwd: Path
    environ: Mapping[str, str]
    platform: str = sys.platform
    system_roots: tuple[Path, ...] = (Path("/opt"), Path("/workspace"), Path("/"))
    nvidia_driver: Path = Path("/proc/driver/nvidia/version")

    @classmethod
    def here(cls) -> Places:
        return cls(Path.home(), Path.cwd(), dict(os.environ))

    def folders(self) -> Iterator[Path]:
        """Folders that may directly contain a program."""
        yield from (self.cwd, *islice(self.cwd.parents, 4))
        yield from (self.home / between for between in _BETWEEN)
        yield from self.system_roots

    def roots(self, names: Iterable[str]) -> list[Path]:
        """Folders with one of these names that exist."""
        paths = dict.fromkeys(folder / name for folder in self.folders() for name in names)
        return [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 - never raises


@dataclass(frozen=True, slots=True)
class Context:
    """Context of an import. `project`: the folder of the plasma.toml. `flags_of`: flags of the trainer found
    there."""

    project: Path
    places: Places
    found: Found
    flags_of: Callable[[Trainer], Catalog | None]

    @classmethod
    def here(cls, project: Path) -> Context:
        places = Places.here()
        folder = Path(absolute(str(project), places.cwd))
        return cls(folder, places, find_setup(places), lambda trainer: flag_report(trainer).catalog)


def find_setup(where: Places) -> Found:
    """Everything found in the usual places; takes a few milliseconds, starts nothing."""
    checkouts = tuple(sorted(_checkouts(where), key=lambda found: found.problem is not None))
    pythons = tuple(dict.fromkeys(_pythons(checkouts, where)))
    device = "cuda" if where.nvidia_driver.exists() else None
    if where.platform == "darwin":
        device = "mps" if os.uname().machine == "arm64" else None
    return Found(checkouts, pythons, _models(where), device)


def _checkouts(where: Places) -> list[FoundCheckout]:
    named = filter(None, [where.environ.get("SD_SCRIPTS")])
    around = islice((where.cwd, *where.cwd.parents), 3)
    candidates = (root / inside for root in where.roots(_ROOT_NAMES) for inside in _INSIDE)
    paths = dict.fromkeys((*map(Path, named), *around, *candidates))
    return [found for path in paths if (found := look_at_checkout(path)) is not None]


def look_at_checkout(path: Path) -> FoundCheckout | None:
    """Is it sd-scripts, complete or an empty submodule? (Older kohya_ss has it in its own root.)"""
    script = path / "train_network.py"
    try:
        if script.is_file():
            return FoundCheckout(path, None if script.stat().st_size else f"{script.name} is empty")
        submodule = path.is_dir() and path.name == "sd-scripts" and not any(path.iterdir())
    except OSError:
        return None
    cure = "run `git submodule update --init --recursive` in its parent folder"
    return FoundCheckout(path, f"the submodule is empty; {cure}") if submodule else None


def _pythons(checkouts: Iterable[FoundCheckout], where: Places) -> Iterator[Path]:
    for checkout in checkouts:
        if own := venv_python(checkout.path):
            yield own
    active = filter(None, map(where.environ.get, ("VIRTUAL_ENV", "CONDA_PREFIX")))
    for folder in map(Path, active):
        if (folder / "bin" / "accelerate").exists():
            yield folder / "bin" / "python"
    for root in where.system_roots:  # /venv of the container images
        if (python := root / "venv" / "bin" / "python").exists():
            yield python


def _models(where: Places) -> tuple[FoundModel, ...]:
    """Big weight files in the usual folders and one level below them."""
    found: dict[FoundModel, None] = {}
    for folder in (
        root / inside for root in where.roots(_MODEL_ROOTS) for inside in _MODEL_FOLDERS
    ):
        with suppress(OSError):
            entries = [*folder.iterdir()]
            below = [item for entry in entries if entry.is_dir() for item in entry.iterdir()]
            for entry in (*entries, *below):
                if entry.suffix.lower() in _MODEL_SUFFIXES and entry.is_file():
                    found[FoundModel(entry, entry.stat().st_size)] = None
    big = [model for model in found if model.size_bytes >= LEAST_MODEL_BYTES]
    return tuple(sorted(big, key=lambda model: model.path.name.lower())[:MOST_MODELS])
