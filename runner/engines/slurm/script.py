"""The batch script of a job, and the options of sbatch. Pure: nothing of a user reaches the shell unquoted.

The script's shell stays beside the supervisor: it forwards Slurm's signals, starts the supervisor again if
that was killed (so a training is never left without one), and at the end asks for the next job.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from runner.model import Engine

#: a supervisor killed more often than this is not started again
RESTARTS = 5

_SCRIPT = """\
#!/bin/bash
{extra}# written by plasma-tui: runs the supervisor of a training, which starts the trainer
child= ended=
trap 'ended=1; [ -n "$child" ] && kill -TERM "$child" 2>/dev/null' TERM
trap '[ -n "$child" ] && kill -USR1 "$child" 2>/dev/null' USR1
supervise() {{
  "$@" </dev/null & child=$!
  while :; do
    wait "$child"; rc=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=
}}
{runs}
exec >>"$log" 2>&1
for again in {tries}; do
  supervise {supervisor} "$run" --job "$attempt" "$token"
  [ "$rc" -gt 128 ] && [ -z "$ended" ] || break
done
{next}exit "$rc"
"""


@dataclass(frozen=True, slots=True)
class Task:
    """An attempt of a run: its folder, the file for the output of our processes, what its job carries."""

    run: str
    log: str
    attempt: int
    token: str


def script(
    engine: Engine,
    runs: Sequence[Task],
    supervisor: Sequence[str],
    following: Sequence[str],
) -> str:
    """`runs`: the tasks of an array, or one. `supervisor`, `following`: the commands to which folder and
    attempt are added; `following` is only run with `requeue`."""
    after = f'{shlex.join(following)} "$run" "$attempt" </dev/null\n' if engine.requeue else ""
    return _SCRIPT.format(
        extra="".join(f"{line}\n" for line in engine.extra),
        runs=_runs(runs),
        tries=" ".join(map(str, range(1, RESTARTS + 1))),
        supervisor=shlex.join(supervisor),
        next=after,
    )


def _runs(runs: Sequence[Task]) -> str:
    texts = [
        f"run={shlex.quote(one.run)} log={shlex.quote(one.log)} attempt={one.attempt} "
        f"token={shlex.quote(one.token)}"
        for one in runs
    ]
    if len(texts) == 1:
        return texts[0]
    cases = [f"  {number}) {text} ;;" for number, text in enumerate(texts)]
    return "\n".join(('case "$SLURM_ARRAY_TASK_ID" in', *cases, "  *) exit 2 ;;", "esac"))


def options(engine: Engine, *, name: str, token: str, log: str, tasks: int = 1) -> list[str]:
    """For sbatch: they outweigh SBATCH_ variables and the lines of the script. `log`: where Slurm itself
    reports, `%` quoted."""
    given = {
        "partition": engine.partition,
        "gres": engine.gres,
        "time": engine.time,
        "account": engine.account,
        "cpus-per-task": "" if engine.cpus is None else str(engine.cpus),
        "mem": engine.memory,
    }
    return [
        f"--job-name={name}",
        f"--comment={token}",
        *(f"--{option}={value}" for option, value in given.items() if value),
        f"--signal=B:USR1@{engine.signal_s}",
        "--no-requeue",
        "--open-mode=append",
        "--export=ALL",
        "--chdir=/",
        "--input=/dev/null",
        f"--output={log}",
        *((f"--array=0-{tasks - 1}",) if tasks > 1 else ()),
    ]


def log_pattern(path: str) -> str:
    """A path that Slurm takes as it is. A backslash would turn its own patterns off: then nothing is kept."""
    return "/dev/null" if "\\" in path else path.replace("%", "%%")
