"""The table of targets. A target takes bytes and returns nothing: it raises where a property does not hold, and
lets a reader refuse only as it documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import DATA
from tests.fuzz import folders, importing, media, reading, settings, words
from tests.fuzz.guards import limited

CORPUS = Path(__file__).with_name("corpus")
#: a seed larger than this costs more time than it finds
SEED_BYTES = 9_000


@dataclass(frozen=True, slots=True)
class Target:
    """`seeds`: recordings of tests/data to begin with, as patterns; `words`: what its format is made of, for
    mutations; `share`: of a round's time."""

    name: str
    read: Callable[[bytes], None]
    seeds: tuple[str, ...] = ()
    words: tuple[bytes, ...] = ()
    share: float = 1.0

    def run(self, data: bytes) -> None:
        """Raises for a finding; guards.TooSlow for one that takes too long."""
        with limited():
            self.read(data)

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name

    def inputs(self) -> Iterator[bytes]:
        """Its corpus, then the recordings."""
        own = sorted(self.corpus.glob("*")) if self.corpus.is_dir() else []
        found = [*own, *(path for seed in self.seeds for path in sorted(DATA.glob(seed)))]
        yield from (path.read_bytes() for path in found if path.stat().st_size <= SEED_BYTES)


def _import(name: str, seeds: tuple[str, ...], *made_of: bytes, share: float = 1.0) -> Target:
    """Of a file of this name."""
    ending = name.partition(".")[2] or "pasted"
    return Target(f"import_{ending}", importing.importer(name), seeds, made_of, share)


TARGETS: tuple[Target, ...] = (
    Target(
        "console",
        reading.console,
        ("runs/*.log", "failures/*.log", "public/*/*.log"),
        words.CONSOLE,
        2,
    ),
    Target("log", reading.log, ("runs/tiny*.log", "public/*/*.log"), words.CONSOLE),
    Target("journal", reading.journal, (), words.ROWS, 2),
    Target("record", reading.record, (), words.JSON),
    Target("records", reading.records, ("tensorboard/*/*/events*",), (b"loss/current", b"lr/unet")),
    Target("run_folder", folders.run_folder, (), (*words.FILES, *words.ROWS, *words.JSON), 2),
    Target("inbox", folders.inbox, (), (*words.FILES, *words.JSON)),
    Target("weights", media.weights, ("public/*/*.safetensors",), (*words.JSON, *words.TENSORS)),
    Target("image", media.image, (), words.IMAGE),
    Target("npz", media.npz, (), words.NPZ),
    Target("archive", media.archive, ("public/*/*.ckpt",), words.ZIP),
    Target(
        "plasma_toml",
        importing.plasma_toml,
        ("public/*/input-plasma.toml",),
        (*words.TOML, *words.SECTIONS),
    ),
    Target("toml", importing.toml, ("public/*/*.toml",), words.TOML),
    Target("settings", importing.settings, (), (*words.TOML, *words.FLAGS, b"\0")),
    _import("a.sh", ("import/*.sh", "public/*/*.sh"), *words.FLAGS, *words.SHELL, share=2),
    _import("a.py", (), *words.FLAGS, *words.PYTHON),
    _import("a.ipynb", ("public/*/*.ipynb.txt",), *words.FLAGS, *words.JSON),
    _import("a.bat", ("public/*/*.bat",), *words.FLAGS, *words.BAT),
    _import("a.ps1", ("public/*/*.ps1",), *words.FLAGS, *words.POWERSHELL),
    _import("a.json", ("import/*.json", "public/*/input.json"), *words.JSON, *words.KOHYA),
    _import("a.toml", ("public/*/*.toml",), *words.TOML, *words.DATASET),
    _import("a.yaml", (), *words.JSON, *words.YAML),
    _import("a.safetensors", ("public/*/*.safetensors",), *words.JSON, *words.LORA),
    _import("a", ("import/*", "public/*/*.toml"), *words.FLAGS, *words.SHELL, *words.TOML),
    Target(
        "dataset",
        settings.dataset,
        ("public/*/*.toml",),
        (*words.TOML, *words.JSON, *words.DATASET),
    ),
    Target("metadata", settings.metadata, ("public/*/meta*.json",), (*words.JSON, *words.METADATA)),
    Target("prompts", settings.prompts, (), (*words.TOML, *words.JSON, *words.PROMPTS)),
    Target("flags_file", settings.flags_file, (), (*words.TOML, *words.JSON, *words.ACCELERATE)),
    Target("theme", settings.theme, (), (*words.TOML, *words.THEME)),
    Target("tools", settings.tools, (), (*words.TOOLS, *words.JSON)),
)
BY_NAME = {target.name: target for target in TARGETS}
