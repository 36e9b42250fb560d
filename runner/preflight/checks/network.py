"""What is trained, the size of its files, and what it continues from."""

from __future__ import annotations

from pathlib import Path

from runner.checkpoints.verify import verify
from runner.model.units import count, file_size
from runner.preflight.checks.base_model import inspect
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.header import rank_in, read_model
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.trainers.sd_scripts.scripts import TRAINED, no_lora

FLAG = "network_module"
#: sd-scripts' alpha when it is not set; alpha / rank scales the learned change
DEFAULT_ALPHA = 1.0


@check("network", "Network", 260, foresees=("network_module_missing",))
def network(facts: Facts) -> Finding:
    """Is a network module set? --network_module has no default, and sd-scripts fails without it.

    --network_weights must be a complete file of the same rank (sd-scripts main: `size mismatch` otherwise,
    unless --dim_from_weights).
    """
    module, rank, alpha = facts.text(FLAG), facts.rank, facts.number("network_alpha")
    if module is None:
        return _no_module(facts)
    if facts.on("dim_from_weights") and facts.text("network_weights") is None:
        detail = "dim_from_weights needs network_weights."
        return failed("no network_weights", detail, "set network_weights")
    words = f"{module} of rank {rank}, alpha {(DEFAULT_ALPHA if alpha is None else alpha):g}"
    fine = passed(f"{module.split('.')[-1]} rank {rank}", f"{words}.")
    return _weights(facts) or _other_module(facts, module) or fine


def _no_module(facts: Facts) -> Finding:
    name = facts.script_name
    if facts.flags_elsewhere:
        return skipped("in config_file", f"{FLAG} may be set in config_file.")
    if no := no_lora(name):
        return passed(TRAINED[name].split(" ", 1)[1], f"{no}.")
    if not name.endswith("train_network.py"):
        return skipped("unknown", f"The network of {name} is unknown here.")
    module = facts.script.network_module if facts.script else "networks.lora"
    detail = f"{FLAG} is not set, and the trainer fails without it."
    return failed("no network_module", detail, "", Fix(f"train {module}", {FLAG: module}))


def _other_module(facts: Facts, module: str) -> Finding | None:
    """networks.lora finds nothing to train in FLUX, and the reverse."""
    own = ("networks.lora", "networks.lora_fa", "networks.dylora", "networks.oft")
    wanted = facts.script.network_module if facts.script else module
    fits = module == wanted or (wanted == "networks.lora" and module in own)
    if fits or facts.script is None or not module.startswith("networks.lora"):
        return None
    detail = f"{module} does not match {facts.script_name}: {wanted} has the layers of {facts.script.title}."
    return warned(module.split(".")[-1], detail, "", Fix(f"train {wanted}", {FLAG: wanted}))


def _weights(facts: Facts) -> Finding | None:
    path = facts.path("network_weights")
    if path is None:
        return None
    found = inspect(path, "network_weights")
    if found.status == "fail":
        return found
    return None if facts.on("dim_from_weights") else _other_rank(facts, path)


def _other_rank(facts: Facts, path: Path) -> Finding | None:
    """A weights file, or that of a state."""
    rank = rank_in(read_model(path / WEIGHTS if path.is_dir() else path))
    if rank in (None, facts.rank):
        return None
    detail = f"{path.name} has rank {rank}, but network_dim is {facts.rank}."
    fix = Fix(f"train rank {rank}", {"network_dim": rank})
    return failed(f"rank {rank}, not {facts.rank}", detail, "", fix)


@check("size", "File size", 370)
def size(facts: Facts) -> Finding:
    """Will the checkpoints have the expected size? A wrong rank or precision shows in it."""
    size = facts.forecast().checkpoint_bytes
    if size is None:
        return skipped("unknown", "Size unknown for this network and base model.")
    return judge_size(size, None if facts.smoke else facts.config.expect.checkpoint_mb)


def judge_size(size_bytes: int, expected: tuple[float, float] | None) -> Finding:
    evidence = f"about {file_size(size_bytes)}"
    detail = f"A checkpoint will have {evidence}"
    low, high = expected or (0.0, float("inf"))
    if low * 1e6 <= size_bytes <= high * 1e6:
        return passed(evidence, f"{detail}, as expected." if expected else f"{detail}.")
    advice = "check network_dim and save_precision, or correct [expect] checkpoint_mb"
    return warned(evidence, f"{detail}, not {low:g} to {high:g} MB.", advice)


