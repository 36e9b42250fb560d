"""The pictures of README and docs, one of them a film: all of one real `plasma-tui demo` of about a minute."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.bench.replay import Chunk, Replay
from scripts.bench.terminal import Size, Terminal, terminal_environment
from scripts.docs import ROOT
from scripts.docs.drawing import Line, film, lines_of, picture

PROGRAM = str(Path(sys.executable).with_name("plasma-tui"))
KEYS = {"space": " ", "esc": "\x1b"}
STEP = re.compile(r"(\d+)/920")
#: a screen has read what it shows: a run, a plan with its checks
FIRST = re.compile(r"\d/920|\d passed")
SMALL, LARGE, FILM = Size(80, 24), Size(120, 40), Size(100, 30)
#: of the animation: how long the training takes in it, then how long each screen stays, and the time of a frame
SECONDS, STAYS_S, FRAME_S = 22.0, 2.0, 0.8
#: a second run, to compare
SECOND = ("--set", "output_name=spyke_slow", "--set", "unet_lr=5e-4", "--set", "max_train_epochs=1")
#: name -> folder, words of the command, keys: one picture for each screen of docs/screens.md
SHOTS = {
    "welcome": (".", "", ""),
    "plan": ("plasma-demo", "", ""),
    "flags": ("plasma-demo", "", "v"),
    "samples": (".", "attach last", "i"),
    "summary": (".", "attach last", "m"),
    "replay": (".", "replay last", "space 6"),
}
#: the same with two runs
LATER = {
    "runs": (".", "attach last", "h"),
    "compare": (".", "attach last", "h space space c"),
}
#: pictures that come first, and need no more than the demo
IN_README = 3


def step_in(text: str) -> int:
    found = STEP.search(text)
    return int(found[1]) if found else 0


def write_pictures(folder: Path = ROOT / "docs" / "pictures") -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lora-") as work:
        environment = terminal_environment({"HOME": work, "PLASMA_HOME": f"{work}/.plasma"})

        def opened(size: Size, words: str, at: str = ".") -> Terminal:
            command = [PROGRAM, *words.split(), "--images", "blocks"]
            return Terminal(command, size, environment=environment, folder=Path(work, at))

        def written(name: str, text: str) -> Path:
            (folder / name).write_text(text, "utf-8")
            return folder / name

        with opened(FILM, "demo") as demo:
            demo.wait_for(lambda text: step_in(text) >= 480, 900.0, "step 480")
            for size in (SMALL, LARGE):
                with opened(size, "attach last") as screen:
                    screen.wait_for(lambda text: step_in(text) >= 480, 30.0, "the run")
                    if size is LARGE:  # sample images have room there, and are read last
                        screen.wait_text("Samples", seconds=30.0)
                    screen.wait_quiet(0.15, 3.0)
                    shown = picture(last_lines(screen.chunks(), size))
                yield written(f"monitor-{size.columns}x{size.rows}.svg", shown)
            demo.wait_for(lambda text: "succeeded" in text.lower(), 900.0, "the end of the demo")
            ended_s = time.monotonic()
            time.sleep(STAYS_S)
            for key in ("i", "esc", "m", "esc"):
                press(demo, key)
                time.sleep(STAYS_S)
            demo.send(b"q")
            demo.wait_exit()
            chunks = demo.chunks()
        frames = stills(chunks, FILM, ended_s)
        yield written("demo.svg", film(frames, frames[-1][0] + STAYS_S))

        def shots(wanted: dict[str, tuple[str, str, str]]) -> Iterator[Path]:
            for name, (at, words, keys) in wanted.items():
                with opened(FILM, words, at) as screen:
                    screen.wait_for(FIRST.search, 60.0, "the first values")
                    screen.wait_quiet(1.0)
                    for key in keys.split():
                        press(screen, key)
                    yield written(f"{name}.svg", picture(last_lines(screen.chunks(), FILM)))

        yield from shots(SHOTS)
        start = [PROGRAM, "start", "--config", "plasma-demo/plasma.toml", "--wait", *SECOND]
        subprocess.run(start, cwd=work, env=environment, check=True, capture_output=True)
        yield from shots(LATER)


def press(screen: Terminal, key: str) -> None:
    """Until the screen has followed."""
    before = screen.text()
    screen.send(KEYS.get(key, key).encode())
    screen.wait_for(lambda text: text != before, 20.0, f"what {key} opens")
    screen.wait_quiet(1.0, 5.0)


def last_lines(chunks: Sequence[Chunk], size: Size) -> tuple[Line, ...]:
    """After the last frame that is complete, without the name of this machine."""
    *_, (_, screen) = Replay(size.columns, size.rows).screens(chunks)
    host = f", on {socket.gethostname()}"
    for y, text in enumerate(screen.display):
        start = text.find(host)
        for x in range(start, start + len(host)) if start >= 0 else ():
            screen.buffer[y][x] = screen.buffer[y][x]._replace(data=" ")
    return lines_of(screen)


def stills(
    chunks: Sequence[Chunk], size: Size, ended_s: float
) -> list[tuple[float, tuple[Line, ...]]]:
    """Screens with their times in the film: the training runs faster, what follows at its own speed."""
    began_s = chunks[0].at_s
    found: dict[int, tuple[Line, ...]] = {}
    for at_s, screen in Replay(size.columns, size.rows).screens(chunks):
        share = min((at_s - began_s) / (ended_s - began_s), 1.0)
        shown_s = share * SECONDS + max(at_s - ended_s, 0.0)
        if found or any(map(str.strip, screen.display)):
            found[int(shown_s / FRAME_S) if found else 0] = lines_of(screen)
    return [(number * FRAME_S, lines) for number, lines in found.items()]
