"""The built-in trainer as a `TrainerProgram`: a module of ours with sd-scripts' file names, console and step
count."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from runner.config.catalog import Catalog, Effort, Flag, FlagReport
from runner.config.model import Trainer
from runner.trainers.builtin.arguments import build_parser
from runner.trainers.flag_probe import describe
from runner.trainers.protocol import Demands, ModuleEnvironment
from runner.trainers.sd_scripts.dataset.schema import NOT_FLAGS
from runner.trainers.sd_scripts.program import SdScripts

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.forecast import Question

_PACKAGE = Path(__file__).resolve().parents[2]
#: folder with only `runner` in it, for interpreters that must not see its neighbours
ONLY_RUNNER = _PACKAGE / "only_runner"


def catalog_of(parser: argparse.ArgumentParser) -> Catalog:
    """The flags of an existing parser."""
    return Catalog(msgspec.convert(describe(parser), tuple[Flag, ...]), NOT_FLAGS)


class BuiltIn(SdScripts):
    name = "embedded"
    failures = frozenset()
    demands = Demands(
        packages=("torch", "accelerate", "safetensors", "PIL", "numpy", "tqdm"),
        entry="runner.embedded.train", python=(3, 11), must=True, memory_bytes=1_000_000_000,
        optimizers=("AdamW", "SGDNesterov"), metadata=False, fp16_on_cpu=True,
        settled={
            "trainer": ("pass", "built-in trainer", "plasma-tui's own trainer will run."),
            "architecture": ("skip", "built-in model", "It has its own small base model."),
            "vae": ("skip", "none", "The built-in trainer learns in pixels."),
            "encoders": ("skip", "none", "The built-in trainer reads its captions itself."),
            "tokenizer": ("skip", "none", "The built-in trainer has its own tokenizer."),
            "latents": ("skip", "none", "The built-in trainer caches nothing on disk."),
            "workers": ("skip", "none", "The built-in trainer has no workers."),
            "network": ("pass", "LoRA", "The built-in trainer trains a LoRA."),
            "mps_traps": ("skip", "not for MPS", "The built-in trainer runs on MPS."),
        },
    )  # fmt: skip

    def recognises(self, trainer: Trainer) -> bool:
        return trainer.sd_scripts is None

    def title(self, trainer: Trainer) -> str:
        return "the built-in trainer"

    def script_words(self, trainer: Trainer, *, accelerate: bool) -> tuple[str, ...]:
        return ("--module" if accelerate else "-m", trainer.script)

    def modules(self, trainer: Trainer) -> ModuleEnvironment:
        # Packages of another interpreter may be next to `runner`, such as numpy in site-packages.
        # `-m` puts the working folder first on the path: a `runner` of the user's must not win.
        return ModuleEnvironment(str(ONLY_RUNNER), safe_path=True)

    def flag_report(
        self, trainer: Trainer, effort: Effort, cancelled: threading.Event | None
    ) -> FlagReport:
        return FlagReport(catalog_of(build_parser()))

    def packages(self, flags: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    def question(
        self, trainer: Trainer, flags: Mapping[str, Any], base_dir: Path, **more: Any
    ) -> Question:
        from runner.trainers.sd_scripts.dataset import FolderImages
        from runner.trainers.sd_scripts.forecast import Question

        return Question(flags, base_dir, FolderImages(base_dir), **more)

    def file_sizes(
        self, trainer: Trainer, flags: Mapping[str, Any], kind: str | None = None
    ) -> None:
        return None

    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        return True

    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        yield _PACKAGE / "embedded", "**/*.py"
        yield _PACKAGE / "trainers" / "builtin", "**/*.py"