WEIGHTS = "model.safetensors"
_SAFELY = "plasma-tui resume RUN does it safely"
_FROM_START = Fix("start from the beginning", {"resume": False})


@check(
    "resume", "Resume", 330,
    foresees=("resume_already_finished", "resume_shape_mismatch", "resume_state_corrupt",
        "resume_state_missing"),
)  # fmt: skip
def resume(facts: Facts) -> Finding:
    """Can the training resume from the state in --resume?

    sd-scripts main 48d368fa and accelerate 1.6: the folder must exist and be complete, with the same rank,
    and before the last step; without --skip_until_initial_step the epoch is repeated and step files are
    overwritten.
    """
    path = facts.path("resume")
    if path is None:
        present = {n: False for n in ("initial_step", "initial_epoch") if facts.number(n)}
        if not present:
            return passed("from the start", "No earlier state is resumed.")
        detail = "initial_step without resume: only the step numbers start there."
        fix = Fix("start from the beginning", present)
        return warned("number only", detail, f"set resume, or {fix.words}", fix)
    if facts.on("resume_from_huggingface"):
        return skipped("on the hub", "The state would be loaded from the hub.")
    if not path.is_dir():
        state = "is a file; --resume takes the folder that ends in -state"
        detail = f"{path} {state if path.is_file() else 'does not exist'}."
        return failed("no such state", detail, _nearest(path.parent), _FROM_START)
    found, total = verify(path, finite=False), facts.whole_forecast().steps
    # accelerate resumes without random states
    if found.problem and "which is written last" not in found.problem:
        detail = f"{path} is not a complete state: {found.problem}."
        return failed("incomplete", detail, _nearest(path.parent), _FROM_START)
    if other := _other_rank(facts, path):
        return other
    if found.step is not None and total is not None and found.step >= total:
        detail = f"{path.name} is from step {found.step}, and only {total} steps are requested."
        advice = "raise max_train_epochs, or drop resume"
        return failed("already at the end", detail, advice, _FROM_START)
    if found.problem:
        detail = f"{path.name} lacks its random states, which are written last."
        return warned("maybe incomplete", detail, f"use an earlier state; {_SAFELY}")
    return _counted(facts, path, found.step)


def _counted(facts: Facts, path: Path, step: int | None) -> Finding:
    if step is None:
        detail = f"{path.name} has no step: sd-scripts would count from 0 again."
        return warned("step unknown", detail, f"set initial_step; {_SAFELY}")
    if facts.on("skip_until_initial_step"):
        return passed(f"from step {step}", f"{path} is complete, from step {step}.")
    detail = f"Without skip_until_initial_step the epoch of step {step} is trained again."
    accumulates = facts.number("gradient_accumulation_steps") not in (None, 1.0)
    changes = {"skip_until_initial_step": True, "initial_step": step}
    fix = None if accumulates else Fix("skip what is trained", changes)
    return warned(f"repeats from {step}", detail, _SAFELY, fix)


def _nearest(folder: Path) -> str:
    """The existing state folders at that place."""
    found = sorted(path.name for path in folder.glob("*-state") if path.is_dir())
    return f"in {folder} there are {', '.join(found[-3:])}" if found else "correct resume"


COST = "optimizer and learning rate schedule start again"


@check("state", "States", 380)
def state(facts: Facts) -> Finding:
    """Can a training that ends early resume exactly? Without a state only from its weights."""
    if facts.smoke:
        return skipped("smoke test", "A smoke test is not resumed.")
    if facts.flags_elsewhere:
        return skipped("in config_file", "save_state may be set in config_file.")
    files = facts.forecast().checkpoints
    before_the_end = sum(file.state_name is not None for file in files[:-1])
    if before_the_end or (facts.on("save_state") and not files):
        saved = f"{count(before_the_end, 'state')} before the end" if files else "save_state is set"
        return passed(
            "states saved", f"{saved}: a training that ends early resumes from the newest."
        )
    if not facts.on("save_state"):
        detail = (
            f"save_state is not set. A training that ends early resumes from weights only: {COST}."
        )
        # a full model's state takes many times its size
        fix = None if no_lora(facts.script_name) else Fix("save states", {"save_state": True})
        return warned("no state saved", detail, "save_state = true", fix)
    detail = (
        "States are saved together with checkpoints, and no checkpoint is written before the end. A "
        f"training that ends early starts from the beginning: {COST}."
    )
    advice = "set save_every_n_steps or save_every_n_epochs"
    return warned("no state before end", detail, advice)
