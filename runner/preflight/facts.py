"""What several checks look at, found out once however many of them ask at the same time."""

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
from runner.config.dataset_file import dataset_values
from runner.config.flags import FlagValue, merged
from runner.config.interpreter import Interpreter, examine
from runner.config.model import Config
from runner.model import Forecast
from runner.preflight import hub
from runner.preflight.estimate import question_of
from runner.preflight.header import DEFAULT_RANK, Header, read_model
from runner.preflight.import_probe import Imported, cached_import
from runner.preflight.modules import asked_modules
from runner.preflight.probe import Device, cached_probe
from runner.trainers.command import Command, build_command
from runner.trainers.registry import flag_report, program_of
from runner.trainers.sd_scripts.config_file import TrainConfig, read_train_config, trainer_flags
from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSpec,
    FolderImages,
    SubsetSpec,
    read_specs,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.listing import Listing
from runner.trainers.sd_scripts.forecast import Question
from runner.trainers.sd_scripts.scripts import Script, script_of

T = TypeVar("T")
BASE_MODEL = "pretrained_model_name_or_path"


def _once(method: Callable[[Facts], T]) -> Callable[[Facts], T]:
    """Its answer is found by the first who asks; the others wait for it."""

    @functools.wraps(method)
    def asked(facts: Facts) -> T:
        return facts.once(method.__name__, lambda: method(facts))

    return asked


