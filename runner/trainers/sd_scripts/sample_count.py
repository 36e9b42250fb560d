"""How many sample images a training draws (sample_images_common and line for line its copies for SD 3, FLUX
and others, sd-scripts v0.10)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.flag_numbers import whole
from runner.trainers.sd_scripts.steps import Steps


@dataclass(frozen=True, slots=True)
class Samples:
    """`times`: how often samples are drawn; `prompts`: images each time, None: cannot be told, and
    `problem` says why in one sentence."""

    times: int
    prompts: int | None = None
    problem: str | None = None

    @property
    def count(self) -> int | None:
        if self.times == 0:
            return 0
        return None if self.prompts is None else self.times * self.prompts


def expected_samples(flags: Mapping[str, Any], base_dir: Path, steps: Steps) -> Samples:
    """Raises ValueError for a flag that is no number."""
    times = sampling_times(flags, steps)
    if not times:
        return Samples(0)
    named = flags.get("sample_prompts")
    if not named:
        return Samples(
            times, problem="sample_prompts is missing: sd-scripts dies at the first sample"
        )
    try:
        return Samples(times, count_prompts(base_dir / str(named)))
    except FileNotFoundError:
        return Samples(times, 0, f"{named}: there is no such file, so no sample is drawn")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Samples(times, problem=f"{named}: no prompts can be read from it: {error}")


def sampling_times(flags: Mapping[str, Any], steps: Steps) -> int:
    """sample_every_n_epochs wins over sample_every_n_steps; 0 and below switch them off. The last epoch
    counts, unlike for checkpoints."""
    every_epochs = whole(flags, "sample_every_n_epochs") or 0
    every_steps = whole(flags, "sample_every_n_steps") or 0
    first = 1 if flags.get("sample_at_first") else 0
    trained = list(steps.each_epoch())
    # a step shown as 0, on the way up from below, is taken for the beginning
    zero = 0 if first else 1
    if every_epochs > 0:
        drawn = [e for e in trained if e.number % every_epochs == 0 and (e.last_step or first)]
        return first + len(drawn)
    if every_steps > 0 and trained:
        before, last = trained[0].first_step - 1, trained[-1].last_step
        passed = zero if before < 0 <= last else 0
        return first + last // every_steps - before // every_steps - passed
    return first


def count_prompts(path: Path) -> int:
    """Prompts of a .txt, .toml or .json file. Raises OSError, ValueError, KeyError, TypeError."""
    text = read_text(path)
    if path.name.endswith(".txt"):
        return sum(bool(line.strip()) and line[0] != "#" for line in text.split("\n"))
    if path.name.endswith(".toml"):
        return len(parse_toml(text)["prompt"]["subset"])
    if path.name.endswith(".json"):
        return len(json.loads(text))
    raise ValueError("it must end in .txt, .toml or .json")
