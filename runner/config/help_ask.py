"""Asks a checkout's script for its flags: a short process of the trainer's own python, without GPU,
without network, ended at a time limit. Four ways, the cheap ones first:

1. the script's `setup_parser()`, packages left out (`help_probe`, mode hollow);
2. for a script beside the checkout without flags of its own: the same of the checkout's script
   which it imports;
3. the same as 1 with everything really imported;
4. the text of `SCRIPT --help`, for scripts that define flags of their own.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from runner.config.catalog import Flag
from runner.config.catalog_cache import read_flags
from runner.config.help_probe import FUNCTION
from runner.config.help_text import parse_help
from runner.config.interpreter import Answer, run_small, sentinel_json
from runner.config.model import Trainer

PROBE = Path(__file__).with_name("help_probe.py")
QUICK_S = 2.0
FULL_S = 60.0
#: no GPU, no network, no colours, one option a line
_QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
    "PYTHONIOENCODING": "utf-8",
    "NO_COLOR": "1",
    "COLUMNS": "500",
}
_DEFINES_FLAGS = re.compile(r"\badd_argument\s*\(")
_HAS_FUNCTION = re.compile(rf"^(?:def {FUNCTION}\b|{FUNCTION}\s*=|from .*\b{FUNCTION}\b)", re.M)
_IMPORTED_SCRIPT = re.compile(r"^\s*(?:import|from)\s+(\w*train\w*)\b", re.M)


@dataclass(frozen=True, slots=True)
class Told:
    """`flags`, or a `problem` that ends a sentence."""

    flags: tuple[Flag, ...] | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Asking:
    """One attempt to learn the flags of one trainer."""

    trainer: Trainer
    deadline: float
    cancelled: threading.Event | None = None
    problem: str | None = None

    def probe(self, mode: str, script: str) -> Told:
        folders = {str(Path(script).parent): None, str(self.trainer.sd_scripts): None}
        return self._told(self._run([str(PROBE), mode, script, *folders]))

    def help_text(self) -> Told:
        answer = self._run([self.trainer.script, "--help"])
        flags = parse_help(answer.output) if answer.code == 0 else ()
        return Told(flags) if flags else Told(problem=_reason(answer))

    def _run(self, words: list[str]) -> Answer:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            return Answer(problem="there was no time left")
        return run_small(
            [self.trainer.python, "-B", *words],
            env=environment(self.trainer),
            cwd=str(self.trainer.sd_scripts),
            timeout_s=left_s,
            cancelled=self.cancelled,
        )

    def _told(self, answer: Answer) -> Told:
        data = sentinel_json(answer.output)
        if data is None:
            return Told(problem=_reason(answer))
        try:
            flags = read_flags(data.get("flags", ()))
        except msgspec.ValidationError as error:
            return Told(problem=f"its answer is not understood ({error})")
        return Told(flags) if flags else Told(problem="it defines no flags")


def ask(trainer: Trainer, *, thorough: bool, cancelled: threading.Event | None = None) -> Told:
    """The script's flags; within QUICK_S, or, when thorough, FULL_S for each way. Never raises."""
    script = Path(trainer.script)
    try:
        source = script.read_text("utf-8", "replace")
    except OSError as error:
        return Told(problem=f"{script} cannot be read ({error.strerror})")

    def asking() -> _Asking:
        limit_s = FULL_S if thorough else QUICK_S
        return _Asking(trainer, time.monotonic() + limit_s, cancelled)

    # Importing a script that does not keep its work behind a function would start the work.
    importable = bool(_HAS_FUNCTION.search(source))
    defines_flags = bool(_DEFINES_FLAGS.search(source))
    first = Told(problem=f"the script could not be asked (it has no {FUNCTION}())")
    if importable:
        first = asking().probe("hollow", trainer.script)
    elif script.parent != trainer.sd_scripts and not defines_flags:
        first = asking().probe("hollow", _imported_script(trainer, source))
    if first.flags is not None or not thorough:
        return first
    told = asking().probe("whole", trainer.script) if importable else first
    if told.flags is None and defines_flags:
        told = asking().help_text()
    return told if told.flags is not None else first


def _imported_script(trainer: Trainer, source: str) -> str:
    """The checkout's script that a script beside it imports; train_network.py when none is."""
    folder = trainer.sd_scripts or Path()
    for name in _IMPORTED_SCRIPT.findall(source):
        if (folder / f"{name}.py").is_file():
            return str(folder / f"{name}.py")
    return str(folder / "train_network.py")


def environment(trainer: Trainer) -> Mapping[str, str]:
    """The trainer's own, kept away from GPU and network."""
    env = {**os.environ, **trainer.env, **_QUIET}
    env.pop("LINES", None)
    path = env.get("PYTHONPATH")
    env["PYTHONPATH"] = (
        f"{trainer.sd_scripts}{os.pathsep}{path}" if path else str(trainer.sd_scripts)
    )
    return env


def _reason(answer: Answer) -> str:
    """Why there are no flags, in the interpreter's own last words."""
    if answer.problem:
        return f"the trainer's python gave no answer ({answer.problem})"
    lines = [line.strip() for line in answer.errors.splitlines() if line.strip()]
    return f"the script could not be asked ({lines[-1][:200] if lines else 'no output'})"
