"""The trainer: plasma.toml itself, the checkout of sd-scripts, its Python, the versions of its packages."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.config.interpreter import run_small
from runner.config.model import Trainer
from runner.model.units import count
from runner.preflight.cures.commands import checkout_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, short, skipped, warned


@check("config", "Config", order=10)
def config(facts: Facts) -> Finding:
    """Is plasma.toml read without a grain of salt? (A broken one never gets as far as this check.)"""
    notes = facts.config.notes
    if not notes:
        return passed("plasma.toml is valid", f"{facts.config.path} was understood in full.")
    return warned(count(len(notes), "note"), "; ".join(notes), f"check {facts.config.path}")


#: before it there is no log line that names the device (2024-02)
OLDEST = (0, 8, 4)


@check("trainer", "Trainer", order=20, foresees=("sd_scripts_not_importable", "submodule_missing"))
def trainer(facts: Facts) -> Finding:
    """Is the trainer there? An empty git submodule is the usual way in which sd-scripts is not."""
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
    words = f"sd-scripts {version}" if version else "sd-scripts found"
    told = f"{script} and {network} exist; version {version or 'unknown'}."
    numbers = release(version)
    if numbers is not None and numbers < OLDEST:
        advice = f"git -C {folder} checkout a newer release"
        told += " It is older than v0.8.4, whose console is only partly understood here."
        return warned(short(words), told, advice)
    return passed(short(words), told)


def _lacking(folder: Path, evidence: str, detail: str, *files: Path) -> Finding:
    advice, cure = checkout_cure("trainer", folder, files)
    return failed(evidence, detail, advice, cure)


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


#: our own package needs 3.11; kohya_ss asks for 3.10 or 3.11
LEAST_EMBEDDED = (3, 11)
LEAST_SD_SCRIPTS = (3, 10)


@check("python", "Python", order=30)
def python(facts: Facts) -> Finding:
    """Does the trainer's Python run, and is it new enough?"""
    trainer = facts.config.trainer
    found = facts.interpreter()
    if found.problem:
        advice = "correct [trainer] python: it is the interpreter inside the trainer's venv"
        return failed("python does not run", f"{trainer.python}: {found.problem}.", advice)
    words = f"Python {found.version}"
    version = tuple(int(part) for part in found.version.split(".")[:2])
    detail = f"{trainer.python} is {words} in {found.prefix}."
    if trainer.embedded and version < LEAST_EMBEDDED:
        advice = "choose a Python of at least 3.11 as [trainer] python"
        return failed(f"{words} is too old", detail, advice)
    if not trainer.embedded and version < LEAST_SD_SCRIPTS:
        advice = "make the trainer's venv with Python 3.10 or newer"
        return warned(f"{words} is old", detail, advice)
    return passed(words, detail)


Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """`older` below `below` does not work with `newer` from `since` on."""

    older: str
    below: Version
    newer: str
    since: Version
    why: str
    install: str


BREAKS = (
    Break("torch", (2, 3), "numpy", (2,), "this torch was built against numpy 1", '"numpy<2"'),
    Break(
        "diffusers", (0, 29), "huggingface_hub", (0, 26),
        "this diffusers imports cached_download, which is gone", '"huggingface_hub<0.26"',
    ),
)  # fmt: skip


@check(
    "versions", "Versions", order=50, foresees=("dependency_version_drift", "numpy_abi"),
    python=True,
)  # fmt: skip
def versions(facts: Facts) -> Finding:
    """Do the versions of the trainer's packages get along with each other?

    Known breaks only: torch before 2.3 cannot use numpy 2 (torch was built against numpy 1);
    huggingface_hub 0.26 took `cached_download` away, which diffusers imports up to 0.28.
    """
    return judge_versions(facts.interpreter().modules, facts.config.trainer.python)


def judge_versions(modules: Mapping[str, str | None], python: str) -> Finding:
    for one in BREAKS:
        older, newer = modules.get(one.older), modules.get(one.newer)
        if not older or not newer:
            continue
        if numbers(older) < one.below and numbers(newer) >= one.since:
            detail = f"{one.older} {older} does not work with {one.newer} {newer}: {one.why}."
            install = f"{shlex.quote(python)} -m pip install {one.install}"
            return failed(short(f"{one.newer} {newer}"), detail, install)
    told = [f"{name} {version}" for name, version in modules.items() if version]
    if not told:
        return skipped("no versions", "No package tells its version.")
    return passed("compatible", f"No known break among {', '.join(told)}.")


def numbers(version: str) -> Version:
    """`2.13.0+cpu` -> (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
