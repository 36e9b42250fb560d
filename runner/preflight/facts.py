"""Facts shared by several checks, each determined once even with concurrent checks."""

from __future__ import annotations

import functools
import platform
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from runner.analysis.diagnosis.needs import Platform
from runner.config.catalog import Effort
from runner.config.flags import FlagValue, merged
from runner.config.interpreter import Interpreter, examine
from runner.config.model import Config
from runner.model import Forecast
from runner.preflight import hub
from runner.preflight.driver import Card, Driver, read_driver, visible
from runner.preflight.forecast import question_of, unwritten_specs, with_disk, with_sizes
from runner.preflight.header import Shapes, kind_of, read_model
from runner.preflight.import_probe import Imported, cached_import
from runner.preflight.prior_runs import PriorRun, prior_run, ran_out_of_memory
from runner.preflight.probe import Device, cached_probe, gpu_packages
from runner.trainers.command import Command, build_command
from runner.trainers.registry import flag_report, program_of
from runner.trainers.sd_scripts.config_file import TrainConfig, read_train_config, trainer_flags
from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSpec,
    FolderImages,
    SubsetSpec,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.listing import Listing
from runner.trainers.sd_scripts.forecast import Question
from runner.trainers.sd_scripts.scripts import BASE_MODEL, DEFAULT_RANK, Script, script_of

T = TypeVar("T")
#: its absence costs precision, not the training
TENSORBOARD = "tensorboard"
#: only for their versions
_OTHERS = ("huggingface_hub", "bitsandbytes", "xformers", "wandb")


def _once(method: Callable[[Facts], T]) -> Callable[[Facts], T]:
    """The first caller computes the answer; the others wait for it."""

    @functools.wraps(method)
    def asked(facts: Facts) -> T:
        return facts.once(method.__name__, lambda: method(facts))

    return asked


