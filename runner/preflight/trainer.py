"""Is the trainer there? An empty git submodule is the usual way in which sd-scripts is not."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner.config.interpreter import run_small
from runner.config.model import Trainer
from runner.preflight.cures.checkout import checkout_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, warned

#: before it there is no log line that names the device (2024-02)
OLDEST = (0, 8, 4)


def look(facts: Facts) -> Finding:
    trainer = facts.config.trainer
    if trainer.sd_scripts is None:
        return passed("built-in trainer", "plasma-tui's own trainer, runner.embedded, will run.")
    return _checkout(trainer, trainer.sd_scripts, facts.text("network_module"))


def _checkout(trainer: Trainer, folder: Path, network_module: str | None) -> Finding:
    if not folder.is_dir():
        return _lacking(folder, "sd-scripts is missing", f"{folder} does not exist.")
    script = Path(trainer.script)
    if not filled(script):
        if not any(folder.iterdir()):
            return _lacking(folder, "sd-scripts is missing", f"{folder} is empty.")
        return _no_script(script, folder)
    network = folder / _network_file(network_module)
    if not filled(network):
        told = f"{network} is missing or empty, so this checkout of sd-scripts is not complete."
        return _lacking(folder, f"no {short(network.name, 16)}", told, network)
    if not any(filled(path) for path in (folder / "library").glob("*.py")):
        told = f"{folder}/library is missing or empty: the script imports it from there."
        return _lacking(folder, "no library", told)
    return _version(folder, script, network)


def _version(folder: Path, script: Path, network: Path) -> Finding:
    version = describe(folder)
    words = f"sd-scripts {version}" if version else "sd-scripts is there"
    told = f"{script} and {network} are there; version {version or 'unknown'}."
    numbers = release(version)
    if numbers is not None and numbers < OLDEST:
        advice = f"git -C {folder} checkout a newer release"
        told += " It is older than v0.8.4, whose console is only partly understood here."
        return warned(short(words), told, advice)
    return passed(short(words), told)


def _lacking(folder: Path, evidence: str, detail: str, *files: Path) -> Finding:
    advice, cure = checkout_cure("trainer", folder, files)
    return failed(evidence, detail, advice).curable(cure)


def _no_script(script: Path, folder: Path) -> Finding:
    inner = folder / "sd-scripts"
    if inner.is_dir():
        if filled(inner / script.name):
            told = f"{folder} holds sd-scripts in a folder of its own."
            return failed("wrong folder", told, f'sd_scripts = "{inner}"')
        return _lacking(inner, "sd-scripts is missing", f"{inner} is empty.")
    state = "is empty" if script.exists() else "does not exist"
    return _lacking(folder, f"no {short(script.name, 17)}", f"{script} {state}.", script)


def _network_file(network_module: str | None) -> str:
    """networks.lora is in networks/lora.py; other packages are no part of the checkout."""
    if network_module and network_module.startswith("networks."):
        return network_module.replace(".", "/") + ".py"
    return "networks/lora.py"


def filled(path: Path) -> bool:
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


def release(version: str | None) -> tuple[int, ...] | None:
    """`v0.10.1+5` -> (0, 10, 1); None for a bare commit."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in match.groups()) if match else None


CHECK = Check("trainer", "Trainer", look)
