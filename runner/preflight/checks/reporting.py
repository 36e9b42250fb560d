"""What is reported while it trains: losses, sample images, notices."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from runner.config.channels import Channels
from runner.config.flags import FlagValue
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.notify import apprise_
from runner.notify.channel import NotSent, read_secret
from runner.preflight.checks.output import nearest_existing, write_problem
from runner.preflight.cures.settings import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.modules import TENSORBOARD


@check(
    "logging", "Logging", order=310, foresees=("logging_dir_missing", "wandb_missing"), python=True,
)  # fmt: skip
def logging(facts: Facts) -> Finding:
    """Will the exact losses be written? TensorBoard's event files are where they come from.

    sd-scripts main 48d368fa (prepare_accelerator): log_with tensorboard or all needs a logging_dir,
    wandb its package and somebody logged in; plasma-tui puts a logging_dir in the run's folder where
    there is none.
    """
    tracker = facts.text("log_with")
    found = facts.interpreter()
    own = facts.path("logging_dir")
    if own is not None and (problem := write_problem(nearest_existing(own))):
        detail = f"Nothing can be written into logging_dir {own}: {problem}."
        return failed("not writable", detail, "choose another logging_dir")
    if tracker in ("wandb", "all") and found.modules.get("wandb") is None:
        return _no_wandb(facts, tracker)
    if tracker in ("wandb", "all") and not _logged_in(facts):
        detail = "wandb is not logged in here: it would ask for a key and wait for an answer."
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
    return failed("no wandb", detail, 'log_with = "tensorboard"', cure)


def _no_tensorboard(facts: Facts, tracker: str | None) -> Finding:
    detail = "The trainer's Python has no tensorboard: losses are known as the bar shows them."
    advice = f"{facts.config.trainer.python} -m pip install tensorboard"
    if tracker in ("tensorboard", "all") or facts.text("logging_dir"):
        told = f"{detail} With log_with or logging_dir the trainer even fails."
        cure = flag_cure(
            facts.config, "logging", "log nothing", {"log_with": False, "logging_dir": False}
        )
        return failed("no tensorboard", told, advice, cure)
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


EVERY = ("sample_every_n_steps", "sample_every_n_epochs")
ENDINGS = (".txt", ".toml", ".json")


@check("samples", "Samples", order=300, foresees=("sample_prompts_missing",))
def samples(facts: Facts) -> Finding:
    """Can sample images be drawn? Without prompts sd-scripts dies at the first of them.

    sd-scripts main 48d368fa (sample_images_common): `--sample_every_n_*` and `--sample_at_first` read
    --sample_prompts, a .txt, .toml or .json file; another ending leaves no prompts and an unbound name.
    """
    asked = [flag for flag in EVERY if (facts.number(flag) or 0) > 0]
    if facts.on("sample_at_first"):
        asked.append("sample_at_first")
    prompts = facts.path("sample_prompts")
    if not asked:
        if prompts is None:
            return passed("none wanted", "No sample images are asked for.")
        detail = (
            "sample_prompts is set, but neither sample_every_n_steps nor _n_epochs: no samples."
        )
        return warned("never drawn", detail, "sample_every_n_epochs = 1")
    gone: dict[str, FlagValue] = dict.fromkeys(asked, False)
    cure = flag_cure(facts.config, "samples", "draw no samples", gone)
    if prompts is None:
        if facts.flags_elsewhere:
            return skipped("in config_file")
        detail = f"{asked[0]} is set without sample_prompts, and the trainer dies of that."
        advice = "set sample_prompts to a text file, a prompt a line"
        return failed("no prompts", detail, advice, cure)
    if problem := problem_of(prompts):
        return failed("prompts unusable", f"{prompts} {problem}.", "correct sample_prompts", cure)
    return passed(prompts.name[:20], f"Samples are drawn from {prompts}.")


def problem_of(path: Path) -> str | None:
    """What keeps the trainer from reading prompts out of the file, as the end of a sentence."""
    if path.suffix not in ENDINGS:
        return "must end in .txt, .toml or .json, in lower case"
    try:
        text = read_text(path)
    except FileNotFoundError:
        return "does not exist"
    except UnicodeDecodeError:
        return "is not UTF-8"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if path.suffix == ".txt":
        lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
        return None if lines else "holds no prompt"
    try:
        loaded = json.loads(text) if path.suffix == ".json" else parse_toml(text)
    except (ValueError, RecursionError) as error:
        return f"is no valid {path.suffix[1:].upper()}: {error}"
    if path.suffix == ".json":
        return None if isinstance(loaded, list) and loaded else "holds no list of prompts"
    prompt = loaded.get("prompt", {})
    subsets = prompt.get("subset") if isinstance(prompt, dict) else None
    return None if subsets else "holds no [[prompt.subset]]"


_TRY = "`plasma-tui notify --test` tries every channel"


@check("notices", "Notices", order=490)
def notices(facts: Facts) -> Finding:
    """Can notices be sent? Looked at before hours of training, without sending one."""
    return judge_notices(facts.config.channels)


def judge_notices(channels: Channels) -> Finding:
    """A notice that would not arrive is no reason to hold back a training."""
    if not channels.names:
        return skipped("none set", "[notify] sends nothing; the screen tells what happens.")
    problems = [
        *_command(channels),
        *_secret("ntfy", channels.ntfy_token_env, channels.ntfy_token_file),
        *_secret("apprise", channels.apprise_env, channels.apprise_file),
    ]
    if "apprise" in channels.names and not apprise_.installed():
        problems.append(apprise_.MISSING)
    if problems:
        return warned("won't arrive", f"A notice would not arrive: {'; '.join(problems)}.", _TRY)
    token = channels.ntfy_token_env or channels.ntfy_token_file
    if token and (channels.ntfy or "").startswith("http:"):
        text = "The token of ntfy goes over the network unencrypted (http:, not https:)."
        return warned("token unencrypted", text, "use an https: address if there is one")
    return passed(", ".join(channels.names), f"Notices go by {', '.join(channels.names)}.")


def _command(channels: Channels) -> list[str]:
    if not channels.command:
        return []
    program = channels.command[0]
    if "/" not in program:
        return [] if shutil.which(program) else [f"the command {program} is not found on PATH"]
    path = Path(program)
    if not path.is_file():
        return [f"the command {program} is not there"]
    return [] if os.access(path, os.X_OK) else [f"the command {program} is not executable"]


def _secret(name: str, variable: str | None, path: str | None) -> list[str]:
    try:
        read_secret(variable, path)
    except NotSent as error:
        return [f"{name}: {error}"]
    return []
