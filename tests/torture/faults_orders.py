"""Orders at every moment: alone, together, too late, malformed, and with a fault while they are carried out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from runner.control import launch, orders
from runner.control.orders import Refused
from runner.control.resume import plan_resume
from runner.model import ExitRecord, RunSnapshot, RunSpec
from runner.store import inbox
from runner.store.inbox import DEADLINE_S, Order
from runner.store.journal import events_of, readable, write_json
from runner.store.rundir import RunDir
from tests import ROOT
from tests.torture.faults import BROKEN, KILLED, STOPPED, TABLE, UNHARMED, fault, frozen
from tests.torture.life import Life
from tests.torture.project import prepared

FAMILY = "orders"
MODES = ("default", "now", "after_save")
KINDS = (*MODES, "cancel")
ALIVE = ("starting", "caching", "training", "saving a checkpoint", "saving a state", "verifying")
#: a supervisor that is alive answers at once, on a busy machine within this
ANSWER_S = 30.0
#: a training that ended by itself so long after it was told to stop did not obey
DISOBEYED_S = 20.0
ROLES = ("supervisor", "keeper", "trainer", "launcher")
OUTCOMES = {"trainer": KILLED, "launcher": BROKEN}


# --------------------------------------------------------------------------- giving orders


def give(life: Life, kind: str, *, wait_s: float = ANSWER_S) -> str:
    """An order, as from any screen; what came of it. From now on the attempt is held to its answers."""
    if orders_kept not in life.checks:
        life.checks.append(orders_kept)
    try:
        path = life.run.path
        sent = orders.cancel_stop(path) if kind == "cancel" else orders.stop(path, kind)
    except Refused as error:
        return f"{kind}: refused, {error}"
    answer = orders.await_answer(life.run.path, sent, wait_s)
    if answer is None:
        life.wrong.append(f"{kind}: no answer within {wait_s:.0f} s")
        return f"{kind}: no answer"
    return f"{kind}: {'' if answer.accepted else 'refused, '}{answer.text}"


def together(acts: list[Callable[[], str]]) -> list[str]:
    """All at the same time, each in its own thread; what came of each."""
    said: list[str] = [""] * len(acts)
    gate = threading.Barrier(len(acts))

    def one(number: int) -> None:
        gate.wait()
        try:
            said[number] = acts[number]()
        except Exception as error:
            said[number] = f"failed: {type(error).__name__}: {error}"

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def command(*words: str) -> subprocess.Popen[str]:
    """plasma-tui in its own process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tui.cli", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip


