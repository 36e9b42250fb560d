"""Can sample images be drawn? Without prompts sd-scripts dies at the first of them.

sd-scripts main 48d368fa (sample_images_common): `--sample_every_n_*` and `--sample_at_first` read
--sample_prompts, a .txt, .toml or .json file; another ending leaves no prompts and an unbound name.
"""

from __future__ import annotations

import json
from pathlib import Path

from runner.config.flags import FlagValue
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned

EVERY = ("sample_every_n_steps", "sample_every_n_epochs")
ENDINGS = (".txt", ".toml", ".json")


def look(facts: Facts) -> Finding:
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
        return failed("no prompts", detail, advice).curable(cure)
    if problem := problem_of(prompts):
        detail = f"{prompts} {problem}."
        return failed("prompts not there", detail, "correct sample_prompts").curable(cure)
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


CHECK = Check("samples", "Samples", look)
