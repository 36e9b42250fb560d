"""Will the exact losses be written? TensorBoard's event files are where they come from.

sd-scripts main 48d368fa (prepare_accelerator): log_with tensorboard or all needs a logging_dir,
wandb its package and somebody logged in; plasma-tui puts a logging_dir in the run's folder where
there is none.
"""

from __future__ import annotations

from pathlib import Path

from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.preflight.modules import TENSORBOARD
from runner.preflight.output import nearest_existing, write_problem


def look(facts: Facts) -> Finding:
    tracker = facts.text("log_with")
    found = facts.interpreter()
    if found.problem:
        return skipped("python does not run")
    own = facts.path("logging_dir")
    if own is not None and (problem := write_problem(nearest_existing(own))):
        detail = f"Nothing can be written into logging_dir {own}: {problem}."
        return failed("not writable", detail, "choose another logging_dir")
    if tracker in ("wandb", "all") and found.modules.get("wandb") is None:
        return _no_wandb(facts, tracker)
    if tracker in ("wandb", "all") and not _logged_in(facts):
        detail = "Nobody is logged in to wandb here: it would ask, and nobody could answer."
        return failed(
            "wandb: no login", detail, "wandb login, or WANDB_API_KEY, or WANDB_MODE=offline"
        )
    if tracker == "wandb":
        detail = "log_with is wandb, so losses are known here only as the bar shows them."
        return warned("wandb only", detail, 'log_with = "all"')
    if found.modules.get(TENSORBOARD) is None:
        return _no_tensorboard(facts, tracker)
    where = f"in {own}" if own else "in the run's folder"
    return passed("tensorboard", f"Exact losses are written {where}.")


def _no_wandb(facts: Facts, tracker: str) -> Finding:
    detail = f"log_with is {tracker}, and the trainer's Python has no wandb."
    cure = flag_cure(facts.config, "logging", "log without wandb", {"log_with": "tensorboard"})
    return failed("no wandb", detail, 'log_with = "tensorboard"').curable(cure)


def _no_tensorboard(facts: Facts, tracker: str | None) -> Finding:
    detail = "The trainer's Python has no tensorboard: losses are known as the bar shows them."
    advice = f"{facts.config.trainer.python} -m pip install tensorboard"
    if tracker in ("tensorboard", "all") or facts.text("logging_dir"):
        told = f"{detail} With log_with or logging_dir the trainer even fails."
        cure = flag_cure(
            facts.config, "logging", "log nothing", {"log_with": False, "logging_dir": False}
        )
        return failed("no tensorboard", told, advice).curable(cure)
    return warned("no tensorboard", detail, advice)


def _logged_in(facts: Facts) -> bool:
    """As wandb finds its key: by flag, variable, or ~/.netrc."""
    env = facts.environment()
    if facts.text("wandb_api_key") or env.get("WANDB_API_KEY"):
        return True
    if env.get("WANDB_MODE", "").lower() in ("offline", "disabled", "dryrun"):
        return True
    netrc = Path(env.get("NETRC") or "~/.netrc").expanduser()
    try:
        return "wandb" in netrc.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


CHECK = Check("logging", "Logging", look)
