"""Other terminal programs beside ours, in the same run: `wandb leet`, terminalboard, nvitop, where pip can
install them. They go into an environment of their own in a cache folder, never into ours."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.bench.figures import Figure, unmeasured
from scripts.bench.limits import waiting
from scripts.bench.pacer import Events
from scripts.bench.processes import cpu_s, rss_mb
from scripts.bench.runs import attach_command, ended_run
from scripts.bench.startup import start_once
from scripts.bench.terminal import Terminal, TimedOut, terminal_environment

STARTS = 3
INSTALL_S, WATCH_S, LOGGED_STEPS = 60.0, 5.0, 500
_LOG = f"""
import math, wandb
run = wandb.init(mode="offline", project="bench", name="leet-run", dir=".")
for step in range({LOGGED_STEPS}):
    run.log({{"loss": 0.08 + 0.1 * math.exp(-step / 150), "lr": 1e-4}})
run.finish()
"""


class NotHere(Exception):
    """A peer that cannot be measured on this machine; one sentence."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`data`: writes what it shows into a folder and returns the words of its command; the first is a program
    of the peers' environment. `useful`: is what was written on the screen?"""

    name: str
    package: str
    data: Callable[[Path, Path], Sequence[str]]
    useful: Callable[[str], bool]
    #: what else pip must heed
    beside: tuple[str, ...] = ()


def _leet(programs: Path, folder: Path) -> Sequence[str]:
    environment = _environment(folder)
    subprocess.run(
        [str(programs / "python"), "-c", _LOG],
        cwd=folder, env=environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return "wandb", "leet", "run", str(next((folder / "wandb").glob("offline-run-*")))


def _terminalboard(programs: Path, folder: Path) -> Sequence[str]:
    events = Events(str(folder / "logs"))
    for step in range(LOGGED_STEPS):
        events.add(step, 0.08 + 0.1 * math.exp(-step / 150))
    return "terminalboard", str(folder / "logs")


def _nvitop(programs: Path, folder: Path) -> Sequence[str]:
    if shutil.which("nvidia-smi") is None:
        raise NotHere("no NVIDIA GPU here")
    return "nvitop", "--monitor"


PEERS = (
    Peer("wandb leet", "wandb", _leet, lambda text: "loss" in text and str(LOGGED_STEPS)[:2] in text),
    Peer(
        "terminalboard", "terminalboard", _terminalboard, lambda text: "loss/current" in text,
        ("plotext<6",),  # terminalboard 0.5.3 allows plotext 6 and fails with it
    ),
    Peer("nvitop", "nvitop", _nvitop, lambda text: "NVITOP" in text),
)  # fmt: skip


def measure_peers(folder: Path) -> list[Figure]:
    """First frame, memory and idle cost of each; ours beside `wandb leet` on as many steps, turn by turn."""
    found: list[Figure] = []
    for peer in PEERS:
        try:
            found += _measure(peer, folder)
        except NotHere as reason:
            found.append(unmeasured("peers", peer.name, f"skipped: {reason}"))
        except (OSError, subprocess.SubprocessError, TimedOut) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            why = " ... ".join(dict.fromkeys((lines[0].removesuffix("; the screen:"), lines[-1])))
            found.append(unmeasured("peers", peer.name, f"skipped: {why[:160]}"))
    return found


def _measure(peer: Peer, folder: Path) -> list[Figure]:
    programs = install(peer.package, *peer.beside)
    home = folder / peer.package
    home.mkdir()
    program, *words = peer.data(programs, home)
    command, environment = (str(programs / program), *words), _environment(home)
    run = ended_run(f"beside-{peer.package}", LOGGED_STEPS)
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(STARTS + 1):
        theirs.append(start_once(command, peer.useful, environment, home).took_ms)
        if peer.package == "wandb":
            ours.append(start_once(attach_command(run), _is_shown).took_ms)
    figures = [Figure("peers", f"{peer.name}: first useful frame", tuple(theirs[1:]), "ms")]
    if ours:
        ratios = tuple(one / other for one, other in zip(ours[1:], theirs[1:], strict=True))
        figures.append(Figure("peers", f"first useful frame against {peer.name}", ratios, "x", 1.0))
    return figures + _idle(peer, command, environment, home)


def _is_shown(text: str) -> bool:
    return "beside-wandb" in text and str(LOGGED_STEPS) in text


def install(package: str, *beside: str) -> Path:
    """The folder of the peers' programs, with this one in it. Raises NotHere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    programs = (
        cache / "plasma-tui-bench" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "bin"
    )
    python = programs / "python"
    try:
        with waiting(f"pip install {package}"):
            if not python.exists():
                venv.create(programs.parent, with_pip=True)
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q"]
            if subprocess.run([*pip, "show", package], capture_output=True, check=False).returncode:
                print(f"installing {package} into {programs.parent} ...", file=sys.stderr)
                subprocess.run(
                    [*pip, "install", "--retries", "1", package, *beside],
                    check=True, capture_output=True, text=True, timeout=INSTALL_S,
                )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotHere(f"pip did not install {package} within {INSTALL_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines() if isinstance(error.stderr, str) else []
        raise NotHere(f"pip cannot install {package}: {lines[-1] if lines else error}") from None
    return programs


def _environment(home: Path) -> dict[str, str]:
    return terminal_environment(
        {
            "HOME": str(home),
            "XDG_CONFIG_HOME": None,
            "XDG_CACHE_HOME": None,
            "WANDB_DIR": str(home),
            "WANDB_MODE": "offline",
        }
    )


def _idle(
    peer: Peer, command: Sequence[str], environment: dict[str, str], home: Path
) -> list[Figure]:
    with Terminal(command, environment=environment, folder=home) as terminal:
        terminal.wait_for(peer.useful, 20.0, f"the first frame of {peer.name}")
        time.sleep(2.0)
        root = psutil.Process(terminal.pid)
        pids = [root.pid, *(child.pid for child in root.children(recursive=True))]
        began, before = time.monotonic(), sum(map(cpu_s, pids))
        time.sleep(WATCH_S)
        took_s = time.monotonic() - began
        cpu = 100 * (sum(map(cpu_s, pids)) - before) / took_s
        sent = terminal.bytes_since(began) / took_s
        memory = sum(map(rss_mb, pids))
    return [
        Figure("peers", f"{peer.name}: RSS of its processes", (memory,), "MB"),
        Figure("peers", f"{peer.name}: idle CPU", (cpu,), "%"),
        Figure("peers", f"{peer.name}: idle bytes", (sent,), "B/s"),
    ]
