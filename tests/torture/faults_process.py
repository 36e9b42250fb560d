"""Signals to every process of a run, alone and in pairs."""

from __future__ import annotations

import contextlib
import signal
import time
from functools import partial
from itertools import combinations

from scripts.bench.terminal import TimedOut
from tests.torture.faults import BROKEN, KILLED, UNHARMED, fault, frozen
from tests.torture.life import Life

FAMILY = "processes"
#: on a busy machine
SCREEN_ENDS_S = 30.0
ROLES = ("screen", "supervisor", "keeper", "launcher", "trainer", "worker")
#: roles that the training can do without
SPARE = {"screen", "supervisor", "keeper"}
NEEDS = {"screen": "screen", "launcher": "launcher", "worker": "worker"}
OUTCOMES = {"trainer": KILLED, "launcher": BROKEN, "worker": BROKEN}


def _needs(roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(NEEDS[role] for role in roles if role in NEEDS)


def _outcomes(roles: tuple[str, ...]) -> frozenset:  # type: ignore[type-arg]
    return UNHARMED.union(*(OUTCOMES.get(role, UNHARMED) for role in roles))


def _kill(roles: tuple[str, ...], life: Life) -> str:
    hit = [(role, life.signal(role, signal.SIGKILL)) for role in roles]
    return f"killed {hit}"


def _freeze(roles: tuple[str, ...], life: Life) -> str:
    return frozen(life, roles, life.random.uniform(0.1, 2.0))


for one in ROLES:
    fault(f"SIGKILL {one}", FAMILY, _outcomes((one,)), needs=_needs((one,)), weight=2)(
        partial(_kill, (one,))
    )
    fault(f"SIGSTOP, SIGCONT {one}", FAMILY, needs=_needs((one,)))(partial(_freeze, (one,)))
for pair in combinations(ROLES, 2):
    fault(f"SIGKILL {pair[0]} and {pair[1]}", FAMILY, _outcomes(pair), needs=_needs(pair))(
        partial(_kill, pair)
    )


@fault(
    "supervisor killed every 300 ms", FAMILY, phases=("starting", "training", "ending"), weight=2
)
def again_and_again(life: Life) -> str:
    """A successor each time, as screens give it one."""
    number = life.random.randint(3, 8)
    for _ in range(number):
        life.signal("supervisor", signal.SIGKILL)
        time.sleep(0.3)
        life.adopt()
    return f"{number} supervisors killed"


@fault("SIGTERM, SIGINT, SIGHUP, SIGPIPE supervisor and keeper", FAMILY)
def polite_signals(life: Life) -> str:
    """What a logout, a shell or a service manager sends."""
    sent = []
    for role in ("supervisor", "keeper"):
        number = life.random.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE))
        sent.append((role, number.name, life.signal(role, number)))
    return f"sent {sent}"


@fault("terminal hang-up of a screen", FAMILY, needs=("screen",))
def hang_up(life: Life) -> str:
    """A screen without a terminal ends by itself."""
    for screen in life.screens:
        screen.hang_up()
        with contextlib.suppress(OSError, TimedOut):
            screen.wait_exit(SCREEN_ENDS_S)
    if left := life.processes().get("screen"):
        life.wrong.append(f"a screen lived on without a terminal: {left}")
    return f"{len(life.screens)} screens hung up"
