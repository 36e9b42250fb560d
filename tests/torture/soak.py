"""A training of a million steps, compressed in time; screens come and go, supervisors are killed.

python -m tests.torture.soak [--steps N] [--kills N] [--screens N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from runner.model import Outcome
from runner.store.rundir import RunDir
from scripts.bench.many import plasma_command
from scripts.bench.processes import cpu_s, rss_mb
from scripts.bench.runs import attach, own_home
from scripts.bench.terminal import Terminal
from tests.torture.ledger import check_files, check_ledger
from tests.torture.outcome import Result, Tally, table
from tests.torture.watching import (
    Sample,
    adopt_again,
    command,
    kill_supervisor,
    live_cost,
    look,
    median_rss,
    status_of,
    training,
    wait_for,
)

NAME = "soak"
SAMPLE_S = 0.25
#: how long a screen stays, and the most that it may use
SCREEN_S, SCREEN_MB = 3.0, 130.0
#: on a machine with too much to do the first frame may take this much longer
SHOWN_S = 60.0
ADOPTION_S = 2.0
#: growth of the supervisor from the second quarter of the run to the last
GROWTH, GROWTH_MB = 1.15, 10.0
#: processor time per 1,000 steps, the last quarter against the second one
COST_GROWTH = 1.5
#: below these, milliseconds per 1,000 steps and per second, a growth is noise
LEAST = (60.0, 60.0)
LONG_STEPS = 200_000
#: processor time of one command, or of a replay until its first frame
COMMAND_CPU_S = 10.0


@dataclass(slots=True)
class _Watch:
    """What was seen while it trained."""

    samples: list[Sample] = field(default_factory=list)
    adoptions_s: list[tuple[float, float]] = field(default_factory=list)
    #: (bytes read again, processor seconds for it), of each adoption
    readings: list[tuple[int, float]] = field(default_factory=list)
    catching_up_s: list[float] = field(default_factory=list)
    screens_mb: list[float] = field(default_factory=list)
    opened_s: list[float] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    lag: int = 0


@dataclass(slots=True)
class _Screen:
    terminal: Terminal
    until_s: float
    shown: bool = False


def soak(
    seed: int, folder: Path, *, steps: int = 1_000_000, kills: int = 5, screens: int = 20
) -> Result:
    """The scenario. `folder`: an empty folder for everything that it writes."""
    tally, watch = Tally(f"soak of {steps:,} steps"), _Watch()
    began = time.monotonic()
    flags = (
        "--steps", str(steps), "--ahead", "600", "--save_every_n_steps", str(max(1, steps // 100)),
        "--epoch_steps", str(max(1, steps // 20)),
    )  # fmt: skip
    with own_home(folder), training("soak_trainer.py", folder, NAME, *flags, exact=True) as run:
        _follow(run, random.Random(seed), watch, _moments(steps, kills), _moments(steps, screens))
        tally.numbers["training_s"] = time.monotonic() - began
        _judge_watch(tally, watch, steps)
        _judge_end(tally, run)
        check_ledger(tally, run, steps)
        check_files(tally, run, steps)
        _open_again(tally, run, steps)
    return tally.result()


def _moments(steps: int, count: int) -> list[int]:
    """Steps at which something happens, evenly spread."""
    return [steps * (2 * n + 1) // (2 * count) for n in range(count)]


def _follow(
    run: RunDir, dice: random.Random, watch: _Watch, kills: list[int], screens: list[int]
) -> None:
    """Sample until the verdict; kill and attach at their moments."""
    open_screens: list[_Screen] = []
    adopted_at: float | None = None
    try:
        while (status := status_of(run)) is None or status.outcome is None:
            time.sleep(SAMPLE_S)
            sample = look(run)
            if sample is None:
                continue
            watch.samples.append(sample)
            if adopted_at is None:
                watch.lag = max(watch.lag, sample.printed - sample.step)
            elif not sample.catching_up and sample.printed - sample.step < 2000:
                watch.catching_up_s.append(sample.at_s - adopted_at)
                watch.readings.append((run.console.stat().st_size, sample.cpu_s))
                adopted_at = None
            if kills and sample.printed >= kills[0] and adopted_at is None:
                kills.pop(0)
                kill_supervisor(run)
                time.sleep(dice.uniform(0.0, 1.0))
                adopted_at = time.monotonic()
                watch.adoptions_s.append(adopt_again(run))
            if screens and sample.printed >= screens[0]:
                screens.pop(0)
                open_screens.append(_Screen(attach(run), time.monotonic() + SCREEN_S))
            open_screens = [one for one in open_screens if not _left(one, dice, watch)]
    finally:
        for one in open_screens:
            _left(one, dice, watch, now=True)


def _left(one: _Screen, dice: random.Random, watch: _Watch, *, now: bool = False) -> bool:
    """Has this screen left? It does after its time, in one of three ways."""
    text = one.terminal.text()
    if not one.shown and NAME in text and "step" in text:
        one.shown = True
        watch.opened_s.append(time.monotonic() - one.terminal.started_at)
    waits = not one.shown and time.monotonic() < one.until_s + SHOWN_S
    if (time.monotonic() < one.until_s or waits) and not now:
        return False
    if not one.shown and not now:
        watch.unshown.append(text)
    if not one.terminal.ended():
        watch.screens_mb.append(rss_mb(one.terminal.pid))
    way = dice.choice(("quit", "hang up", "kill"))
    if way == "quit":
        one.terminal.send(b"q")
        one.terminal.wait_exit()
    elif way == "hang up":
        one.terminal.hang_up()
        one.terminal.wait_exit()
    one.terminal.close()
    return True


def _judge_watch(tally: Tally, watch: _Watch, steps: int) -> None:
    samples, numbers = watch.samples, tally.numbers
    numbers["most_steps_behind"] = watch.lag
    numbers["screens"] = len(watch.screens_mb)
    tally.claim(not watch.unshown, f"{len(watch.unshown)} screens never showed the run")
    if watch.screens_mb:
        tally.at_most("screen_most_MB", max(watch.screens_mb), SCREEN_MB)
        numbers["screen_opened_most_s"] = max(watch.opened_s, default=0.0)
    for number, (wall_s, own_s) in enumerate(watch.adoptions_s, 1):
        numbers[f"adoption_{number}_s"] = wall_s
        tally.at_most(f"adoption_{number}_without_waits_s", own_s, ADOPTION_S)
    for number, (read, spent_s) in enumerate(watch.readings, 1):
        numbers[f"reading_again_{number}_cpu_s_per_MB"] = spent_s / (read / 1e6)
    if len(watch.readings) > 2:
        costs = [spent_s / read for read, spent_s in watch.readings]
        tally.claim(
            costs[-1] < COST_GROWTH * costs[1],
            "reading again costs more per byte, the more there is",
        )
    if watch.catching_up_s:
        numbers["catching_up_most_s"] = max(watch.catching_up_s)
    rss = [median_rss(samples, steps * n / 4, steps * (n + 1) / 4) for n in range(4)]
    for quarter, found in enumerate(rss, 1):
        numbers[f"supervisor_quarter_{quarter}_MB"] = found
    tally.at_most("supervisor_last_quarter_MB", rss[3], rss[1] * GROWTH + GROWTH_MB)
    costs = [live_cost(samples, steps * n / 4, steps * (n + 1) / 4) for n in range(4)]
    for quarter, (step_ms, second_ms) in enumerate(costs, 1):
        numbers[f"supervisor_quarter_{quarter}_ms_per_1000_steps"] = step_ms
        numbers[f"supervisor_quarter_{quarter}_ms_per_second"] = second_ms
    if steps >= LONG_STEPS:  # a short run is all verification and end
        limits = [
            max(value, least) * COST_GROWTH for value, least in zip(costs[1], LEAST, strict=True)
        ]
        tally.claim(costs[3][0] <= limits[0], f"1,000 steps cost {costs[3][0]:.0f} ms at the end")
        tally.claim(costs[3][1] <= limits[1], f"a second costs {costs[3][1]:.0f} ms at the end")
    fds = [sample.fds for sample in samples]
    numbers["fds_least"], numbers["fds_most"] = min(fds), max(fds)
    late = [s.fds for s in samples if s.step > steps * 3 / 4] or fds
    early = [s.fds for s in samples if s.step < steps / 4] or fds
    tally.at_most("fds_last_quarter", max(late), max(early) + 3)


def _judge_end(tally: Tally, run: RunDir) -> None:
    status = wait_for(lambda: status_of(run), 10, "the status")
    tally.claim(status.outcome is Outcome.SUCCEEDED, f"ended {status.outcome}: {status.reasons}")
    whole = [one for one in status.checkpoints if one.complete and one.finite]
    tally.numbers["checkpoints"] = len(whole)
    tally.claim(len(whole) == len(status.checkpoints), "not every checkpoint is valid")
    unsound = [one.name for one in status.alarms if one.over_at is None]
    tally.claim(not unsound, f"alarms are left: {unsound}")


def _open_again(tally: Tally, run: RunDir, steps: int) -> None:
    """The verbs on the ended run, and its replay."""
    for words in (("runs",), ("show", run.id), ("show", run.id, "--json")):
        done, name = command(*words), " ".join(words).replace(run.id, "RUN")
        tally.numbers[f"{name}_s"] = done.wall_s
        tally.at_most(f"{name}_cpu_s", done.cpu_s, COMMAND_CPU_S)
        tally.claim(not done.code, f"{name} exits {done.code}: {done.errors[-300:]!r}")
    with Terminal((*plasma_command(), "replay", run.id, "--speed", "1000")) as terminal:
        terminal.wait_for(lambda text: NAME in text and "step" in text, 60.0, "the replay")
        tally.numbers["replay_s"] = time.monotonic() - terminal.started_at
        tally.at_most("replay_cpu_s", cpu_s(terminal.pid), COMMAND_CPU_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--screens", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        result = soak(args.seed, folder, steps=args.steps, kills=args.kills, screens=args.screens)
    print(table(result))
    return 1 if result.lost else 0


if __name__ == "__main__":
    sys.exit(main())
