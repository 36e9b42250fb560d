"""`[engine]`: where the training is started. The values end up in a request to Slurm: each is checked for what
Slurm itself can read, so that a mistake is found here and with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runner.config.reading import Reader, Section, Wrong, flag, one_of, reads, text, whole
from runner.model import Engine

ENGINES = ("local", "slurm")
#: below this a stop, the verdict and the next request do not fit
LEAST_SIGNAL_S, MOST_SIGNAL_S = 20, 65_535

_NAME = re.compile(r"[\w.,:=@/+-]+")
#: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]
_TIME = re.compile(r"\d+(?::\d{1,2}){0,2}|\d+-\d{1,2}(?::\d{1,2}){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?", re.IGNORECASE)
_LINE = re.compile(r"(?:#SBATCH\s+)?(--[a-z][a-z-]*(?:[= ][^\s].*)?|-[A-Za-z](?:\s.*)?)")
#: these are set by plasma-tui, or change how a job runs its attempt
_OURS = (
    "--array", "-a", "--job-name", "-J", "--output", "-o", "--error", "-e", "--input", "-i", "--open-mode",
    "--requeue", "--no-requeue", "--comment", "--signal", "--export", "--export-file", "--wrap", "--chdir",
    "-D", "--parsable", "--test-only", "--wait", "-W", "--partition", "-p", "--gres", "--time", "-t",
    "--account", "-A", "--cpus-per-task", "-c", "--mem",
)  # fmt: skip

#: print something instead
_NO_JOB = ("--help", "-h", "--usage", "--version", "-V")


def _like(pattern: re.Pattern[str], example: str) -> Reader:
    @reads(type="string", pattern=f"^(?:{pattern.pattern})$")
    def read(value: Any) -> str:
        if not pattern.fullmatch(text(value)):
            raise Wrong(f'is "{value}"; write it like "{example}"')
        return str(value)

    return read


@reads(anyOf=[{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _TIME.pattern}])
def _time(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise Wrong(f'is {value!r}; write minutes, "hours:minutes:seconds" or "days-hours"')
    return value


@reads(type="array", items={"type": "string", "pattern": r"^(#SBATCH\s+)?-"})
def _lines(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong('is no list; write it like ["--qos=high", "--constraint=a100"]')
    found = []
    for index, line in enumerate(value):
        match = _LINE.fullmatch(line) if isinstance(line, str) and line.isprintable() else None
        if match is None:
            raise Wrong(f'contains {line!r}; write options of sbatch, like "--qos=high"', index)
        for option in (word.partition("=")[0] for word in match[1].split() if word[0] == "-"):
            # sbatch also takes the beginning of a long option
            if any(one.startswith(option) for one in _OURS):
                raise Wrong(f"contains {option}, which plasma-tui sets; remove it", index)
            if option in _NO_JOB:
                raise Wrong(f"contains {option}, which submits no job; remove it", index)
        found.append(f"#SBATCH {match[1]}")
    return tuple(found)


ENGINE_KEYS: Mapping[str, Reader] = {
    "kind": one_of(ENGINES).about(
        "Where a start runs the training: `local`, this machine, or `slurm`, as a Slurm job. Default: local."
    ),
    "partition": _like(_NAME, "gpu").about("Slurm partition. Default: the cluster's."),
    "gres": _like(_NAME, "gpu:1").about('GPUs to request, as for `sbatch --gres`: "gpu:1".'),
    "time": _time.about('Time limit of a job: minutes, "1:30:00" or "2-0". Default: the partition\'s.'),
    "account": _like(_NAME, "project1").about("Account to charge."),
    "cpus": whole(1, 100_000).about("CPU cores of a job."),
    "memory": _like(_MEMORY, "32G").about('Main memory of a job: "32G".'),
    "extra": _lines.about('More options of sbatch, one a line: ["--qos=high"].'),
    "requeue": flag.about(
        "Continue in another job after a time limit or a preemption until all is trained. Default: false."
    ),
    "signal_s": whole(LEAST_SIGNAL_S, MOST_SIGNAL_S).about(
        "Seconds before the end of the job at which the training begins to stop. Default: 120."
    ),
}  # fmt: skip


def read_engine(section: Section, given: Mapping[str, Any]) -> Engine:
    """`given`: the valid values."""
    engine = Engine(**given)
    useless = [key for key in given if key != "kind"]
    if engine.is_local and useless:
        section.reading.note(
            (section.name, useless[0]), f'[engine] {useless[0]} is not used: kind is not "slurm"'
        )
    return engine
