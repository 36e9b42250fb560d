"""What one trainer program is asked. A third one is a folder beside `sd_scripts` and `builtin` with a class
of this shape, and a row in `registry.PROGRAMS`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runner.config.catalog import Effort, FlagReport
from runner.config.flags import FlagValue
from runner.config.model import Trainer
from runner.model import ExpectedCheckpoint, Forecast
from runner.trainers.console import Vocabulary
from runner.trainers.names import FileNames

if TYPE_CHECKING:  # layouts of models and datasets, which no command line needs
    from runner.trainers.sd_scripts.file_sizes import FileSizes
    from runner.trainers.sd_scripts.forecast import Question
    from runner.trainers.sd_scripts.steps import Steps


@dataclass(frozen=True, slots=True)
class ModuleEnvironment:
    """What a trainer's process needs to find its modules. `path`: goes before PYTHONPATH; `safe_path`: the
    working folder must not come first on sys.path."""

    path: str | None = None
    safe_path: bool = False


@dataclass(frozen=True, slots=True)
class ResumeRules:
    """Names of flags. `state`: a state fits no other value of these; `restored`: it brings its own values of
    these back; `weights`: a checkpoint fits no other value of these."""

    state: tuple[str, ...]
    restored: tuple[str, ...]
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demands:
    """What the preflight asks of a program. `packages`: without them it does not start; `entry`: the module to
    import for a try, "" for the script; `python`: the least version, which is a `must` or only advised;
    `memory_bytes`: with less free memory a start is warned of; `optimizers`: all names, () where the checkout
    tells them; `default_rate`: of learning; `metadata`: it reads datasets with metadata_file; `fp16_on_cpu`: it
    trains in it; `settled`: checks that need no look, as name -> (status, evidence, detail)."""

    packages: tuple[str, ...]
    entry: str
    python: tuple[int, int]
    must: bool
    memory_bytes: int
    optimizers: tuple[str, ...] = ()
    default_rate: float = 1e-4
    metadata: bool = True
    fp16_on_cpu: bool = False
    settled: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


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

    @property
    def failures(self) -> frozenset[str]:
        """Families of the catalogue in `analysis/diagnosis` whose cures hold for it beside those of torch."""
        ...

    # preflight
    @property
    def demands(self) -> Demands: ...

    def packages(self, flags: Mapping[str, Any]) -> tuple[str, ...]:
        """What it imports only because of these flags, beside `demands.packages`."""
        ...

    # forecast
    def question(
        self, trainer: Trainer, flags: Mapping[str, Any], base_dir: Path, **more: Any
    ) -> Question:
        """What a forecast depends on. `flags`: without those that are not given; `base_dir`: the trainer's
        working directory; `more`: other fields of a Question."""
        ...

    def forecast(self, question: Question) -> Forecast:
        """Steps, epochs, files and samples. What cannot be told is None, with the reason as a warning."""
        ...

    def file_sizes(
        self, trainer: Trainer, flags: Mapping[str, Any], kind: str | None = None
    ) -> FileSizes | None:
        """`kind`: of the base model, for a script that does not tell. None: not known before the first file.
        Raises ValueError for a rank that is no number."""
        ...

    # files
    @property
    def names(self) -> FileNames: ...

    def steps(self, flags: Mapping[str, Any], batches: int) -> Steps:
        """Of a training whose epoch has that many batches. Raises ValueError."""
        ...

    def saves(
        self, trainer: Trainer, flags: Mapping[str, Any], steps: Steps, base_dir: Path
    ) -> tuple[ExpectedCheckpoint, ...]:
        """Every file that will be written, in order, the final one last. Raises ValueError."""
        ...

    # resume
    @property
    def resume(self) -> ResumeRules: ...

    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        """Does a resume from this state folder go on counting steps and epochs?"""
        ...

    def resume_flags(
        self,
        state: str | None,
        weights: FlagValue | None,
        step: int | None = None,
        skip: bool = False,
    ) -> dict[str, FlagValue]:
        """Flags that make it continue from a state, or from weights alone; False takes one out. `step`: from
        which it goes on counting (None: from 0); `skip`: past the batches that were trained."""
        ...

    # identity
    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        """(folder, pattern) of the program's own files that decide how it trains."""
        ...
