"""What is trained, how large its files will be, and what it continues from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from runner.checkpoints.verify import state_complete
from runner.model.units import count, file_size
from runner.preflight.checks.base_model import inspect
from runner.preflight.cures.settings import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.header import rank_in, read_model
from runner.preflight.lora_size import lora_bytes
from runner.preflight.model import Finding, check, failed, passed, short, skipped, warned
from runner.trainers.sd_scripts.scripts import TRAINED, no_lora

FLAG = "network_module"
#: network_alpha / rank scales what is learnt; sd-scripts' alpha is 1 when it is not set
DEFAULT_ALPHA = 1.0


@check("network", "Network", order=260, foresees=("network_module_missing",))
def network(facts: Facts) -> Finding:
    """Is it said what is to be trained? --network_module has no default, and sd-scripts dies without
    it.

    --network_weights must be a whole file of the same rank (sd-scripts main: `size mismatch` otherwise,
    unless --dim_from_weights).
    """
    if facts.config.trainer.embedded:
        return passed("LoRA", f"The built-in trainer makes a LoRA of rank {facts.rank}.")
    module = facts.text(FLAG)
    if module is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", f"{FLAG} may stand in config_file.")
        name = Path(facts.config.trainer.script).name
        if no := no_lora(name):
            return passed(TRAINED[name].split(" ", 1)[1], f"{no}.")
        if not name.endswith("train_network.py"):
            return skipped("not known", f"What {name} trains is not known here.")
        return _missing(facts)
    if facts.on("dim_from_weights") and facts.text("network_weights") is None:
        detail = "dim_from_weights needs network_weights."
        return failed("no network_weights", detail, "set network_weights")
    if found := _weights(facts):
        return found
    if found := _other_module(facts, module):
        return found
    rank, alpha = facts.rank, facts.number("network_alpha")
    told = f"{module} of rank {rank}, alpha {(DEFAULT_ALPHA if alpha is None else alpha):g}"
    return passed(short(f"{module.split('.')[-1]} rank {rank}"), f"{told}.")


def _missing(facts: Facts) -> Finding:
    module = facts.script.network_module if facts.script else "networks.lora"
    detail = f"{FLAG} is not set, and the trainer dies without it."
    cure = flag_cure(facts.config, "network", f"train {module}", {FLAG: module})
    return failed("no network_module", detail, f'{FLAG} = "{module}"', cure)


def _other_module(facts: Facts, module: str) -> Finding | None:
    """networks.lora finds nothing to train in FLUX, and the reverse."""
    script = facts.script
    own = ("networks.lora", "networks.lora_fa", "networks.dylora", "networks.oft")
    if script is None or not module.startswith("networks.lora"):
        return None
    wanted = script.network_module
    if module == wanted or (wanted == "networks.lora" and module in own):
        return None
    name = Path(facts.config.trainer.script).name
    detail = f"{module} is not for {name}: it is {wanted} that finds the layers of {script.title}."
    cure = flag_cure(facts.config, "network", f"train {wanted}", {FLAG: wanted})
    return warned(short(module.split(".")[-1]), detail, f'{FLAG} = "{wanted}"', cure)


def _weights(facts: Facts) -> Finding | None:
    path = facts.path("network_weights")
    if path is None:
        return None
    found = inspect(path, "network_weights")
    if found.status == "fail":
        return found
    rank = rank_in(read_model(path))
    if rank is not None and rank != facts.rank and not facts.on("dim_from_weights"):
        detail = f"{path.name} has rank {rank}, but network_dim is {facts.rank}."
        cure = flag_cure(facts.config, "network", f"train rank {rank}", {"network_dim": rank})
        return failed(f"rank {rank}, not {facts.rank}", detail, f"network_dim = {rank}", cure)
    return None


@check("size", "File size", order=370)
def size(facts: Facts) -> Finding:
    """Will the checkpoints be as large as the user thinks? A wrong rank or precision shows in their size."""
    size = facts.forecast().checkpoint_bytes or lora_bytes(facts)
    if size is None:
        return skipped("unknown", "The size is not known for this network and base model.")
    return judge_size(size, None if facts.smoke else facts.config.expect.checkpoint_mb)


def judge_size(size_bytes: int, expected: tuple[float, float] | None) -> Finding:
    told = f"A checkpoint will have about {file_size(size_bytes)}"
    if expected is None:
        return passed(f"about {file_size(size_bytes)}", f"{told}.")
    low, high = expected
    if low * 1e6 <= size_bytes <= high * 1e6:
        return passed(f"about {file_size(size_bytes)}", f"{told}, as expected.")
    wanted = f"{low:g} to {high:g} MB"
    advice = "check network_dim and save_precision, or correct [expect] checkpoint_mb"
    return warned(f"about {file_size(size_bytes)}", f"{told}, not {wanted}.", advice)


WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.bin"


@check(
    "resume", "Resume", order=330,
    foresees=("resume_already_finished", "resume_shape_mismatch", "resume_state_corrupt",
        "resume_state_missing"),
)  # fmt: skip
def resume(facts: Facts) -> Finding:
    """Can the training go on from the state that --resume names?

    sd-scripts main 48d368fa and accelerate 1.6: the folder must be there and whole, of the same rank,
    and earlier than the end; without --skip_until_initial_step the epoch is repeated and step files are
    overwritten.
    """
    path = facts.path("resume")
    if path is None:
        if facts.number("initial_step") or facts.number("initial_epoch"):
            return _without(facts)
        return passed("from the start", "No earlier state is resumed.")
    if facts.on("resume_from_huggingface"):
        return skipped("on the hub", "The state is to be loaded from the hub.")
    cure = flag_cure(facts.config, "resume", "begin from the start", {"resume": False})
    if problem := folder_problem(path):
        evidence = "no such state" if not path.is_dir() else "incomplete"
        return failed(evidence, f"{path} {problem}.", _nearest(path), cure)
    if found := _fits(facts, path):
        return found
    step = state_step(path)
    total = facts.whole_forecast().steps
    if step is not None and total is not None and step >= total:
        detail = f"{path.name} is of step {step}, and {total} steps are asked for."
        return failed("already at the end", detail, "raise max_train_epochs, or drop resume", cure)
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
        return f"is not a complete state: it lacks {OPTIMIZER if weights else WEIGHTS}"
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
    rank = rank_in(read_model(path / WEIGHTS))
    if rank is None or rank == facts.rank:
        return None
    detail = f"{path.name} holds rank {rank}, but network_dim is {facts.rank}."
    cure = flag_cure(facts.config, "resume", f"train rank {rank}", {"network_dim": rank})
    return failed(f"rank {rank}, not {facts.rank}", detail, f"network_dim = {rank}", cure)


def _counted(facts: Facts, path: Path, step: int | None) -> Finding:
    safe = "plasma-tui resume RUN does it safely"
    if state_complete(path) is False:
        detail = f"{path.name} lacks its random states, which are written last."
        return warned("maybe incomplete", detail, f"take an earlier state; {safe}")
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
    return passed(short(f"from step {step}"), f"{path} is complete and of step {step}.")


def _without(facts: Facts) -> Finding:
    detail = "initial_step without resume: the numbers start there, the learning does not."
    changes = {"initial_step": False, "initial_epoch": False}
    present = {name: off for name, off in changes.items() if name in facts.flags}
    cure = flag_cure(facts.config, "resume", "begin from the start", present)
    return warned("number only", detail, "set resume, or take initial_step out", cure)


def _nearest(path: Path) -> str:
    """The state folders that lie where it was looked for."""
    parent = path.parent
    try:
        found = sorted(p.name for p in parent.iterdir() if p.is_dir() and p.name.endswith("-state"))
    except OSError:
        found = []
    return f"in {parent} there are {', '.join(found[-3:])}" if found else "correct resume"


COST = "optimizer and learning rate schedule start again"


@check("state", "States", order=380)
def state(facts: Facts) -> Finding:
    """Will a training that ends early be able to resume where it was? Without a state only its weights can."""
    if facts.smoke:
        return skipped("smoke test", "A smoke test is not resumed.")
    if facts.flags_elsewhere:
        return skipped("in config_file", "save_state may stand in config_file.")
    files = facts.forecast().checkpoints
    before_the_end = sum(file.state_name is not None for file in files[:-1])
    if before_the_end or (facts.on("save_state") and not files):
        told = f"{count(before_the_end, 'state')} before the end" if files else "save_state is set"
        detail = f"{told}: a training that ends early resumes from the newest."
        return passed("states saved", detail)
    if not facts.on("save_state"):
        detail = (
            f"save_state is not set. A training that ends early resumes from weights only: {COST}."
        )
        cure = flag_cure(facts.config, "state", "save states", {"save_state": True})
        # a state of a full model takes many times its size
        wanted = None if no_lora(facts.config.trainer.script) else cure
        return warned("no state saved", detail, "save_state = true", wanted)
    detail = (
        "A state is saved together with a checkpoint, and no checkpoint is written before the end. A "
        f"training that ends early starts from the beginning: {COST}."
    )
    advice = "set save_every_n_steps or save_every_n_epochs"
    return warned("no state before the end", detail, advice)
