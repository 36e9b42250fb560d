"""Can notices be sent? Looked at before hours of training, without sending one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from runner.config.channels import Channels
from runner.notify import apprise_
from runner.notify.secret import NoSecret, read_secret
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned

_TRY = "`plasma-tui notify --test` tries every channel"


def look(facts: Facts) -> Finding:
    return judge(facts.config.channels)


def judge(channels: Channels) -> Finding:
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
        text = f"A notice would not arrive: {'; '.join(problems)}."
        return warned("will not arrive", text, _TRY)
    token = channels.ntfy_token_env or channels.ntfy_token_file
    if token and (channels.ntfy or "").startswith("http:"):
        text = "The token of ntfy goes over the network unencrypted (http:, not https:)."
        return warned("token in the clear", text, "use an https: address if there is one")
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
    except NoSecret as error:
        return [f"{name}: {error}"]
    return []


CHECK = Check("notices", "Notices", look)
