"""Looks at files of weights in a process of its own: numpy and large files stay out of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.checkpoints.verify import Verification, verify_apart
from runner.model import Checkpoint

#: what a slow disk may take for all of them
PATIENCE_S = 900.0


def look_at(paths: Sequence[str]) -> dict[str, Verification]:
    """By path; what could not be looked at is left out."""
    seen, _ = verify_apart(paths, timeout_s=PATIENCE_S) if paths else ([], "")
    return {one.path: one for one in seen}


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
