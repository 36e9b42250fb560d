"""kohya-ss/sd-scripts as a `TrainerProgram`: a checkout, one script of it or beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.catalog import Effort, FlagReport
from runner.config.flags import flags_begin
from runner.config.model import Trainer
from runner.trainers.checkout import site_packages
from runner.trainers.flag_catalog import report_of_checkout
from runner.trainers.protocol import ModuleEnvironment, Outline
from runner.trainers.sd_scripts.scripts import SCRIPTS
from runner.trainers.sd_scripts.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.file_sizes import FileSizes


class SdScripts:
    name = "sd-scripts"
    vocabulary = VOCABULARY

    def recognises(self, trainer: Trainer) -> bool:
        return trainer.sd_scripts is not None

    def title(self, trainer: Trainer) -> str:
        return Path(trainer.script).name

    def script_words(self, trainer: Trainer, *, accelerate: bool) -> tuple[str, ...]:
        return (trainer.script,)

    def modules(self, trainer: Trainer) -> ModuleEnvironment:
        """A script beside the checkout imports sd-scripts' `library` without lying beside it."""
        beside = Path(trainer.script).parent != trainer.sd_scripts
        return ModuleEnvironment(str(trainer.sd_scripts) if beside else None)

    def flag_report(
        self, trainer: Trainer, effort: Effort, cancelled: threading.Event | None
    ) -> FlagReport:
        return report_of_checkout(trainer, effort, cancelled=cancelled)

    def outline(self, trainer: Trainer) -> Outline:
        script = SCRIPTS.get(Path(trainer.script).name)
        if script is None:
            return Outline(trainer.script)
        return Outline(trainer.script, script.reso_divisor, script.cache_suffix)

    def file_sizes(self, trainer: Trainer, flags: Mapping[str, Any]) -> FileSizes | None:
        from runner.trainers.sd_scripts.file_sizes import file_sizes, model_of

        return file_sizes(flags, model_of(Path(trainer.script).name, flags))

    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        """`--initial_step` and train_state.json came with v0.9.0 to train_network.py and the scripts built on
        it; train_db, fine_tune, sdxl_train and the like have neither: they begin at epoch 1, step 0. By the
        script's own flags where they are known, else by what it wrote into the state."""
        catalog = self.flag_report(trainer, Effort.QUICK, None).catalog
        if catalog is not None:
            return "initial_step" in catalog.names
        return (state / "train_state.json").is_file()

    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        """The script, those beside it in the checkout, `networks`, `library`, and a network module installed
        elsewhere."""
        own = cwd / argv[flags_begin(argv) - 1]
        roots = tuple(dict.fromkeys((cwd, own.parent)))
        yield own.parent, own.name
        yield cwd, "*.py"
        for root in roots:
            yield root / "networks", "**/*.py"
            yield root / "library", "**/*.py"
        top = network_module.partition(".")[0]
        if not top or top == "networks":
            return
        for root in dict.fromkeys((own.parent, cwd, *site_packages(Path(argv[0])))):
            if (root / f"{top}.py").is_file() or any((root / top).glob("**/*.py")):
                yield root / top, "**/*.py"
                yield root, f"{top}.py"
                return