def heard(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, its last line)."""
    text, _ = process.communicate(timeout=240)
    return process.returncode, (text.strip().splitlines() or [""])[-1]


def traceback_of(life: Life, said: str) -> str:
    if "Traceback" in said or "Error:" in said:
        life.wrong.append(f"a command failed: {said}")
    return said


# --------------------------------------------------------------------------- what the answers promise


def orders_kept(life: Life, last: RunSnapshot) -> Iterator[str]:
    """An accepted stop was carried out, unless the training ended by itself first; without one, nothing was
    stopped. Nothing of the training is left."""
    standing = _standing(life)
    outcome = str(last.outcome)
    if standing is None and outcome == "stopped" and "inbox" not in life.destroyed:
        yield f"attempt {life.attempt} was stopped, and no accepted order says so"
    if standing is not None and standing.data.get("mode") != "after_save":
        yield from _obeyed(life, standing, outcome)
    if left := life.left():
        yield f"left behind by attempt {life.attempt}: {left}"


def _standing(life: Life) -> Order | None:
    """The last accepted stop of this attempt that was not cancelled, in the order of the answers."""
    own = [order for order in inbox.done(life.run) if order.attempt in (life.attempt, None)]
    standing: Order | None = None
    for order in sorted(own, key=lambda order: order.answered_at or 0.0):
        if order.refused or order.data.get("repeats") or order.data.get("hurries"):
            continue
        standing = None if order.kind == "cancel_stop" else order
    return standing


def _obeyed(life: Life, order: Order, outcome: str) -> Iterator[str]:
    journal = events_of(life.run.events.read_bytes())[0] if life.run.events.exists() else []
    kinds = {event.kind for event in journal if event.attempt == life.attempt}
    ended = readable(life.run.exit, ExitRecord)
    waited = (ended.at if ended is not None else 0.0) - (order.answered_at or 0.0)
    if outcome == "succeeded" and not kinds & {"signalled", "all_gone"} and waited > DISOBEYED_S:
        yield f"a stop ({order.data}) was accepted {waited:.0f} s before the training ended by itself"
    if outcome == "killed" and "killed" not in life.allowed:
        yield f"a stop ({order.data}) was accepted, and the attempt is called killed"


# --------------------------------------------------------------------------- orders alone


def _alone(kind: str, life: Life) -> str:
    said = give(life, kind)
    if kind == "now" and ": stopping" in said:
        deadline, lives = time.monotonic() + 10.0, True
        while lives and time.monotonic() < deadline:
            time.sleep(0.1)
            lives = bool(life.processes().get("trainer"))
        if lives:
            life.wrong.append("a trainer lives 10 s after an accepted stop now")
    return said


for one in KINDS:
    outcomes = UNHARMED if one == "cancel" else STOPPED
    fault(f"order {one}", FAMILY, outcomes, weight=1.5)(partial(_alone, one))


@fault("stop after a save cancelled later", FAMILY, STOPPED)
def cancelled_later(life: Life) -> str:
    first = give(life, "after_save")
    time.sleep(life.random.uniform(0.0, 1.5))
    return f"{first}; {give(life, 'cancel')}"


@fault("stop cancelled at once", FAMILY, STOPPED)
def cancelled_at_once(life: Life) -> str:
    """The second order reaches the inbox before the first is answered."""
    late = life.random.uniform(0.0, 0.1)

    def cancel() -> str:
        time.sleep(late)
        return give(life, "cancel")

    return str(together([lambda: give(life, "default"), cancel]))


@fault("the same order twice at once", FAMILY, STOPPED)
def twice(life: Life) -> str:
    kind = life.random.choice(KINDS)
    return str(together([partial(give, life, kind)] * 2))


@fault("opposite orders at once by two threads", FAMILY, STOPPED, weight=2)
def opposite(life: Life) -> str:
    kinds = life.random.sample(KINDS, 2)
    return str(together([partial(give, life, kind) for kind in kinds]))


@fault("opposite orders at once by two commands", FAMILY, STOPPED, phases=ALIVE)
def opposite_commands(life: Life) -> str:
    flags = life.random.sample(([], ["--now"], ["--after-save"], ["--cancel"]), 2)
    if orders_kept not in life.checks:
        life.checks.append(orders_kept)
    told = [command("stop", life.run.id, "--no-wait", *words) for words in flags]
    return traceback_of(
        life, str([(words, *heard(one)) for words, one in zip(flags, told, strict=True)])
    )


@fault("a flood of orders", FAMILY, STOPPED)
def flood(life: Life) -> str:
    kinds = life.random.choices(KINDS, k=life.random.randint(5, 12))
    return str(together([partial(give, life, kind) for kind in kinds]))


@fault("an order to a frozen supervisor", FAMILY, STOPPED)
def to_the_frozen(life: Life) -> str:
    kind, seconds = life.random.choice(KINDS), life.random.uniform(1.0, 6.0)
    freeze = partial(frozen, life, ("supervisor",), seconds)
    return str(together([freeze, partial(give, life, kind)]))


# --------------------------------------------------------------------------- late, malformed


def by_hand(life: Life, data: object, name: str | None = None) -> str:
    name = name or f"{time.time_ns()}-{life.random.randbytes(4).hex()}.json"
    write_json(life.run.inbox / name, data)
    return name


def _stop_order(life: Life, **more: object) -> dict[str, object]:
    order: dict[str, object] = {
        "id": life.random.randbytes(4).hex(), "kind": "stop", "at": time.time(), "by": "somebody",
        "data": {"mode": life.random.choice(MODES)}, "attempt": life.attempt,
    }  # fmt: skip
    return {**order, **more}


def _takes_no_more(life: Life) -> bool:
    """The run has ended, and no later attempt will answer what is put into the inbox."""
    if not life.over():
        return False
    try:
        plan_resume(life.look())
    except Refused:
        return True
    return False


@fault("orders to another attempt", FAMILY, weight=2)
def late(life: Life) -> str:
    """None of them may be carried out."""
    life.checks.append(orders_kept)
    if _takes_no_more(life):
        return "nobody would answer"
    for more in (
        {"attempt": life.attempt - 1}, {"attempt": life.attempt + 7}, {"attempt": -1},
        {"attempt": None, "at": 0.0}, {"attempt": 10**12},
    ):  # fmt: skip
        by_hand(life, _stop_order(life, **more))
    return "5 orders"


@fault("an order from a machine with a wrong clock", FAMILY, STOPPED)
def wrong_clock(life: Life) -> str:
    """It counts like any other: the disk knows when it was written."""
    life.checks.append(orders_kept)
    if _takes_no_more(life):
        return "nobody would answer"
    apart_s = life.random.choice((-1, 1)) * life.random.uniform(DEADLINE_S, 1e6)
    by_hand(life, _stop_order(life, at=time.time() + apart_s))
    return f"{apart_s:+.0f} s"


@fault("an order left after the end", FAMILY, STOPPED, phases=("ended",))
def after_the_end(life: Life) -> str:
    """Of the attempt that has just ended: the next one must not obey it."""
    if _takes_no_more(life):
        return "nobody would answer"
    by_hand(life, _stop_order(life))
    life.checks.append(orders_kept)
    return "one order"


def _strange(life: Life) -> Iterator[tuple[bytes, Callable[[bytes], object]]]:
    """(what the name ends with, how to put it there)."""

    def data(content: bytes) -> Callable[[bytes], object]:
        def put(path: bytes) -> None:
            with open(path, "wb") as stream:
                stream.write(content)

        return put

    def large(path: bytes) -> None:
        data(b"")(path)
        os.truncate(path, 50_000_000)

    def of(**more: object) -> Callable[[bytes], object]:
        return data(json.dumps(_stop_order(life, **more)).encode())

    whole = json.dumps(_stop_order(life)).encode()
    yield b"empty", data(b"")
    yield b"garbage", data(life.random.randbytes(5000))
    yield b"nul", data(bytes(4000))
    yield b"large", large
    yield b"deep", data(b"[" * 30_000)
    yield b"deep-data", data(b'{"id":"a","kind":"stop","at":1,"data":' + b'{"a":' * 20_000)
    yield b"torn", data(whole[: len(whole) // 2])
    yield b"folder", os.mkdir
    yield b"fifo", os.mkfifo
    yield b"link-zero", lambda path: os.symlink("/dev/zero", path)
    yield b"link-order", lambda path: os.symlink(os.fsencode(life.run.spec), path)
    yield b"types", of(id=5, kind=["stop"], at="soon", data="now")
    yield b"unknown", of(kind="explode")
    yield b"mode", of(data={"mode": {"now": True}})
    yield b"marks", of(data={"mode": "sideways", "hurries": True, "after_save_index": "x"})
    yield b"list", data(b"[1, 2]")
    yield b"at", data(b'{"id":"a","kind":"stop","at":1e999,"attempt":"x"}')
    yield b"new\nline", of(kind="explode\n\x1b[2J")
    yield b"\xff\xfe", of(kind="")
    yield b"n" * 190, of(kind="x" * 9000)


@fault("malformed files in the inbox", FAMILY, weight=2)
def malformed(life: Life) -> str:
    """Set aside or refused; orders after them are still answered."""
    life.checks.append(orders_kept)
    if _takes_no_more(life):
        return "nobody would answer"
    kinds = list(_strange(life))
    some = life.random.sample(kinds, life.random.randint(1, len(kinds)))
    for ending, put in some:
        path = os.fsencode(life.run.inbox) + b"/%d-%s.json" % (time.time_ns(), ending)
        with contextlib.suppress(FileNotFoundError):
            put(path)
    return f"{len(some)} files; {give(life, 'cancel')}"


# --------------------------------------------------------------------------- faults while stopping


def _order_and_kill(role: str, life: Life) -> str:
    """A stop, the death of one process within half a second, and another order."""
    kind, again = life.random.choice(MODES), life.random.choice(KINDS)
    victims = life.processes().get(role, [])
    wait_s, later_s = life.random.uniform(0.0, 0.5), life.random.uniform(0.0, 0.5)

    def kill() -> str:
        time.sleep(wait_s)
        for process in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return f"killed {role} {[one.pid for one in victims]} after {wait_s:.3f} s"

    def second() -> str:
        time.sleep(wait_s + later_s)
        return give(life, again, wait_s=2 * ANSWER_S)

    return str(together([partial(give, life, kind, wait_s=2 * ANSWER_S), kill, second]))


for one in ROLES:
    fault(
        f"an order then SIGKILL {one} then another order", FAMILY, STOPPED | OUTCOMES.get(one, UNHARMED),
        needs=("launcher",) if one == "launcher" else (), weight=1.5,
    )(partial(_order_and_kill, one))  # fmt: skip


@fault("an order and any fault of a process", FAMILY, STOPPED, weight=2)
def with_any_fault(life: Life) -> str:
    """From the family of signals, while the order is carried out."""
    has = {"screen"} if life.screens else set()
    has |= {"launcher"} if life.launcher == "accelerate" else set()
    has |= {"worker"} if life.workers else set()
    other = life.random.choice([f for f in TABLE if f.family == "processes" and f.needs <= has])
    life.allowed |= {str(outcome) for outcome in other.outcomes}
    kind, wait_s = life.random.choice(MODES), life.random.uniform(0.0, 0.5)

    def harm() -> str:
        time.sleep(wait_s)
        return f"{other.name}: {other.act(life)}"

    return str(together([partial(give, life, kind, wait_s=2 * ANSWER_S), harm]))


# --------------------------------------------------------------------------- starting and resuming


def stopped_first(life: Life) -> bool:
    """End this attempt, so that it can be resumed. False: there is nothing to resume."""
    life.allowed |= {"stopped"}
    life.note(give(life, life.random.choice(("default", "now"))))
    life.settle()
    return not _takes_no_more(life)


@fault("a stop while a resume starts", FAMILY, STOPPED, phases=ALIVE[2:], weight=2)
def stop_the_resume(life: Life) -> str:
    if not stopped_first(life):
        return "nothing to resume"
    life.allowed |= {"stopped"}
    wait_s, kind = life.random.uniform(0.0, 1.0), life.random.choice(KINDS)

    def stop() -> str:
        time.sleep(wait_s)
        return give(life, kind, wait_s=2 * ANSWER_S)

    said = together([lambda: f"resumed: {life.resume()}", stop])
    return f"{kind} {wait_s:.2f} s after a resume: {said}"


@fault("two resumes at once", FAMILY, phases=ALIVE[2:], weight=2)
def two_resumes(life: Life) -> str:
    """One is carried out, the other refused."""
    if not stopped_first(life):
        return "nothing to resume"
    if life.random.random() < 0.5:
        both = [command("resume", life.run.id) for _ in range(2)]
        said = [heard(one) for one in both]
        started = sum(code == 0 for code, _ in said)
        traceback_of(life, str(said))
    else:
        plan = plan_resume(life.look()).plan

        def start() -> str:
            try:
                launch.start_attempt(life.run, plan)
            except Refused as error:
                return f"refused: {error}"
            return "started"

        words = together([start, start])
        said, started = words, words.count("started")  # type: ignore[assignment]
    life.attempt += 1
    if started != 1:
        life.wrong.append(f"{started} of two resumes say that they started: {said}")
    return str(said)


@fault("the same project started again", FAMILY, phases=ALIVE, weight=1.5)
def started_again(life: Life) -> str:
    """While it runs: refused, even if files may be overwritten."""
    if life.over():
        return "it has ended"
    if life.random.random() < 0.3:
        code, text = heard(
            command("start", "--config", str(life.project / "plasma.toml"), "--force", "torture")
        )
        if code == 0:
            _second_start(life, text.split()[-1].strip("`"))
        return traceback_of(life, f"exit {code}: {text}")
    plan = prepared(life.project / "plasma.toml")
    try:
        run = launch.start_run(plan.spec, plan.plan)
    except Refused as error:
        return f"refused: {error}"
    _second_start(life, run.id)
    return "accepted"


def _second_start(life: Life, run_id: str) -> None:
    """Right only if the first had ended meanwhile: then its files were replaced with the user's consent."""
    second = RunDir(life.run.path.with_name(run_id))
    begun, ended = readable(second.spec, RunSpec), readable(life.run.exit, ExitRecord)
    if (
        begun is None
        or ended is None
        or ended.attempt < life.attempt
        or ended.at > begun.created_at
    ):
        life.wrong.append(f"a second start of the same project was accepted: {run_id}")
    life.output_deleted = True
    life.allowed.add("failed")
    with contextlib.suppress(Refused):
        orders.stop(second.path, "now")
