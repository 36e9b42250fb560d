"""How a process of ours starts another one of ours. Nothing else spells such a command.

The environment is handed down unchanged, because the trainer inherits it: see `shell_environment`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runner.process.keeper import shell_environment as shell_environment

_CHILD = Path(__file__).with_name("child.py")
_KEEPER = Path(__file__).with_name("keeper.py")


def module_command(module: str, *arguments: str) -> list[str]:
    """argv that runs a module of this installation, whatever the working folder and PYTHONPATH hold."""
    # -E also ignores PYTHONUTF8: file names must be decoded as they are here
    utf8 = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [sys.executable, "-E", "-P", *utf8, str(_CHILD), module, *arguments]


def keeper_command(run_path: Path, attempt: int) -> list[str]:
    """argv of the trainer's parent, which imports nothing but the standard library."""
    return [sys.executable, "-I", str(_KEEPER), str(run_path), str(attempt)]
