"""The world around a run: clocks that jump, a reboot that gives its pids to others, several supervisors at
once, the starter's session ended, a copy of the folder read while it grows."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from runner.control import orders
from runner.control.orders import Refused
from runner.control.remove import RemoveRefused, remove_run
from runner.model import Outcome, RunSnapshot, RunState, Status
from runner.process.spawn import module_command, start_detached
from runner.store.journal import events_of
from runner.store.liveness import lock_held
from runner.store.reader import RunReader
from tests import ROOT
from tests.torture.faults import KILLED, fault
from tests.torture.faults_files import UNPROVEN
from tests.torture.faults_orders import ALIVE, stopped_first, together
from tests.torture.life import Life, copy_folder

FAMILY = "world"
HOUR, DAY = 3600.0, 86_400.0
#: longer than any of these trainings can take
ABSURD_S = 1800.0
CLOCK = Path(__file__).with_name("shifted_clock.py")
JOURNALS = ("steps.jsonl", "events.jsonl", "hardware.jsonl", "console.log")


def nothing_twice(life: Life, last: RunSnapshot) -> Iterator[str]:
    """Facts that happen once in an attempt are journaled once, and steps in their order."""
    if not life.run.events.exists():  # deleted by a fault of the files
        return
    journal = events_of(life.run.events.read_bytes())[0]
    facts = Counter(
        (event.kind, event.data.get("name"))
        for event in journal
        if event.kind in ("started", "ended", "checkpoint_saved", "checkpoint_verified")
        and event.attempt == life.attempt
    )
    several = [fact for fact, number in facts.items() if number > 1]
    if life.output_deleted:  # a file that is gone is verified again
        several = [fact for fact in several if fact[0] != "checkpoint_verified"]
    if any(name.startswith(UNPROVEN) for name in life.destroyed):  # evaluated again, from less
        several = [fact for fact in several if fact[0] != "ended"]
    if several:
        yield f"journaled more than once: {several[:3]}"


# --------------------------------------------------------------------------- clocks


def no_false_alarm(life: Life, last: RunSnapshot) -> Iterator[str]:
    """A jump of the clock is no stall, and no number of the verdict is beyond reason."""
    for event in events_of(life.run.events.read_bytes())[0]:
        if event.kind == "alarm" and event.data.get("kind") in ("stalled", "slow"):
            yield f"a false alarm: {event.data.get('text')}"
    if last.status is not None:
        yield from unreasonable(last.status)


def unreasonable(status: Status) -> Iterator[str]:
    """Times and steps that cannot be."""
    for name in ("eta_s", "seconds_per_step"):
        value = getattr(status, name)
        if value is not None and not 0.0 <= value < ABSURD_S:
            yield f"{name} is {value}"
    if (
        status.trained_s < 0.0
    ):  # it may be long: the time between two readings of a clock that was set
        yield f"trained_s is {status.trained_s}"
    if status.total_steps is not None and not 0 <= status.step <= status.total_steps:
        yield f"step {status.step} of {status.total_steps}"


def shifted(life: Life, shifts: list[float], every_s: float) -> str:
    """A stand-in with another clock takes the place of the killed supervisor."""
    life.checks += [no_false_alarm, nothing_twice]
    life.signal("supervisor", signal.SIGKILL)
    words = ",".join(str(one) for one in shifts)
    with life.run.log.open("ab") as log:
        start_detached(
            [
                sys.executable,
                str(CLOCK),
                words,
                str(every_s),
                "runner.supervisor.detach",
                str(life.run.path),
            ],
            log,
        ).wait()
    seen: set[str] = set()
    step, until = 0, time.monotonic() + life.random.uniform(1.0, 5.0)
    reader = RunReader(life.run.path)
    while time.monotonic() < until and not life.over():
        status = reader.read().status
        if status is not None and status.attempt == life.attempt:
            seen |= set(unreasonable(status))
            if status.step < step:
                seen.add(f"the step went back from {step} to {status.step}")
            step = max(step, status.step)
        time.sleep(0.05)
    life.wrong += [f"with clocks {shifts}: {one}" for one in seen]
    return f"clocks {shifts}, another every {every_s:.1f} s; step {step}"


@fault("a supervisor with a wrong clock", FAMILY, weight=2)
def wrong_clock(life: Life) -> str:
    return shifted(life, [life.random.choice((-DAY, -HOUR, HOUR, DAY))], 1e9)


@fault("a supervisor whose clock jumps", FAMILY, weight=2)
def jumping_clock(life: Life) -> str:
    number = life.random.randint(2, 6)
    shifts = life.random.choices((0.0, -DAY, -HOUR, -30.0, 30.0, HOUR, DAY), k=number)
    return shifted(life, shifts, life.random.uniform(0.3, 2.0))


@fault("a reader with a wrong clock", FAMILY, phases=ALIVE)
def readers_clock(life: Life) -> str:
    shift = life.random.choice((-DAY, -HOUR, HOUR, DAY))
    found = subprocess.run(
        [sys.executable, str(CLOCK), str(shift), "1e9", "tui.cli", "show", life.run.id, "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    try:
        shown = json.loads(found.stdout)
    except ValueError:
        life.wrong.append(f"show with clock {shift}: {found.stdout[-200:]} {found.stderr[-300:]}")
        return "unreadable"
    if shown["state"] == "lost":
        life.wrong.append(f"a reader with clock {shift} calls the run lost")
    for name in ("eta_s", "seconds_per_step"):
        if shown.get(name) is not None and not 0 <= shown[name] < ABSURD_S:
            life.wrong.append(f"a reader with clock {shift}: {name} is {shown[name]}")
    return f"clock {shift}: {shown['state']}, step {shown.get('step')}, {shown.get('eta_s')}"


@fault("files with impossible times", FAMILY)
def strange_times(life: Life) -> str:
    """As after a copy, or on a disk of a machine with another clock."""
    life.checks.append(nothing_twice)
    shift = life.random.choice((-40 * 365 * DAY, -DAY, HOUR, DAY, 60 * 365 * DAY))
    hit = 0
    for path in life.run.path.iterdir():
        if life.random.random() < 0.7:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, times=(time.time() + shift,) * 2)
                hit += 1
    if life.random.random() < 0.5:
        life.signal("supervisor", signal.SIGKILL)
    return f"{hit} files moved by {shift:.0f} s"


# --------------------------------------------------------------------------- a reboot


def _innocent(life: Life) -> psutil.Process:
    """The leader of a session of its own, as a daemon that got a pid of the training after a reboot."""
    child = subprocess.Popen(
        ["sleep", "900"], cwd="/", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def end() -> None:
        child.kill()
        child.wait()

    life.undo.append(end)
    return psutil.Process(child.pid)


def _rewrite(path: Path, **values: object) -> None:
    with contextlib.suppress(OSError, ValueError):
        data = json.loads(path.read_bytes())
        path.write_text(json.dumps({**data, **{k: v for k, v in values.items() if k in data}}))


@fault(
    "a reboot after which its pids belong to others", FAMILY, KILLED | {Outcome.FAILED}, weight=3
)
def reboot(life: Life) -> str:
    """Everything dies at once; then keeper.json and status.json name an innocent process."""
    everything = [
        process for role, found in life.processes().items() if role != "screen" for process in found
    ]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # nothing sees another die
        for process in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
    psutil.wait_procs(everything, timeout=10)
    other = _innocent(life)
    created = other.create_time() if life.random.random() < 0.4 else None
    pids = {"pid": other.pid, "keeper_pid": other.pid, "pgid": other.pid}
    # a pid with its create time is that process, unless the keeper started its trainer long before
    _rewrite(life.run.keeper, **pids, started_at=other.create_time() - 600)
    times = {"trainer_created_at": created} if created is not None else {}
    _rewrite(life.run.status, trainer_pid=other.pid, supervisor_pid=other.pid, **pids, **times)
    ended = life.over() or life.run.exit.exists()
    state = life.look().state
    if not ended and state not in (RunState.LOST, RunState.ENDED, RunState.STARTING):
        life.wrong.append(f"after a reboot the run is called {state}")
    said = [str(state), "its create time" if created else "another create time"]
    if life.random.random() < 0.6:
        said.append(_ordered(life, life.random.choice(("default", "now", "after_save"))))
    if life.random.random() < 0.3:
        said.append(_removed(life, forged=created is not None))

    def spared(_: Life, last: RunSnapshot) -> Iterator[str]:
        if not other.is_running() or other.status() == psutil.STATUS_ZOMBIE:
            yield f"an innocent process was ended ({said})"

    life.checks += [spared, nothing_twice]
    if not ended:
        life.checks.append(_cause_of_reboot)
    return str(said)


def _cause_of_reboot(life: Life, last: RunSnapshot) -> Iterator[str]:
    """Nobody saw it end; or it had not begun."""
    cause = last.status.cause.key if last.status is not None and last.status.cause else None
    known = {"killed": "killed_by_signal", "failed": "not_started"}.get(str(last.outcome))
    if life.output_deleted or life.destroyed & {"spec.json", "console.log"}:
        return  # a failure of its own
    if known is not None and cause not in (known, "disk_full"):
        yield f"after a reboot the cause of {last.outcome} is {cause}"


def _ordered(life: Life, mode: str) -> str:
    try:
        sent = orders.stop(life.run.path, mode)
    except Refused as error:
        return f"{mode}: {error}"
    answer = orders.await_answer(life.run.path, sent, 30.0)
    if answer is not None and answer.accepted and not life.over():
        life.allowed |= {"stopped"}
    return f"{mode}: {answer}"


def _removed(life: Life, *, forged: bool) -> str:
    """Of a copy in the same home, so that the life goes on."""
    copy = life.run.path.with_name(f"{life.run.id}-copy")
    copy_folder(life.run.path, copy)
    try:
        remove_run(copy, with_checkpoints=True)
    except RemoveRefused as error:
        shutil.rmtree(copy)
        # a pid with its create time is that process, as far as a removal can know: refusing is the safe side
        if "live processes" in str(error) and not forged:
            life.wrong.append(f"a run without a process is not removed: {error}")
        return f"not removed: {error}"
    return "removed"


# --------------------------------------------------------------------------- several supervisors


@fault("several supervisors at once", FAMILY, weight=3)
def several(life: Life) -> str:
    """Beside the living, the killed or the frozen one: one works, the others leave."""
    life.checks.append(nothing_twice)
    first = life.random.choice(("alive", "killed", "frozen"))
    if first != "alive":
        life.signal("supervisor", signal.SIGKILL if first == "killed" else signal.SIGSTOP)
    words = module_command("runner.supervisor.detach", str(life.run.path))

    def by_module() -> str:
        with life.run.log.open("ab") as log:
            start_detached(words, log).wait()
        return ""

    def by_function() -> str:
        orders.start_supervisor(life.run)
        return ""

    number = life.random.choice((2, 5))
    together([life.random.choice((by_module, by_function)) for _ in range(number)])
    deadline, left = time.monotonic() + 20.0, 99
    while left > 1 and time.monotonic() < deadline:
        time.sleep(0.3)
        left = len(life.processes().get("supervisor", ()))
    if left > 1:
        life.wrong.append(f"{left} supervisors live at once")
    life.signal("supervisor", signal.SIGCONT)
    return f"{number} beside one that was {first}: {left} left"


# --------------------------------------------------------------------------- the starter's session


@fault("the starter's session is ended", FAMILY, phases=ALIVE[2:], weight=2)
def session_ended(life: Life) -> str:
    """A resume in a session of its own, all of which gets a signal: a logout."""
    if not stopped_first(life):
        return "nothing to resume"
    starter = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "resume", life.run.id, "--wait"],
        cwd=ROOT, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_s, number = (
        life.random.uniform(0.3, 6.0),
        life.random.choice((signal.SIGTERM, signal.SIGHUP)),
    )
    time.sleep(wait_s)
    hit = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == starter.pid:
                os.kill(pid, number)
                hit.append(pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        starter.wait(20)
    starter.kill()
    starter.wait()
    if not life.run.attempt(life.attempt + 1).exists():
        return f"{number.name} after {wait_s:.1f} s to {len(hit)}: before the resume"
    life.attempt += 1
    life.checks.append(nothing_twice)
    if lock_held(life.run.lock) or life.run.started(life.attempt).exists():
        return f"{number.name} after {wait_s:.1f} s to {len(hit)}: resumed"
    life.attempt -= 1  # a plan that nothing has started is replaced by the next resume
    return f"{number.name} after {wait_s:.1f} s to {len(hit)}: planned only"


# --------------------------------------------------------------------------- copies


@fault("a copy read while it is live", FAMILY, weight=2)
def copied(life: Life) -> str:
    """At a random moment, file by file in any order: readable at every byte, and the beginning of the whole."""
    place = life.folder / "copies" / f"{len(life.notes)}"
    linked = life.random.random() < 0.3
    place.mkdir(parents=True)
    names = [path for path in life.run.path.iterdir() if path.is_file()]
    life.random.shuffle(names)
    for path in names:
        with contextlib.suppress(FileNotFoundError):
            if linked:
                try:
                    os.link(path, place / path.name)
                except OSError:  # the run folder is on a disk of its own
                    shutil.copyfile(path, place / path.name)
            else:
                shutil.copyfile(path, place / path.name)
            time.sleep(life.random.uniform(0.0, 0.02))
    _read(life, place, "a copy")
    if linked:
        return f"{len(names)} hard links"
    held = {name: (place / name).read_bytes() for name in JOURNALS if (place / name).exists()}

    def prefix(_: Life, last: RunSnapshot) -> Iterator[str]:
        for name, data in held.items():
            if name not in life.destroyed and not (life.run.path / name).read_bytes().startswith(
                data
            ):
                yield f"a copy of {name} is not its beginning"

    life.checks.append(prefix)
    for _ in range(12):  # a copy that was broken off
        for name in ("steps.jsonl", "events.jsonl", "status.json", "spec.json", "console.log"):
            if (place / name).exists():
                size = (place / name).stat().st_size
                os.truncate(place / name, life.random.randint(0, size))
                break_off = _read(life, place, f"a copy with {name} cut off")
                if break_off and name in held:
                    (place / name).write_bytes(held[name])
    return f"{len(names)} files"


def _read(life: Life, place: Path, what: str) -> bool:
    try:
        snapshot = RunReader(place).read_all()
    except Exception as error:
        life.wrong.append(f"{what}: {type(error).__name__}: {error}")
        return False
    last = snapshot.loss.last_step
    if last is not None and not 1 <= last <= life.trainer.steps:
        life.wrong.append(f"{what} shows step {last}")
    return True
