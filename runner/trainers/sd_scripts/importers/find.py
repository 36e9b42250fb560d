"""What is on this machine: checkouts of sd-scripts, interpreters that belong to them, base models.

Only a fixed list of usual places is looked at, none below the folders of a person's documents: on
macOS a look into those asks for a permission.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from runner.config.paths import absolute

T = TypeVar("T")

_ROOT_NAMES = (
    "kohya_ss", "sd-scripts", "sd_scripts", "LoRA_Easy_Training_Scripts", "lora-scripts",
)  # fmt: skip
#: where sd-scripts lies inside what brings it along; "" for a checkout of its own
_INSIDE = ("sd-scripts", "sd_scripts", "scripts/stable", "scripts/dev", "")
#: one folder between the home and the program
_BETWEEN = (
    "", "tools", "ai", "AI", "src", "git", "code", "dev", "projects", "repos", "apps", "opt",
    "workspace", "stable-diffusion", "sd", "training",
)  # fmt: skip
_VENVS = ("venv", ".venv", "../venv", "../.venv")
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
    """`problem`: why nothing can be trained with it as it is; None: train_network.py is there."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FoundModel:
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """Best first. `device`: "cuda" or "mps" when this machine surely has one, else None."""

    sd_scripts: tuple[FoundCheckout, ...] = ()
    pythons: tuple[Path, ...] = ()
    models: tuple[FoundModel, ...] = ()
    device: str | None = None

    def python_for(self, checkout: Path | None) -> Path | None:
        """The interpreter that belongs to a checkout, else the only one there is."""
        own = venv_python(checkout) if checkout is not None else None
        return own or (self.pythons[0] if len(self.pythons) == 1 else None)


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look."""

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
        """Folders that a program may lie in directly."""
        yield from (self.cwd, *islice(self.cwd.parents, 4))
        yield from (self.home / between for between in _BETWEEN)
        yield from self.system_roots


def find_setup(places: Places | None = None) -> Found:
    """Everything found in the usual places; takes some milliseconds, starts nothing."""
    where = places or Places.here()
    checkouts = tuple(sorted(_checkouts(where), key=lambda found: found.problem is not None))
    pythons = tuple(_unique(_pythons(checkouts, where)))
    return Found(checkouts, pythons, _models(where), _device(where))


def _checkouts(where: Places) -> Iterator[FoundCheckout]:
    named = [Path(where.environ[name]) for name in ("SD_SCRIPTS",) if where.environ.get(name)]
    roots = [folder / name for folder in where.folders() for name in _ROOT_NAMES]
    candidates = [root / inside for root in roots for inside in _INSIDE if _is_folder(root)]
    around = list(islice((where.cwd, *where.cwd.parents), 3))
    for path in _unique((*named, *around, *candidates)):
        found = look_at_checkout(path)
        if found is not None:
            yield found


def look_at_checkout(path: Path) -> FoundCheckout | None:
    """Is it sd-scripts, whole or an empty submodule? (Older kohya_ss has it in its own root.)"""
    script = path / "train_network.py"
    try:
        if script.is_file():
            problem = None if script.stat().st_size else "train_network.py is empty"
            return FoundCheckout(path, problem)
        submodule = path.is_dir() and path.name == "sd-scripts" and not any(path.iterdir())
    except OSError:
        return None
    cure = "run `git submodule update --init --recursive` in the folder around it"
    return FoundCheckout(path, f"the submodule is empty; {cure}") if submodule else None


def venv_python(checkout: Path) -> Path | None:
    """The interpreter of the virtual environment beside or in the checkout."""
    for venv in _VENVS:
        path = Path(absolute(str(checkout / venv / "bin" / "python"), checkout))
        if path.exists():
            return path
    return None


def _pythons(checkouts: Iterable[FoundCheckout], where: Places) -> Iterator[Path]:
    for checkout in checkouts:
        if own := venv_python(checkout.path):
            yield own
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        active = where.environ.get(name)
        if active and (Path(active) / "bin" / "accelerate").exists():
            yield Path(active) / "bin" / "python"
    for root in where.system_roots:  # /venv of the container images
        if (python := root / "venv" / "bin" / "python").exists():
            yield python


def _models(where: Places) -> tuple[FoundModel, ...]:
    roots = [folder / name for folder in where.folders() for name in _MODEL_ROOTS]
    found: list[FoundModel] = []
    for root in _unique(root for root in roots if _is_folder(root)):
        for inside in _MODEL_FOLDERS:
            found += _models_in(root / inside)
    newest = sorted(found, key=lambda model: model.path.name.lower())
    return tuple(_unique(newest))[:MOST_MODELS]


def _models_in(folder: Path) -> list[FoundModel]:
    """Big weight files in the folder and one level below it."""
    found = []
    try:
        entries = [*folder.iterdir()]
        below = [item for entry in entries if entry.is_dir() for item in entry.iterdir()]
        for entry in (*entries, *below):
            if entry.suffix.lower() in _MODEL_SUFFIXES and entry.is_file():
                size_bytes = entry.stat().st_size
                if size_bytes >= LEAST_MODEL_BYTES:
                    found.append(FoundModel(entry, size_bytes))
    except OSError:
        pass
    return found


def _device(where: Places) -> str | None:
    if where.platform == "darwin":
        return "mps" if os.uname().machine == "arm64" else None
    return "cuda" if where.nvidia_driver.exists() else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
