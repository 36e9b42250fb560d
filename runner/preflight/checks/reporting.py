"""Reporting during training: losses, sample images, notifications."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.config.channels import Channels
from runner.notify import apprise_
from runner.notify.channel import NotSent, read_secret
from runner.preflight.checks.output import nearest_existing, write_problem
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import TENSORBOARD, Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.trainers.sd_scripts.sample_prompts import read_prompt_file


@check("logging", "Logging", 310, needs="python", foresees=("logging_dir_missing", "wandb_missing"))
def logging(facts: Facts) -> Finding:
    """Will exact losses be written? They are read from TensorBoard event files.

    sd-scripts main 48d368fa (prepare_accelerator): log_with tensorboard or all needs a logging_dir,
    wandb its package and a login; plasma-tui sets a logging_dir in the run's folder if there is none.
    """
    tracker, own = facts.text("log_with"), facts.path("logging_dir")
    modules = facts.interpreter().modules
    if own is not None and (problem := write_problem(nearest_existing(own))):
        detail = f"Nothing can be written into logging_dir {own}: {problem}."
        return failed("not writable", detail, "choose another logging_dir")
    if tracker in ("wandb", "all") and modules.get("wandb") is None:
        detail = f"log_with is {tracker}, and the trainer's Python has no wandb."
        return failed("no wandb", detail, "", Fix("log without wandb", {"log_with": TENSORBOARD}))
    if tracker in ("wandb", "all") and not _logged_in(facts):
        detail = "wandb is not logged in: it would ask for a key and wait."
        advice = "wandb login, or WANDB_API_KEY, or WANDB_MODE=offline"
        return failed("wandb: no login", detail, advice)
    if tracker == "wandb":
        detail = "log_with is wandb, so only the bar's average loss is known."
        return warned("wandb only", detail, 'log_with = "all"')
    if modules.get(TENSORBOARD) is not None:
        where = own or "the run's folder"
        return passed("tensorboard", f"Exact losses are written in {where}.")
    detail = "The trainer's Python has no tensorboard: only the bar's average loss is known."
    advice = f"{facts.config.trainer.python} -m pip install tensorboard"
    if not tracker and not own:
        return warned("no tensorboard", detail, advice)
    detail += " With log_with or logging_dir the trainer even fails."
    fix = Fix("log nothing", {"log_with": REMOVED, "logging_dir": REMOVED})
    return failed("no tensorboard", detail, advice, fix)


def _logged_in(facts: Facts) -> bool:
    """Like wandb's own search: flag, variable, or ~/.netrc."""
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


@check("samples", "Samples", 300, foresees=("sample_prompts_missing",))
def samples(facts: Facts) -> Finding:
    """Can sample images be drawn? Without prompts sd-scripts fails at the first one.

    sd-scripts main 48d368fa (sample_images_common): `--sample_every_n_*` and `--sample_at_first` read
    --sample_prompts, a .txt, .toml or .json file; another extension leaves no prompts and an unbound name.
    """
    asked = [flag for flag in EVERY if (facts.number(flag) or 0) > 0]
    asked += ["sample_at_first"] * facts.on("sample_at_first")
    prompts = facts.path("sample_prompts")
    fix = Fix("draw no samples", dict.fromkeys(asked, REMOVED))
    if not asked:
        if prompts is None:
            return passed("none wanted", "Sample images are off.")
        detail = (
            "sample_prompts is set, but neither sample_every_n_steps nor _n_epochs: no samples."
        )
        return warned("never drawn", detail, "sample_every_n_epochs = 1")
    if prompts is None:
        if facts.flags_elsewhere:
            return skipped("in config_file")
        detail = f"{asked[0]} is set without sample_prompts, which makes the trainer fail."
        return failed(
            "no prompts", detail, "set sample_prompts to a text file, one prompt per line", fix
        )
    found = read_prompt_file(prompts, 0.0)
    if not found.prompts:
        detail = f"In {prompts.parent}: {found.problem or f'{prompts.name} has no prompts'}."
        return failed("prompts unusable", detail, "correct sample_prompts", fix)
    return passed(prompts.name, f"Samples are drawn from {prompts}.")


@check("notices", "Notices", 490)
def notices(facts: Facts) -> Finding:
    """Can notifications be sent? Checked before hours of training, without sending one."""
    return judge_notices(facts.config.channels)


def judge_notices(channels: Channels) -> Finding:
    """An undeliverable notification does not block a training."""
    names = ", ".join(channels.names)
    if not names:
        return skipped("none set", "[notify] sends nothing; see the screen.")
    problems = [
        *_command(channels),
        *_secret("ntfy", channels.ntfy_token_env, channels.ntfy_token_file),
        *_secret("apprise", channels.apprise_env, channels.apprise_file),
    ]
    if "apprise" in channels.names and not apprise_.installed():
        problems.append(apprise_.MISSING)
    if problems:
        advice = "`plasma-tui notify --test` tries every channel"
        detail = f"Notifications would not arrive: {'; '.join(problems)}."
        return warned("won't arrive", detail, advice)
    token = channels.ntfy_token_env or channels.ntfy_token_file
    if token and (channels.ntfy or "").startswith("http:"):
        detail = "The token of ntfy goes over the network unencrypted (http:, not https:)."
        return warned("token unencrypted", detail, "use an https: address if possible")
    return passed(names, f"Notifications are sent by {names}.")


def _command(channels: Channels) -> list[str]:
    program = channels.command[0] if channels.command else None
    if program is None or shutil.which(program):
        return []
    if "/" not in program:
        return [f"the command {program} is not found on PATH"]
    state = "executable" if Path(program).is_file() else "there"
    return [f"the command {program} is not {state}"]


def _secret(name: str, variable: str | None, path: str | None) -> list[str]:
    try:
        read_secret(variable, path)
    except NotSent as error:
        return [f"{name}: {error}"]
    return []
