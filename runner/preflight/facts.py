"""What several checks look at, found out once however many of them ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from runner.config.command import Command, build_command
from runner.config.dataset_file import dataset_values
from runner.config.flags import FlagValue
from runner.config.interpreter import Interpreter, examine
from runner.config.model import Config
from runner.dataset import (
    DatasetPlan,
    DatasetSpec,
    FolderImages,
    plan_datasets,
    read_specs,
    specs_from_flags,
)
from runner.forecast import forecast
from runner.model import Forecast
from runner.preflight.modules import wanted_modules

T = TypeVar("T")


class Facts:
    """One config looked at once. Every method may be called from any thread; it raises what the
    first asker's question raised (DatasetError for datasets)."""

    def __init__(
        self, config: Config, *, smoke: bool = False, cancelled: threading.Event | None = None
    ) -> None:
        self.config = config
        self.smoke = smoke
        self.cancelled = cancelled or threading.Event()
        self.flags: dict[str, FlagValue] = config.flags(smoke=smoke)
        self._answers: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def text(self, flag: str) -> str | None:
        value = self.flags.get(flag)
        return value if isinstance(value, str) and value else None

    @property
    def flags_elsewhere(self) -> bool:
        """A config_file of sd-scripts holds flags that we do not see."""
        return "config_file" in self.flags

    def command(self) -> Command:
        return self.once("command", lambda: build_command(self.config, smoke=self.smoke))

    def interpreter(self) -> Interpreter:
        """The trainer's Python and the modules that this training needs."""
        wanted = wanted_modules(self.config.trainer, self.flags)
        return self.once(
            "interpreter",
            lambda: examine(
                self.config.trainer.python,
                wanted,
                env=self.command().environment(),
                cancelled=self.cancelled,
            ),
        )

    def specs(self) -> tuple[DatasetSpec, ...]:
        """The datasets as configured. Raises DatasetError."""
        return self.once("specs", self._specs)

    def plan(self) -> DatasetPlan:
        """One epoch of them. Raises DatasetError."""
        return self.once("plan", lambda: plan_datasets(self.specs(), self.images()))

    def images(self) -> FolderImages:
        return FolderImages(self.config.trainer_cwd)

    def forecast(self) -> Forecast:
        return self.once("forecast", self._forecast)

    def dataset_file(self) -> Path | None:
        value = self.text("dataset_config")
        return Path(value) if value else None

    def _specs(self) -> tuple[DatasetSpec, ...]:
        file, own = self.dataset_file(), self.config.dataset
        if own is not None and file is not None and not file.exists():
            values = dataset_values(self.config)
            return read_specs(values, self.flags, f"{self.config.path} [dataset]")
        return specs_from_flags(self.flags, self.config.trainer_cwd)

    def _forecast(self) -> Forecast:
        return forecast(self.flags, self.config.trainer_cwd, self.config.processes)

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
