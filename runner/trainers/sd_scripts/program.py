"""kohya-ss/sd-scripts as a `TrainerProgram`: a checkout, one script inside or outside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.catalog import Effort, FlagReport
from runner.config.flags import FlagValue, flags_begin
from runner.config.model import Trainer
from runner.model import ExpectedCheckpoint, Forecast
from runner.trainers.checkout import site_packages
from runner.trainers.console import Vocabulary
from runner.trainers.flag_catalog import report_of_checkout
from runner.trainers.names import KOHYA_NAMES, FileNames
from runner.trainers.protocol import Demands, ModuleEnvironment, ResumeRules
from runner.trainers.sd_scripts.dataset.schema import NOT_FLAGS
from runner.trainers.sd_scripts.packages import ALWAYS, packages_by_flags
from runner.trainers.sd_scripts.saves import expected_checkpoints
from runner.trainers.sd_scripts.scripts import SCRIPTS, file_ending
from runner.trainers.sd_scripts.steps import Steps, count_steps
from runner.trainers.sd_scripts.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.file_sizes import FileSizes
    from runner.trainers.sd_scripts.forecast import Question


class SdScripts:
    name = "sd-scripts"
    vocabulary: Vocabulary = VOCABULARY
    names: FileNames = KOHYA_NAMES
    failures: frozenset[str] = frozenset({"sd-scripts"})
    # kohya_ss requires Python 3.10 or 3.11; --learning_rate defaults to 2e-6
    demands = Demands(
        ALWAYS, entry="", python=(3, 10), must=False, memory_bytes=4_000_000_000, default_rate=2e-6
    )
    #: shapes of the weights, parts that are trained, the optimizer's memory; torch's schedulers keep their
    #: base rates in a state
    resume = ResumeRules(
        state=(
            "network_module", "network_dim", "network_args", "network_train_unet_only",
            "network_train_text_encoder_only", "optimizer_type", "use_8bit_adam",
            "use_lion_optimizer",
        ),
        restored=(
            "learning_rate", "unet_lr", "text_encoder_lr", "lr_scheduler", "lr_scheduler_type",
            "lr_warmup_steps", "optimizer_args",
        ),
        weights=("network_module", "network_dim", "network_args"),
    )  # fmt: skip

    def recognises(self, trainer: Trainer) -> bool:
        return trainer.sd_scripts is not None

    def title(self, trainer: Trainer) -> str:
        return Path(trainer.script).name

    def script_words(self, trainer: Trainer, *, accelerate: bool) -> tuple[str, ...]:
        return (trainer.script,)

    def modules(self, trainer: Trainer) -> ModuleEnvironment:
        """A script outside the checkout imports sd-scripts' `library` without being next to it."""
        beside = Path(trainer.script).parent != trainer.sd_scripts
        return ModuleEnvironment(str(trainer.sd_scripts) if beside else None)

    def flag_report(
        self, trainer: Trainer, effort: Effort, cancelled: threading.Event | None
    ) -> FlagReport:
        return report_of_checkout(trainer, effort, cancelled=cancelled, elsewhere=NOT_FLAGS)

    def packages(self, flags: Mapping[str, Any]) -> tuple[str, ...]:
        return packages_by_flags(flags)

    def question(
        self, trainer: Trainer, flags: Mapping[str, Any], base_dir: Path, **more: Any
    ) -> Question:
        from runner.trainers.sd_scripts.dataset import FolderImages
        from runner.trainers.sd_scripts.forecast import Question

        script = SCRIPTS.get(Path(trainer.script).name)
        images = FolderImages(base_dir, script.cache_suffix if script else None)
        divisor = script.reso_divisor if script else 1
        return Question(
            flags, base_dir, images, reso_divisor=divisor, script=trainer.script, **more
        )

    def forecast(self, question: Question) -> Forecast:
        from runner.trainers.sd_scripts.forecast import answer

        return answer(question)

    def file_sizes(
        self, trainer: Trainer, flags: Mapping[str, Any], kind: str | None = None
    ) -> FileSizes | None:
        from runner.trainers.sd_scripts.file_sizes import file_sizes, model_of

        name = Path(trainer.script).name
        return file_sizes(flags, model_of(name, flags) if name in SCRIPTS else kind)

    def steps(self, flags: Mapping[str, Any], batches: int) -> Steps:
        return count_steps(flags, batches)

    def saves(
        self, trainer: Trainer, flags: Mapping[str, Any], steps: Steps, base_dir: Path
    ) -> tuple[ExpectedCheckpoint, ...]:
        ending = file_ending(trainer.script, flags, base_dir)
        return expected_checkpoints(flags, steps, ending, self.names)

    def tracks_steps(self, trainer: Trainer, state: Path) -> bool:
        """`--initial_step` and train_state.json came with v0.9.0 to train_network.py and the scripts built on
        it; train_db, fine_tune, sdxl_train and similar scripts have neither: they start at epoch 1, step 0.
        From the script's own flags if known, else from its state files."""
        catalog = self.flag_report(trainer, Effort.QUICK, None).catalog
        if catalog is not None:
            return "initial_step" in catalog.names
        return (state / "train_state.json").is_file()

    def resume_flags(
        self,
        state: str | None,
        weights: FlagValue | None,
        step: int | None = None,
        skip: bool = False,
    ) -> dict[str, FlagValue]:
        """`--initial_step` in the trainer's own count; its train_state.json may have another number."""
        return {
            "initial_epoch": False,
            "network_weights": weights or False,
            "resume": state or False,
            "initial_step": False if step is None else step,
            "skip_until_initial_step": skip,
        }

    def sources(
        self, argv: Sequence[str], network_module: str, cwd: Path
    ) -> Iterator[tuple[Path, str]]:
        """The script, others next to it in the checkout, `networks`, `library`, and a network module
        installed elsewhere."""
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