class Facts:
    """Facts about one config, computed once. Every method may be called from any thread; it raises what the
    first call raised (DatasetError for datasets)."""

    def __init__(
        self,
        config: Config,
        *,
        smoke: bool = False,
        cancelled: threading.Event | None = None,
        run_id: str = "",
        waits: bool = False,
    ) -> None:
        """`run_id`: of the queued run that is about to start; `waits`: it will wait in the queue for a free
        GPU."""
        self.config = config
        self.waits = waits
        self.run_id = run_id
        self.smoke = smoke
        self.cancelled = cancelled or threading.Event()
        self._answers: dict[str, Future[Any]] = {}
        self.program = program_of(config.trainer)
        self.demands = self.program.demands
        #: None: the built-in trainer, or an unknown script
        self.script: Script | None = script_of(config.trainer)
        self.script_name = Path(config.trainer.script).name
        own = config.flags(smoke=smoke)
        file = own.get("config_file")
        self.train_config: TrainConfig | None = (
            read_train_config(file, config.trainer_cwd) if isinstance(file, str) and file else None
        )
        #: of [train] and its config_file; the command line wins
        self.flags = merged(self.train_config.values if self.train_config else {}, own)
        #: a config_file of sd-scripts has unreadable flags
        self.flags_elsewhere = bool(self.train_config and self.train_config.problem)

    # ------------------------------------------------------------------ flags

    def text(self, flag: str) -> str | None:
        value = self.flags.get(flag)
        return value if isinstance(value, str) and value else None

    def number(self, flag: str) -> float | None:
        """None if not set or not a number (sd-scripts also reads numbers from text)."""
        value = self.flags.get(flag)
        try:
            return None if value is None or isinstance(value, bool | tuple) else float(value)
        except ValueError:
            return None

    def on(self, *flags: str) -> bool:
        """Is any of them set?"""
        return any(self.flags.get(flag) for flag in flags)

    def path(self, flag: str) -> Path | None:
        """Relative ones (of a config_file) start at the trainer's working folder."""
        value = self.text(flag)
        return self.config.trainer_cwd / value if value else None

    @property
    def optimizer(self) -> str:
        """Its type in lower case, empty if not set."""
        return (self.text("optimizer_type") or "").lower()

    @property
    def rank(self) -> int:
        """Of the LoRA that is trained."""
        return int(self.number("network_dim") or DEFAULT_RANK)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of base models that the script trains; empty if unknown."""
        return self.script.kinds if self.script else ()

    @property
    def device_wanted(self) -> str | None:
        """cpu, mps or cuda as known without a probe: [expect], else by this machine."""
        if expected := self.config.expect.device:
            return expected.split(":")[0]
        apple = sys.platform == "darwin" and platform.machine() == "arm64"
        return "mps" if apple else None

    @property
    def platform(self) -> Platform:
        """What the training will run on, as known now; starts nothing. The device by the probe,
        else by [expect] or the machine, else by what torch is built for."""
        trainer, catalog = (
            self.config.trainer,
            flag_report(self.config.trainer, Effort.CACHED).catalog,
        )
        probed, found = self._answered("device"), self._answered("interpreter")
        torch = found.modules.get("torch") if isinstance(found, Interpreter) else None
        built_for_cpu = "cpu" if torch and torch.endswith("+cpu") else None
        return Platform(
            device=(isinstance(probed, Device) and probed.kind)
            or self.device_wanted
            or built_for_cpu,
            launcher=trainer.launcher,
            failures=self.program.failures,
            script=self.script_name,
            flags=catalog.names if catalog is not None else None,
        )

    # ------------------------------------------------------------------ the trainer

    @_once
    def command(self) -> Command:
        return build_command(self.config, smoke=self.smoke)

    @_once
    def environment(self) -> dict[str, str]:
        """The trainer's full environment."""
        return self.command().environment()

    def packages(self) -> tuple[str, ...]:
        """By the name of their module: without these the training does not start."""
        by_flags = self.program.packages(self.flags)
        return tuple(dict.fromkeys((*self.demands.packages, *by_flags)))

    @_once
    def interpreter(self) -> Interpreter:
        """The trainer's Python and the modules that this training needs, and some it may use."""
        modules = tuple(dict.fromkeys((*self.packages(), TENSORBOARD, *_OTHERS)))
        env, python = self.environment(), self.config.trainer.python
        return examine(python, modules, env=env, cancelled=self.cancelled)

    def missing(self) -> list[str]:
        """Those of `packages` that its Python cannot find."""
        absent = self.interpreter().missing()
        return [name for name in self.packages() if name in absent]

    @_once
    def hub_reachable(self) -> bool | None:
        """Is the Hugging Face hub reachable? None: behind a proxy."""
        return hub.reachable(self.environment())

    def device(self, *, bare: bool = False) -> Device:
        """What the training will run on, as it is launched or by a bare interpreter. Slow."""
        return self.once(
            "bare device" if bare else "device",
            lambda: cached_probe(
                self.config,
                self.command(),
                self.cancelled,
                bare=bare,
                packages=() if bare else gpu_packages(self.flags),
            ),
        )

    @_once
    def driver(self) -> Driver:
        """What the GPU drivers say, without torch."""
        return read_driver()

    def cards(self) -> tuple[Card, ...]:
        """The NVIDIA cards that the training may use."""
        ids = str(self.config.accelerate.get("gpu_ids") or "")
        launched = self.config.trainer.launcher == "accelerate"
        return visible(self.driver().nvidia, self.environment(), ids if launched else "")

    @_once
    def imported(self) -> Imported:
        """Result of importing the script as it will be launched. Slow."""
        return cached_import(self.config, self.command(), self.flags, self.cancelled)

    @_once
    def base_model(self) -> Shapes | None:
        """The shapes of its tensors; None if it is not a complete safetensors file."""
        return read_model(self.path(BASE_MODEL))

    # ------------------------------------------------------------------ the dataset

    def dataset_file(self) -> Path | None:
        return self.path("dataset_config")

    @property
    def dataset_unwritten(self) -> bool:
        """[dataset] of plasma.toml is not written to the file yet."""
        file = self.dataset_file()
        return self.config.dataset is not None and file is not None and not file.exists()

    @_once
    def specs(self) -> tuple[DatasetSpec, ...]:
        """The datasets as configured. Raises DatasetError."""
        own = unwritten_specs(self.config, self.flags)
        return specs_from_flags(self.flags, self.config.trainer_cwd) if own is None else own

    def subsets(self) -> list[SubsetSpec]:
        """Of all datasets. Raises DatasetError."""
        return [subset for spec in self.specs() for subset in spec.subsets]

    @_once
    def plan(self) -> DatasetPlan:
        """One epoch of them. Raises DatasetError."""
        return self._question().plan()[1]

    @_once
    def images(self) -> FolderImages:
        return FolderImages(self.config.trainer_cwd)

    def listing(self, image_dir: str) -> Listing | None:
        """None: no such folder."""
        if not image_dir:
            return None
        return self.once(f"listing {image_dir}", lambda: self.images().listing(image_dir))

    def listing_of(self, subset: SubsetSpec) -> Listing | None:
        """Of a folder or of a metadata file. Raises DatasetError."""
        file = subset.metadata_file
        if file is None:
            return self.listing(subset.image_dir)
        folder = None if subset.rootless else subset.image_dir
        return self.once(f"metadata {file} {folder}", lambda: self.images().metadata(file, folder))

    def image_paths(self) -> list[Path]:
        """Every image that sd-scripts would use, each once, absolute. Raises DatasetError."""
        paths = (path for subset in self.subsets() for path in self.image_paths_of(subset))
        return list(dict.fromkeys(paths))

    def image_paths_of(self, subset: SubsetSpec) -> list[Path]:
        """Of one subset, absolute."""
        listing = self.listing_of(subset)
        return [self.config.trainer_cwd / path for path in listing.paths] if listing else []

    @_once
    def forecast(self) -> Forecast:
        return self._forecast()

    @_once
    def prior(self) -> PriorRun | None:
        """The newest successful run with the same settings."""
        return prior_run(self.config)

    @_once
    def ran_out_of_memory(self) -> str | None:
        """The newest run with the same settings, if it ran out of memory."""
        return ran_out_of_memory(self.config)

    @_once
    def whole_forecast(self) -> Forecast:
        """Of the full training, whatever state it resumes."""
        return self._forecast(resume=False, initial_step=False, initial_epoch=False)

    def _forecast(self, **changes: FlagValue) -> Forecast:
        try:
            question = self._question()
        except DatasetError as error:
            return Forecast(warnings=(str(error),))
        given = replace(question, flags=merged(question.flags, changes))
        kind = kind_of(self.base_model() or {})
        found = self.program.forecast(given)
        name = kind.name if kind else None
        return with_disk(with_sizes(found, self.config.trainer, self.flags, name))

    @_once
    def _question(self) -> Question:
        """The same as the `forecast` command's. Raises DatasetError for a wrong [dataset]."""
        read = trainer_flags(self.config.flags(smoke=self.smoke), self.config.trainer_cwd)
        return question_of(self.config, read, self.config.processes)

    # ------------------------------------------------------------------ computed once

    def _answered(self, name: str) -> object:
        """The answer, if it already exists and is not an error."""
        future = self._answers.get(name)
        known = future is not None and future.done() and future.exception() is None
        return future.result() if future is not None and known else None

    def once(self, name: str, find: Callable[[], T]) -> T:
        """The answer of `find`, computed only by the first caller for `name`."""
        mine: Future[T] = Future()
        future: Future[T] = self._answers.setdefault(name, mine)
        if future is mine:
            try:
                future.set_result(find())
            except BaseException as error:
                future.set_exception(error)
        return future.result()
