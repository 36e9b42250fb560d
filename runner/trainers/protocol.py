"""What one trainer program is asked. A third one is a folder beside `sd_scripts` and `builtin` with a class
of this shape, and a row in `registry.PROGRAMS`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runner.config.catalog import Effort, FlagReport
from runner.config.model import Trainer
from runner.trainers.console import Vocabulary

if TYPE_CHECKING:  # layouts of models, which no command line needs
    from runner.trainers.sd_scripts.file_sizes import FileSizes


@dataclass(frozen=True, slots=True)
class Outline:
    """What the arithmetic of a forecast needs to know of the script. `script`: decides what kind of file is
    written, "" for a LoRA's; `reso_divisor`: what bucket_reso_steps must be a multiple of; `cache_suffix`:
    end of the names of cached latents, None where there are none."""

    script: str = ""
    reso_divisor: int = 1
    cache_suffix: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleEnvironment:
    """What a trainer's process needs to find its modules. `path`: goes before PYTHONPATH; `safe_path`: the
    working folder must not come first on sys.path."""

    path: str | None = None
    safe_path: bool = False


class TrainerProgram(Protocol):
    """Asked by path and flags alone: no method starts a training, all but `flag_report` start nothing."""

    @property
    def name(self) -> str:
        """As `RunSpec.trainer` records it: stored runs are matched by it, so it never changes."""
        ...

    def recognises(self, trainer: Trainer) -> bool:
        """Is this the program of that `[trainer]`?"""
        ...

    def title(self, trainer: Trainer) -> str:
        """For a person: `the built-in trainer`, or the name of the script."""
        ...

    # command
    def script_words(self, trainer: Trainer, *, accelerate: bool) -> tuple[str, ...]:
        """What stands between the interpreter, or `accelerate launch`, and the script's flags."""
        ...

    def modules(self, trainer: Trainer) -> ModuleEnvironment: ...

    # flags
    def flag_report(
        self, trainer: Trainer, effort: Effort, cancelled: threading.Event | None
    ) -> FlagReport:
        """Never raises; starts at most short processes of the trainer's python, without GPU or network."""
        ...

    # console
    @property
    def vocabulary(self) -> Vocabulary: ...

    # forecast
    def outline(self, trainer: Trainer) -> Outline: ...

    def file_sizes(self, trainer: Trainer, flags: Mapping[str, Any]) -> FileSizes | None:
        """None: not known before the first file. Raises ValueError for a rank that is no number."""
        ...

    # resume
    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        """Does a resume from this state folder go on counting steps and epochs?"""
        ...

    # identity
    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        """(folder, pattern) of the program's own files that decide how it trains."""
        ...
