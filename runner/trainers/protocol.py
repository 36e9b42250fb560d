"""What one trainer program is asked. A third one is a folder next to `sd_scripts` and `builtin` with such a
class, and a row in `registry.PROGRAMS`."""

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
    """What a trainer's process needs to find its modules. `path`: put before PYTHONPATH; `safe_path`: the
    working folder must not be first on sys.path."""

    path: str | None = None
    safe_path: bool = False


@dataclass(frozen=True, slots=True)
class ResumeRules:
    """Names of flags. `state`: a state is only valid with these unchanged; `restored`: a state restores its
    own values of these; `weights`: a checkpoint is only valid with these unchanged."""

    state: tuple[str, ...]
    restored: tuple[str, ...]
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demands:
    """Preflight requirements of a program. `packages`: without them it does not start; `entry`: the module to
    import for a try, "" for the script; `python`: the least version, which is a `must` or only advised;
    `memory_bytes`: warn with less free memory; `optimizers`: all names, () if the checkout defines them;
    `default_rate`: of learning; `metadata`: supports datasets with metadata_file; `fp16_on_cpu`: supports it;
    `settled`: checks with a fixed result, as name -> (status, evidence, detail)."""

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
    """Depends only on path and flags: no method starts a training, and only `flag_report` starts a
    process."""

    @property
    def name(self) -> str:
        """As recorded in `RunSpec.trainer`: stored runs are matched by it, so it never changes."""
        ...

    def recognises(self, trainer: Trainer) -> bool:
        """Is this the program of that `[trainer]`?"""
        ...

    def title(self, trainer: Trainer) -> str:
        """For display: `the built-in trainer`, or the name of the script."""
        ...

    # command
    def script_words(self, trainer: Trainer, *, accelerate: bool) -> tuple[str, ...]:
        """Arguments between the interpreter, or `accelerate launch`, and the script's flags."""
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
        """Families of the catalogue in `analysis/diagnosis` with fixes for it, besides those of torch."""
        ...

    # preflight
    @property
    def demands(self) -> Demands: ...

    def packages(self, flags: Mapping[str, Any]) -> tuple[str, ...]:
        """What it imports only because of these flags, besides `demands.packages`."""
        ...

    # forecast
    def question(
        self, trainer: Trainer, flags: Mapping[str, Any], base_dir: Path, **more: Any
    ) -> Question:
        """What a forecast depends on. `flags`: without those not given; `base_dir`: the trainer's
        working directory; `more`: other fields of a Question."""
        ...

    def forecast(self, question: Question) -> Forecast:
        """Steps, epochs, files and samples. Unknown values are None, with the reason as a warning."""
        ...

    def file_sizes(
        self, trainer: Trainer, flags: Mapping[str, Any], kind: str | None = None
    ) -> FileSizes | None:
        """`kind`: of the base model, if the script does not define it. None: unknown before the first file.
        Raises ValueError for a non-numeric rank."""
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
        """Does a resume from this state folder continue the step and epoch count?"""
        ...

    def resume_flags(
        self,
        state: str | None,
        weights: FlagValue | None,
        step: int | None = None,
        skip: bool = False,
    ) -> dict[str, FlagValue]:
        """Flags to continue from a state, or from weights only; False removes one. `step`: where the count
        continues (None: from 0); `skip`: skip the trained batches."""
        ...

    # identity
    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        """(folder, pattern) of the program's own files that decide how it trains."""
        ...
