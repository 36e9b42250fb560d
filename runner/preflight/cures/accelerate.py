"""Fixes the launcher's configuration: with a separate file, or in the user's file on request."""

from __future__ import annotations

import json
import re
import threading

from runner.files.json_text import parse_json
from runner.preflight.cures.files import write_file
from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.settings import set_cure
from runner.preflight.facts import Facts
from runner.trainers.accelerate import DISTRIBUTED_TYPES, AccelerateConfig

FILE_NAME = "accelerate.yaml"
#: every key that accelerate 1.6 expects, so that it does not guess or warn
_TEXT = """\
# written by plasma-tui; used by [accelerate] config_file of plasma.toml
compute_environment: LOCAL_MACHINE
distributed_type: '{kind}'
use_cpu: {cpu}
num_processes: {processes}
num_machines: 1
machine_rank: 0
mixed_precision: 'no'
main_training_function: main
same_network: true
debug: false
"""


def own_config_cure(facts: Facts) -> Cure | None:
    """A file next to plasma.toml, passed to the launcher by --config_file."""
    config, cpu = facts.config, facts.device_wanted == "cpu"
    file = config.base_dir / FILE_NAME
    kind = "NO" if config.processes == 1 else "MULTI_CPU" if cpu else "MULTI_GPU"
    text = _TEXT.format(kind=kind, cpu=str(cpu).lower(), processes=config.processes)
    named = set_cure(config, "accelerate", "", "accelerate", {"config_file": FILE_NAME})
    if named is None:
        return None

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        write_file(file, text, on_output)
        named.apply(on_output)

    will_do = (f"write {file}: one machine, the GPU if there is one", *named.will_do)
    return Cure("accelerate", "accelerate", "use a separate configuration", will_do, act)


def user_config_cure(facts: Facts, found: AccelerateConfig) -> Cure | None:
    """Change the two settings in the shared file; a copy is kept."""
    wanted: dict[str, str] = {}
    if found.use_cpu and facts.device_wanted != "cpu":
        wanted["use_cpu"] = "false"
    kind = found.distributed_type
    if kind not in DISTRIBUTED_TYPES or (kind != "NO" and facts.config.processes == 1):
        wanted["distributed_type"] = "NO"

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        old = found.path.read_text(encoding="utf-8")
        write_file(found.path, changed(old, wanted), on_output, "changed")

    words = [f"{name}: {value}" for name, value in wanted.items()]
    will_do = (f"in {found.path}, which other programs read too (a copy is kept):", *words)
    cure = Cure("accelerate_file", "accelerate", "correct the user's own file", will_do, act)
    return cure if wanted and not found.problem else None


def changed(text: str, wanted: dict[str, str]) -> str:
    """The YAML or JSON text with changed top-level values; a missing key is added."""
    if text.lstrip().startswith("{"):
        values = parse_json(text)
        values.update({k: v == "true" if v in ("true", "false") else v for k, v in wanted.items()})
        return json.dumps(values, indent=2) + "\n"
    for name, value in wanted.items():
        line = f"{name}: {value}" if value in ("true", "false") else f"{name}: '{value}'"
        text, found = re.subn(rf"^{name}\s*:.*$", line, text, flags=re.M)
        if not found:
            text = f"{text.rstrip()}\n{line}\n"
    return text
