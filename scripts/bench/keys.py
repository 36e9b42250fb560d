"""From a key to the complete frame that answers it."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.figures import Figure
from scripts.bench.processes import cpu_s, queue_note, waited_s
from scripts.bench.replay import Chunk, Replay
from scripts.bench.runs import attach, ended_run, live_run
from scripts.bench.terminal import Terminal, TimedOut

KEY_BUDGET_MS = 30.0
PRESSES = 20
#: longer than any answer, so that each key meets a quiet screen
PAUSE_S = (0.25, 0.55)


@dataclass(frozen=True, slots=True)
class Series:
    """A key and the one that takes it back. `marker`: text that the key brings; empty: learned by pressing it.
    `both`: the way back is timed too (not for Escape: Textual waits 100 ms whether it is the
    beginning of a sequence)."""

    what: str
    key: bytes
    back: bytes
    marker: str = ""
    both: bool = True


DRAWER = Series("console drawer", b"l", b"l")
PANEL = Series("next panel", b"\t", b"\x1b[Z")
HELP = Series("help", b"?", b"\x1b", both=False)
BARE_DRAWER = Series("show a widget", b"l", b"l")
BARE_MODAL = Series("modal screen", b"?", b"\x1b", both=False)
#: a marker has no digits: those change by themselves on a live run
_PIECE = re.compile(r"(?=([^0-9\n]{6}))")


def learn_marker(terminal: Terminal, series: Series) -> str:
    """A text that the key brings and its way back takes: what a screen says may change, so none is written
    down here. Raises TimedOut when the key does nothing."""
    absent = set(_pieces(terminal.text()))
    found: list[str] | None = None

    def answered(text: str) -> bool:
        return not absent.issuperset(_pieces(text))

    for _ in range(2):
        terminal.send(series.key)
        terminal.wait_for(answered, 5.0, f"the answer to a key: {series.what}")
        time.sleep(2 * PAUSE_S[1])
        shown = _pieces(terminal.text())
        found = [one for one in shown if found is None or one in found]
        terminal.send(series.back)
        time.sleep(2 * PAUSE_S[1])
        absent |= set(_pieces(terminal.text()))
    for one in found or ():
        if one not in absent:
            return one
    raise TimedOut(f"nothing on the screen comes and goes with a key: {series.what}")


def _pieces(text: str) -> list[str]:
    """All pieces with words in them, from the top."""
    return [one for one in _PIECE.findall(text) if sum(map(str.isalpha, one)) >= 4]


@dataclass(frozen=True, slots=True)
class Press:
    """A key, when it was sent, and the text whose presence it changes."""

    at_s: float
    marker: str
    appears: bool


def answer_times_ms(
    chunks: list[Chunk], presses: list[Press], size: tuple[int, int]
) -> tuple[list[float], int]:
    """For each press the time to the first complete frame in which its marker has changed, and how
    many had no answer before the next key. Those count with the time until that key: at least."""
    ends = [*(press.at_s for press in presses[1:]), float("inf")]
    frames = list(Replay(*size).frames(chunks, presses[0].at_s))
    found: list[float] = []
    late = 0
    for press, end in zip(presses, ends, strict=True):
        seen = (
            at_s
            for at_s, text in frames
            if press.at_s <= at_s < end and (press.marker in text) is press.appears
        )
        at_s = next(seen, None)
        late += at_s is None
        last = at_s if at_s is not None else min(end, press.at_s + PAUSE_S[1])
        found.append((last - press.at_s) * 1000)
    return found, late


def press_keys(
    terminal: Terminal, series: Series, marker: str, count: int, seed: int = 3
) -> list[Press]:
    """Press and take back until `count` keys have been timed, at random moments."""
    dice = random.Random(seed)
    presses: list[Press] = []
    while len(presses) < count:
        for key, appears in ((series.key, True), (series.back, False)):
            time.sleep(dice.uniform(*PAUSE_S))
            at_s = terminal.send(key)
            if key == series.key or series.both:
                presses.append(Press(at_s, marker, appears))
    time.sleep(PAUSE_S[1])
    return presses


def time_keys(
    terminal: Terminal, series: Series, where: str, *, name: str = "keys", budget: bool = True
) -> Figure:
    """The answers to one series of keys, with what they cost the screen (its ticks included)."""
    count = PRESSES if series.both else PRESSES // 2
    marker = series.marker or learn_marker(terminal, series)
    cpu, waited = cpu_s(terminal.pid), waited_s(terminal.pid)
    began = time.monotonic()
    presses = press_keys(terminal, series, marker, count)
    sent = terminal.bytes_since(began)
    cost_ms = (cpu_s(terminal.pid) - cpu) * 1000 / count
    later = waited_s(terminal.pid)
    wait = (later - waited) / count if later is not None and waited is not None else None
    size = (terminal.size.columns, terminal.size.rows)
    found, late = answer_times_ms(terminal.chunks(), presses, size)
    lost = f"; {late} not answered before the next key" if late else ""
    both = " and back" if not series.both else ""
    return Figure(
        name,
        f"{'key to screen' if name == 'keys' else 'bare Textual'}: {series.what}{where}",
        tuple(found),
        "ms",
        KEY_BUDGET_MS if budget else None,
        "p95",
        note=f"{cost_ms:.0f} ms CPU and {sent / count / 1000:.0f} KB a key{both}; {queue_note([wait])}"
        + lost,
    )


def measure_keys(folder: Path) -> list[Figure]:
    """Keys on a run that logs four steps a second, and on an ended one."""
    figures: list[Figure] = []
    with live_run(folder, "keys", 4000, (0.2, 0.3)) as live:
        live.wait_step(4)
        with attach(live.run) as terminal:
            terminal.wait_text("keys", "4000")
            time.sleep(1.0)
            figures += [time_keys(terminal, one, ", live run") for one in (DRAWER, HELP)]
    with attach(ended_run("keys-ended", 2000)) as terminal:
        terminal.wait_text("keys-ended", "2000")
        time.sleep(1.0)
        figures.append(time_keys(terminal, PANEL, ", ended run"))
    return figures
