"""Looks at files of weights in a process of its own: numpy and large files stay out of ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence

import msgspec

from runner.checkpoints.verify import ONE_THREAD, Verification
from runner.model import Checkpoint
from runner.process.spawn import module_command

#: what a slow disk may take for all of them
PATIENCE_S = 900.0


def look_at(paths: Sequence[str]) -> dict[str, Verification]:
    """By path; what could not be looked at is left out."""
    if not paths:
        return {}
    try:
        done = subprocess.run(
            module_command("runner.checkpoints.verify", *paths),
            capture_output=True, timeout=PATIENCE_S, check=False,
            env={**os.environ, **ONE_THREAD},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, Verification] = {}
    for line in done.stdout.splitlines():
        try:
            one = msgspec.json.decode(line, type=Verification)
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
        found[one.path] = one
    return found


def with_changes(
    checkpoints: Iterable[Checkpoint], seen: dict[str, Verification]
) -> list[Checkpoint]:
    """Each with what was seen of it and its change against the one before."""
    from runner.checkpoints.checkpoint_facts import compared, looked_at
    from runner.model import Expectation

    made: list[Checkpoint] = []
    for one in sorted(checkpoints, key=lambda c: (c.attempt, c.step or 0, c.final)):
        found = seen.get(one.path)
        if found is None:
            made.append(one)
            continue
        looked = looked_at(one, found, Expectation())
        made.append(compared(looked, found, made, 0))
    return made
