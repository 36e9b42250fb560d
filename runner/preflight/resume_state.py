"""Can the training go on from the state that --resume names?

sd-scripts main 48d368fa and accelerate 1.6: the folder must be there and whole, of the same rank,
and earlier than the end; without --skip_until_initial_step the epoch is repeated and step files are
overwritten.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from runner.checkpoints.verify import state_complete
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.header import read_model
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.preflight.network import rank_in, rank_of

WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.bin"


def look(facts: Facts) -> Finding:
    path = facts.path("resume")
    if path is None:
        if facts.number("initial_step") or facts.number("initial_epoch"):
            return _without(facts)
        return passed("from the start", "No earlier state is resumed.")
    if facts.on("resume_from_huggingface"):
        return skipped("on the hub", "The state is to be loaded from the hub.")
    cure = flag_cure(facts.config, "resume", "begin from the start", {"resume": False})
    if problem := folder_problem(path):
        evidence = "no such state" if not path.is_dir() else "not whole"
        return failed(evidence, f"{path} {problem}.", _nearest(path)).curable(cure)
    if found := _fits(facts, path):
        return found
    step = state_step(path)
    total = facts.whole_forecast().steps
    if step is not None and total is not None and step >= total:
        detail = f"{path.name} is of step {step}, and {total} steps are asked for."
        return failed(
            "already at the end", detail, "raise max_train_epochs, or drop resume"
        ).curable(cure)
    return _counted(facts, path, step)


def folder_problem(path: Path) -> str | None:
    """Why accelerate could not load it, as the end of a sentence."""
    if path.is_file():
        return "is a file; --resume takes the folder that ends in -state"
    if not path.is_dir():
        return "does not exist"
    weights = [path / name for name in (WEIGHTS, "pytorch_model.bin") if (path / name).is_file()]
    optimizer = path / OPTIMIZER
    if not weights or not optimizer.is_file():
        return f"is no whole state: it lacks {OPTIMIZER if weights else WEIGHTS}"
    empty = [file.name for file in path.iterdir() if file.is_file() and not file.stat().st_size]
    if empty:
        return f"was cut off while it was written: {empty[0]} is empty"
    if not zipfile.is_zipfile(optimizer):
        return f"holds an {OPTIMIZER} that is cut off"
    if weights[0].name == WEIGHTS and read_model(weights[0]) is None:
        return f"holds a {WEIGHTS} that is cut off"
    return None


def state_step(path: Path) -> int | None:
    """`current_step` of train_state.json, which sd-scripts writes since v0.9.0; None: not told."""
    try:
        told = json.loads((path / "train_state.json").read_text(encoding="utf-8"))
        return int(told["current_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fits(facts: Facts, path: Path) -> Finding | None:
    header = read_model(path / WEIGHTS)
    rank = rank_in(header) if header else None
    if rank is None or rank == rank_of(facts):
        return None
    detail = f"{path.name} holds rank {rank}, but network_dim is {rank_of(facts)}."
    cure = flag_cure(facts.config, "resume", f"train rank {rank}", {"network_dim": rank})
    evidence = f"rank {rank}, not {rank_of(facts)}"
    return failed(evidence, detail, f"network_dim = {rank}").curable(cure)


def _counted(facts: Facts, path: Path, step: int | None) -> Finding:
    safe = "plasma-tui resume RUN does it safely"
    if state_complete(path) is False:
        detail = f"{path.name} lacks its random states, which are written last."
        return warned("perhaps cut short", detail, f"take an earlier state; {safe}")
    if step is None:
        detail = f"{path.name} does not tell its step: sd-scripts would count from 0 again."
        return warned("step unknown", detail, f"set initial_step; {safe}")
    if not facts.on("skip_until_initial_step"):
        detail = f"Without skip_until_initial_step the epoch of step {step} is trained again."
        finding = warned(f"repeats from {step}", detail, safe)
        if facts.number("gradient_accumulation_steps") not in (None, 1.0):
            return finding
        changes = {"skip_until_initial_step": True, "initial_step": step}
        return finding.curable(flag_cure(facts.config, "resume", "skip what is trained", changes))
    return passed(short(f"from step {step}"), f"{path} is whole and of step {step}.")


def _without(facts: Facts) -> Finding:
    detail = "initial_step without resume: the numbers start there, the learning does not."
    changes = {"initial_step": False, "initial_epoch": False}
    present = {name: off for name, off in changes.items() if name in facts.flags}
    cure = flag_cure(facts.config, "resume", "begin from the start", present)
    return warned("number only", detail, "set resume, or take initial_step out").curable(cure)


def _nearest(path: Path) -> str:
    """The state folders that lie where it was looked for."""
    parent = path.parent
    try:
        found = sorted(p.name for p in parent.iterdir() if p.is_dir() and p.name.endswith("-state"))
    except OSError:
        found = []
    return f"in {parent} there are {', '.join(found[-3:])}" if found else "correct resume"


CHECK = Check("resume", "Resume", look)
