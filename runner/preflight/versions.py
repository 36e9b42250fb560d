"""Do the versions of the trainer's packages get along with each other?

Known breaks only: torch before 2.3 cannot use numpy 2 (torch was built against numpy 1);
huggingface_hub 0.26 took `cached_download` away, which diffusers imports up to 0.28.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """`older` below `below` does not work with `newer` from `since` on."""

    older: str
    below: Version
    newer: str
    since: Version
    why: str
    install: str


BREAKS = (
    Break("torch", (2, 3), "numpy", (2,), "this torch was built against numpy 1", '"numpy<2"'),
    Break(
        "diffusers", (0, 29), "huggingface_hub", (0, 26),
        "this diffusers imports cached_download, which is gone", '"huggingface_hub<0.26"',
    ),
)  # fmt: skip


def look(facts: Facts) -> Finding:
    found = facts.interpreter()
    if found.problem:
        return skipped("python does not run")
    return judge(found.modules, facts.config.trainer.python)


def judge(modules: Mapping[str, str | None], python: str) -> Finding:
    for one in BREAKS:
        older, newer = modules.get(one.older), modules.get(one.newer)
        if not older or not newer:
            continue
        if numbers(older) < one.below and numbers(newer) >= one.since:
            detail = f"{one.older} {older} does not work with {one.newer} {newer}: {one.why}."
            install = f"{shlex.quote(python)} -m pip install {one.install}"
            return failed(short(f"{one.newer} {newer}"), detail, install)
    told = [f"{name} {version}" for name, version in modules.items() if version]
    if not told:
        return skipped("no versions", "No package tells its version.")
    return passed("get along", f"No known break among {', '.join(told)}.")


def numbers(version: str) -> Version:
    """`2.13.0+cpu` -> (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


CHECK = Check("versions", "Versions", look)
