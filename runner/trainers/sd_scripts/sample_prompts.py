"""Sample images: how many a training draws, and the prompts of `--sample_prompts`, read as sd-scripts reads
them (train_util.py, sample_images_common and line for line its copies for SD 3, FLUX and others, load_prompts
and line_to_prompt_dict, v0.9 to v0.10)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.flags import whole
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.steps import Steps

#: a larger file is not a prompt file
LIMIT_BYTES = 4_000_000

#: ` --w 256` and similar options after a prompt: syntax, name, type
_OPTIONS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    (r"w (\d+)", "width", int),
    (r"h (\d+)", "height", int),
    (r"d (\d+)", "seed", int),
    (r"s (\d+)", "sample_steps", lambda text: max(1, min(1000, int(text)))),
    (r"l ([\d\.]+)", "scale", float),
    (r"g ([\d\.]+)", "guidance_scale", float),
    (r"n (.+)", "negative_prompt", str),
    (r"ss (.+)", "sample_sampler", str),
)


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """`width`, `height` in pixels. None: not given, so sd-scripts uses its own (512, a random seed)."""

    text: str
    negative: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    steps: int | None = None
    scale: float | None = None
    sampler: str | None = None


@dataclass(frozen=True, slots=True)
class PromptFile:
    """`changed`: changed after the run started, so the images may use other prompts. `problem`: why there are
    no prompts, one sentence."""

    path: str | None = None
    prompts: tuple[SamplePrompt, ...] = ()
    changed: bool = False
    problem: str | None = None


def read_prompt_file(path: Path, since: float) -> PromptFile:
    """The current file. `since`: the run's start, Unix seconds."""
    name = str(path)
    try:
        found = path.stat()
        if found.st_size > LIMIT_BYTES:
            return PromptFile(name, problem=f"{path.name} is too large for a list of prompts")
        prompts = parse_prompts(read_text(path), path.name)
    except FileNotFoundError:
        return PromptFile(name, problem=f"{path.name} no longer exists")
    except OSError as error:
        return PromptFile(name, problem=f"{path.name} cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError) as error:
        return PromptFile(name, problem=f"{path.name} has no prompts: {error}"[:300])
    return PromptFile(name, prompts, found.st_mtime > since)


def parse_prompts(text: str, name: str) -> tuple[SamplePrompt, ...]:
    """Prompts of a .txt (one per line, `#` comments), .toml ([prompt] with [[prompt.subset]]) or .json file
    (a list). Raises ValueError, KeyError, TypeError."""
    if name.endswith(".toml"):
        shared = parse_toml(text)["prompt"]
        subsets = shared["subset"]
        return tuple(_from_table({**shared, **subset}) for subset in subsets)
    if name.endswith(".json"):
        entries = parse_json(text)
        if not isinstance(entries, list):
            raise ValueError("it is not a list")
        return tuple(parse_line(e) if isinstance(e, str) else _from_table(e) for e in entries)
    if not name.endswith(".txt"):
        raise ValueError("it must end in .txt, .toml or .json")
    lines = text.split("\n")
    return tuple(parse_line(one.strip()) for one in lines if one.strip() and one[0] != "#")


def parse_line(line: str) -> SamplePrompt:
    """`a red fox --w 256 --h 256 --d 1`; an unreadable option is skipped."""
    first, *rest = line.split(" --")
    values: dict[str, Any] = {"prompt": first}
    for part in rest:
        for pattern, name, kind in _OPTIONS:
            if match := re.match(pattern, part, re.IGNORECASE):
                with contextlib.suppress(ValueError):
                    values[name] = kind(match.group(1))
                break
    return _from_table(values)


def _from_table(values: Any) -> SamplePrompt:
    """A value of another type is skipped; for text any value is converted."""
    if not isinstance(values, dict):
        raise TypeError("an entry is not text or a table")

    def number(name: str, *kinds: type) -> Any:
        value = values.get(name)
        return value if isinstance(value, kinds) and not isinstance(value, bool) else None

    negative, sampler = values.get("negative_prompt"), values.get("sample_sampler")
    scale = number("scale", int, float)
    scale = number("guidance_scale", int, float) if scale is None else scale
    return SamplePrompt(
        text=str(values.get("prompt", "")),
        negative=None if negative is None else str(negative),
        width=number("width", int),
        height=number("height", int),
        seed=number("seed", int),
        steps=number("sample_steps", int),
        scale=None if scale is None else float(scale),
        sampler=None if sampler is None else str(sampler),
    )


@dataclass(frozen=True, slots=True)
class Samples:
    """`times`: how often samples are drawn; `prompts`: images each time, None: unknown, and `problem` says
    why in one sentence."""

    times: int
    prompts: int | None = None
    problem: str | None = None

    @property
    def count(self) -> int | None:
        if self.times == 0:
            return 0
        return None if self.prompts is None else self.times * self.prompts


def expected_samples(flags: Mapping[str, Any], base_dir: Path, steps: Steps) -> Samples:
    """Raises ValueError for a non-numeric flag."""
    times = sampling_times(flags, steps)
    if not times:
        return Samples(0)
    named = flags.get("sample_prompts")
    if not named:
        missing = "sample_prompts is missing: sd-scripts fails at the first sample"
        return Samples(times, problem=missing)
    try:
        file = base_dir / str(named)
        return Samples(times, len(parse_prompts(read_text(file), file.name)))
    except FileNotFoundError:
        return Samples(times, 0, f"{named}: file not found, so no sample is drawn")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Samples(times, problem=f"{named}: unreadable prompts: {error}")


def sampling_times(flags: Mapping[str, Any], steps: Steps) -> int:
    """sample_every_n_epochs wins over sample_every_n_steps; 0 and below turn them off. The last epoch
    counts, unlike for checkpoints."""
    every_epochs = whole(flags, "sample_every_n_epochs") or 0
    every_steps = whole(flags, "sample_every_n_steps") or 0
    first = 1 if flags.get("sample_at_first") else 0
    trained = list(steps.each_epoch())
    # a step shown as 0 while counting up from below counts as the start
    zero = 0 if first else 1
    if every_epochs > 0:
        drawn = [e for e in trained if e.number % every_epochs == 0 and (e.last_step or first)]
        return first + len(drawn)
    if every_steps > 0 and trained:
        before, last = trained[0].first_step - 1, trained[-1].last_step
        passed = zero if before < 0 <= last else 0
        return first + last // every_steps - before // every_steps - passed
    return first
