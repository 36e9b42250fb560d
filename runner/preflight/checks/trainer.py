"""The trainer: plasma.toml itself, the checkout of sd-scripts, its Python, the versions of its packages."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from runner.config.interpreter import run_small
from runner.model.units import count
from runner.preflight.cures.commands import checkout_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, short, skipped, warned


@check("config", "Config", 10)
def config(facts: Facts) -> Finding:
    """Was plasma.toml read without remarks? (An invalid one never reaches this check.)"""
    notes, path = facts.config.notes, facts.config.path
    if not notes:
        return passed("plasma.toml is valid", f"{path} is valid.")
    return warned(count(len(notes), "note"), "; ".join(notes), f"check {path}")


#: older versions do not log the device (2024-02)
OLDEST = (0, 8, 4)


@check("trainer", "Trainer", 20, foresees=("sd_scripts_not_importable", "submodule_missing"))
def trainer(facts: Facts) -> Finding:
    """Does the trainer exist? Usually sd-scripts is missing because of an empty git submodule."""
    script = Path(facts.config.trainer.script)
    folder = facts.config.trainer.sd_scripts or script.parent
    module = facts.text("network_module") or ""
    # packages other than `networks` are not part of the checkout
    module = module if module.startswith("networks.") else "networks.lora"
    network = folder / (module.replace(".", "/") + ".py")
    if not folder.is_dir():
        return _lacking(folder, "sd-scripts missing", f"{folder} does not exist.")
    if not filled(script):
        return _no_script(script, folder)
    if not filled(network):
        detail = f"{network} is missing or empty, so this checkout of sd-scripts is not complete."
        return _lacking(folder, f"no {short(network.name, 16)}", detail, network)
    if not any(filled(path) for path in (folder / "library").glob("*.py")):
        detail = f"{folder}/library is missing or empty: the script imports it from there."
        return _lacking(folder, "no library", detail)
    version = describe(folder)
    evidence = f"sd-scripts {version}" if version else "sd-scripts found"
    detail = f"{script} and {network} exist; version {version or 'unknown'}."
    if (release(version) or OLDEST) < OLDEST:
        detail += " It is older than v0.8.4, whose console is only partly understood here."
        return warned(evidence, detail, f"git -C {folder} checkout a newer release")
    return passed(evidence, detail)


def _lacking(folder: Path, evidence: str, detail: str, *files: Path) -> Finding:
    advice, cure = checkout_cure("trainer", folder, files)
    return failed(evidence, detail, advice, cure)


def _no_script(script: Path, folder: Path) -> Finding:
    inner = folder / "sd-scripts"
    if filled(inner / script.name):
        detail = f"{folder} has sd-scripts in a subfolder."
        return failed("wrong folder", detail, f'sd_scripts = "{inner}"')
    empty = inner if inner.is_dir() else folder
    if empty is inner or not any(folder.iterdir()):
        return _lacking(empty, "sd-scripts missing", f"{empty} is empty.")
    state = "is empty" if script.exists() else "does not exist"
    return _lacking(folder, f"no {short(script.name, 17)}", f"{script} {state}.", script)


def filled(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def describe(folder: Path) -> str | None:
    """`v0.10.1+5` by git; None without its own repository (git would report a parent's)."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--tags", "--always"]
    answer = run_small(command, env=os.environ, timeout_s=2.0)
    text = re.sub(r"-(\d+)-g[0-9a-f]+$", r"+\1", answer.output.strip())
    return text if answer.code == 0 and text else None


def release(version: str | None) -> tuple[int, ...] | None:
    """`v0.10.1+5` -> (0, 10, 1); None for a bare commit."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in match.groups()) if match else None


@check("python", "Python", 30)
def python(facts: Facts) -> Finding:
    """Does the trainer's Python run, and is it new enough?"""
    found, python, least = facts.interpreter(), facts.config.trainer.python, facts.demands.python
    if found.problem:
        advice = "correct [trainer] python: it is the interpreter inside the trainer's venv"
        return failed("python does not run", f"{python}: {found.problem}.", advice)
    words = f"Python {found.version}"
    detail = f"{python} is {words} in {found.prefix}."
    if numbers(found.version)[:2] >= least:
        return passed(words, detail)
    advice = f"choose a Python of at least {'.'.join(map(str, least))} as [trainer] python"
    if facts.demands.must:
        return failed(f"{words} is too old", detail, advice)
    return warned(f"{words} is old", detail, advice)


Version = tuple[int, ...]
#: (older, below, newer, since, why, install): `older` below a version does not work with `newer` since one
BREAKS: tuple[tuple[str, Version, str, Version, str, str], ...] = (
    ("torch", (2, 3), "numpy", (2,), "this torch was built against numpy 1", '"numpy<2"'),
    (
        "diffusers", (0, 29), "huggingface_hub", (0, 26),
        "this diffusers imports cached_download, which was removed", '"huggingface_hub<0.26"',
    ),
)  # fmt: skip


@check(
    "versions", "Versions", 50, needs="python", foresees=("dependency_version_drift", "numpy_abi")
)
def versions(facts: Facts) -> Finding:
    """Are the versions of the trainer's packages compatible?

    Known conflicts only: torch before 2.3 cannot use numpy 2 (torch was built against numpy 1);
    huggingface_hub 0.26 removed `cached_download`, which diffusers imports up to 0.28.
    """
    return judge_versions(facts.interpreter().modules, facts.config.trainer.python)


def judge_versions(modules: Mapping[str, str | None], python: str) -> Finding:
    known = {name: version for name, version in modules.items() if version}
    for older, below, newer, since, why, install in BREAKS:
        if older not in known or newer not in known:
            continue
        if numbers(known[older]) < below and numbers(known[newer]) >= since:
            detail = f"{older} {known[older]} does not work with {newer} {known[newer]}: {why}."
            advice = f"{shlex.quote(python)} -m pip install {install}"
            return failed(f"{newer} {known[newer]}", detail, advice)
    if not known:
        return skipped("no versions", "No package reports its version.")
    names = ", ".join(f"{name} {version}" for name, version in known.items())
    return passed("compatible", f"No known conflict among {names}.")


def numbers(version: str) -> Version:
    """`2.13.0+cpu` -> (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
