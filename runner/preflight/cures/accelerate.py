"""Putting the launcher's configuration right: by a file of our own, or in the user's file when asked."""

from __future__ import annotations

import json
import re

from runner.config.model import Config
from runner.preflight.cures.files import write_file
from runner.preflight.cures.model import Cure, OnOutput, file_cure
from runner.preflight.cures.settings import key_cure
from runner.preflight.facts import Facts
from runner.trainers.accelerate import DISTRIBUTED_TYPES, AccelerateConfig

FILE_NAME = "accelerate.yaml"


def own_config_cure(facts: Facts) -> Cure:
    """A file beside plasma.toml, named to the launcher by --config_file."""
    config = facts.config
    file = config.base_dir / FILE_NAME
    text = config_text(config, cpu=facts.device_wanted == "cpu")

    named = key_cure(config, "accelerate", "", "accelerate", {"config_file": FILE_NAME})

    def change(on_output: OnOutput) -> None:
        write_file(file, text, on_output)
        named.apply(on_output)

    told = (f"write {file}: one machine, the GPU where there is one", *named.will_do)
    return file_cure("accelerate", "accelerate", "use a configuration of its own", told, change)


def config_text(config: Config, *, cpu: bool) -> str:
    """Every key that accelerate 1.6 asks for, so that it neither guesses nor warns."""
    several = config.processes > 1
    kind = ("MULTI_CPU" if cpu else "MULTI_GPU") if several else "NO"
    lines = [
        "# written by plasma-tui; used by [accelerate] config_file of plasma.toml",
        "compute_environment: LOCAL_MACHINE",
        f"distributed_type: '{kind}'",
        f"use_cpu: {'true' if cpu else 'false'}",
        f"num_processes: {config.processes}",
        "num_machines: 1",
        "machine_rank: 0",
        "mixed_precision: 'no'",
        "main_training_function: main",
        "same_network: true",
        "debug: false",
    ]
    return "\n".join(lines) + "\n"


def user_config_cure(facts: Facts, found: AccelerateConfig) -> Cure | None:
    """Change the two settings in the file that other programs read as well; a copy is kept."""
    wanted: dict[str, str] = {}
    if found.use_cpu and facts.device_wanted != "cpu":
        wanted["use_cpu"] = "false"
    kind = found.distributed_type
    if kind not in DISTRIBUTED_TYPES or (kind != "NO" and facts.config.processes == 1):
        wanted["distributed_type"] = "NO"
    if not wanted or found.problem:
        return None

    def change(on_output: OnOutput) -> None:
        old = found.path.read_text(encoding="utf-8")
        write_file(found.path, changed(old, wanted), on_output, "changed")

    words = [f"{name}: {value}" for name, value in wanted.items()]
    told = (f"in {found.path}, which other programs read too (a copy is kept):", *words)
    return file_cure("accelerate_file", "accelerate", "correct the user's own file", told, change)


def changed(text: str, wanted: dict[str, str]) -> str:
    """The YAML or JSON text with other values at its top level; a missing key is added."""
    if text.lstrip().startswith("{"):
        values = json.loads(text)
        values.update({k: v == "true" if v in ("true", "false") else v for k, v in wanted.items()})
        return json.dumps(values, indent=2) + "\n"
    for name, value in wanted.items():
        shown = value if value in ("true", "false") else f"'{value}'"
        line = re.compile(rf"^{name}\s*:.*$", re.M)
        if line.search(text):
            text = line.sub(f"{name}: {shown}", text)
        else:
            text = f"{text.rstrip()}\n{name}: {shown}\n"
    return text