class Facts:
    """One config looked at once. Every method may be called from any thread; it raises what the
    first asker's question raised (DatasetError for datasets)."""

    def __init__(
        self, config: Config, *, smoke: bool = False, cancelled: threading.Event | None = None
    ) -> None:
        self.config = config
        self.smoke = smoke
        self.cancelled = cancelled or threading.Event()
        file = config.flags(smoke=smoke).get("config_file")
        self.train_config: TrainConfig | None = (
            read_train_config(file, config.trainer_cwd) if isinstance(file, str) and file else None
        )
        beside = self.train_config.values if self.train_config else {}
        #: of [train] and of the config_file that it names; the command line wins
        self.flags: dict[str, FlagValue] = merged(beside, config.flags(smoke=smoke))
        self._answers: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ flags

    def text(self, flag: str) -> str | None:
        value = self.flags.get(flag)
        return value if isinstance(value, str) and value else None

    def number(self, flag: str) -> float | None:
        """None when it is not set or no number (sd-scripts reads numbers from text as well)."""
        value = self.flags.get(flag)
        if isinstance(value, bool | tuple) or value is None:
            return None
        try:
            return float(value)
        except ValueError:
            return None

    @property
    def rank(self) -> int:
        """Of the LoRA that is trained."""
        return int(self.number("network_dim") or DEFAULT_RANK)

    def on(self, flag: str) -> bool:
        return bool(self.flags.get(flag))

    def path(self, flag: str) -> Path | None:
        """Relative ones (of a config_file) start at the trainer's working folder."""
        value = self.text(flag)
        return self.config.trainer_cwd / value if value else None

    @property
    def flags_elsewhere(self) -> bool:
        """A config_file of sd-scripts holds flags that cannot be seen."""
        return self.train_config is not None and self.train_config.problem is not None

    @property
    def script(self) -> Script | None:
        return script_of(self.config.trainer)

    @property
    def known_script(self) -> Script:
        """For checks that are skipped for any other."""
        assert self.script is not None
        return self.script

    @property
    def device_wanted(self) -> str | None:
        """cpu, mps or cuda as far as it is known without asking: [expect], else what this machine is."""
        expected = self.config.expect.device
        if expected:
            return expected.split(":")[0]
        apple = sys.platform == "darwin" and platform.machine() == "arm64"
        return "mps" if apple else None

    @property
    def platform(self) -> Platform:
        """What the training will run on, as far as it is known by now; starts nothing."""
        trainer = self.config.trainer
        report = flag_report(trainer, Effort.CACHED)
        return Platform(
            device=self._device_known(),
            launcher=trainer.launcher,
            failures=program_of(trainer).failures,
            script=Path(trainer.script).name,
            flags=report.catalog.names if report.catalog is not None else None,
        )

    def _device_known(self) -> str | None:
        """By the probe, else by [expect] or the machine, else by what torch is built for."""
        probed = self._answered("device")
        if isinstance(probed, Device) and probed.kind:
            return probed.kind
        if self.device_wanted:
            return self.device_wanted
        found = self._answered("interpreter")
        torch = found.modules.get("torch") if isinstance(found, Interpreter) else None
        return "cpu" if torch and torch.endswith("+cpu") else None

    # ------------------------------------------------------------------ the trainer

    @_once
    def command(self) -> Command:
        return build_command(self.config, smoke=self.smoke)

    @_once
    def environment(self) -> dict[str, str]:
        """The trainer's whole environment."""
        return self.command().environment()

    @_once
    def interpreter(self) -> Interpreter:
        """The trainer's Python and the modules that this training needs, and some it may use."""
        trainer = self.config.trainer
        modules = asked_modules(trainer, self.flags)
        return examine(trainer.python, modules, env=self.environment(), cancelled=self.cancelled)

    @_once
    def hub_reachable(self) -> bool | None:
        """Can the Hugging Face hub be asked from here? None: a proxy stands between."""
        return hub.reachable(self.environment())

    def device(self, *, bare: bool = False) -> Device:
        """What the training will run on, as it is launched or by a bare interpreter. Slow."""
        return self.once(
            "bare device" if bare else "device",
            lambda: cached_probe(self.config, self.command(), self.cancelled, bare=bare),
        )

    @_once
    def imported(self) -> Imported:
        """What became of importing the script as it will be launched. Slow."""
        return cached_import(self.config, self.command(), self.flags, self.cancelled)

    @_once
    def base_model(self) -> Header | None:
        """The header of the base model; None when it is no whole safetensors file."""
        return read_model(self.path(BASE_MODEL))

    # ------------------------------------------------------------------ the dataset

    def dataset_file(self) -> Path | None:
        return self.path("dataset_config")

    @property
    def dataset_unwritten(self) -> bool:
        """[dataset] of plasma.toml holds what the file does not hold yet."""
        file = self.dataset_file()
        return self.config.dataset is not None and file is not None and not file.exists()

    @_once
    def specs(self) -> tuple[DatasetSpec, ...]:
        """The datasets as configured. Raises DatasetError."""
        if self.dataset_unwritten:
            values = dataset_values(self.config)
            return read_specs(values, self.flags, f"{self.config.path} [dataset]")
        return specs_from_flags(self.flags, self.config.trainer_cwd)

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
        """Every image that sd-scripts would take, each once, absolute. Raises DatasetError."""
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
    def whole_forecast(self) -> Forecast:
        """Of the training from its beginning, whatever state it resumes."""
        return self._forecast(resume=False, initial_step=False, initial_epoch=False)

    def _forecast(self, **changes: FlagValue) -> Forecast:
        try:
            question = self._question()
        except DatasetError as error:
            return Forecast(warnings=(str(error),))
        flags = {**question.flags, **changes}
        given = {name: value for name, value in flags.items() if value is not False}
        return program_of(self.config.trainer).forecast(replace(question, flags=given))

    def _question(self) -> Question:
        """The very one of the `forecast` command. Raises DatasetError for a wrong [dataset]."""
        read = trainer_flags(self.config.flags(smoke=self.smoke), self.config.trainer_cwd)
        return question_of(self.config, read, self.config.processes)

    # ------------------------------------------------------------------ asking once

    def _answered(self, name: str) -> object:
        """The answer, if it is there already and no error."""
        with self._lock:
            future = self._answers.get(name)
        if future is None or not future.done() or future.exception() is not None:
            return None
        return future.result()

    def once(self, name: str, find: Callable[[], T]) -> T:
        """The answer to `find`, asked only by the first who wants to know `name`."""
        with self._lock:
            future = self._answers.get(name)
            mine = future is None
            if future is None:
                future = self._answers[name] = Future()
        if mine:
            try:
                future.set_result(find())
            except BaseException as error:
                future.set_exception(error)
        result: T = future.result()
        return result
