"""Is the trainer there? An empty git submodule is the usual way in which sd-scripts is not."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from runner.config.interpreter import run_small
from runner.config.model import Trainer
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short

SUBMODULE_CURE = "git submodule update --init --recursive"


def look(facts: Facts) -> Finding:
    trainer = facts.config.trainer
    if trainer.sd_scripts is None:
        return passed("built-in trainer", "plasma-tui's own trainer, runner.embedded, will run.")
    return _checkout(trainer, trainer.sd_scripts, facts.text("network_module"))


def _checkout(trainer: Trainer, folder: Path, network_module: str | None) -> Finding:
    if not folder.is_dir():
        return _absent(folder)
    script = Path(trainer.script)
    if not _filled(script):
        if not any(folder.iterdir()):
            return _absent(folder)
        return _no_script(script, folder)
    network = folder / _network_file(network_module)
    if not _filled(network):
        return failed(
            f"no {short(network.name, 16)}",
            f"{network} is missing or empty, so this checkout of sd-scripts is not complete.",
            _cure(folder),
        )
    version = describe(folder)
    words = f"sd-scripts {version}" if version else "sd-scripts is there"
    return passed(
        short(words), f"{script} and {network} are there; version {version or 'unknown'}."
    )


def _absent(folder: Path) -> Finding:
    state = "is empty" if folder.is_dir() else "does not exist"
    return failed("sd-scripts is missing", f"{folder} {state}.", _cure(folder))


def _no_script(script: Path, folder: Path) -> Finding:
    inner = folder / "sd-scripts"
    if inner.is_dir():
        if _filled(inner / script.name):
            cure = f'sd_scripts = "{inner}"'
            return failed(
                "wrong folder", f"{folder} holds sd-scripts in a folder of its own.", cure
            )
        return _absent(inner)
    state = "is empty" if script.exists() else "does not exist"
    return failed(f"no {short(script.name, 17)}", f"{script} {state}.", _cure(folder))


def _cure(folder: Path) -> str:
    """A submodule is filled from the repository around it; a plain clone has lost files."""
    for parent in folder.parents:
        if (parent / ".gitmodules").is_file():
            return f"cd {shlex.quote(str(parent))} && {SUBMODULE_CURE}"
    if (folder / ".git").exists():
        return f"git -C {shlex.quote(str(folder))} checkout -- ."
    return "clone kohya-ss/sd-scripts there, or correct [trainer] sd_scripts"


def _network_file(network_module: str | None) -> str:
    """networks.lora is in networks/lora.py; other packages are no part of the checkout."""
    if network_module and network_module.startswith("networks."):
        return network_module.replace(".", "/") + ".py"
    return "networks/lora.py"


def _filled(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def describe(folder: Path) -> str | None:
    """`v0.10.1+5` by git; None without a repository of its own (git would answer for a parent)."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--tags", "--always"]
    answer = run_small(command, env=os.environ, timeout_s=2.0)
    text = answer.output.strip()
    if answer.code != 0 or not text:
        return None
    return re.sub(r"-(\d+)-g[0-9a-f]+$", r"+\1", text)


CHECK = Check("trainer", "Trainer", look)
