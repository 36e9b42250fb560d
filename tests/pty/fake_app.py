"""The app on a synthetic run, for a pty: `python -m tests.pty.fake_app MODE`.

still: nothing ever changes. quiet: gauges every 2 s. live: gauges, and a step every 3.1 s. fast: gauges, and a
step every 0.05 s. hostile: escape sequences in log and name. Prints the peak memory to the
file named by $PLASMA_TEST_RSS when it leaves.
"""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from runner.model import HardwareSample
from tests import builders as b
from tests import machines as m
from tests.fakes import FakeBackend, FakeReader
from tui.app import PlasmaApp

PACES = {"quiet": 1e9, "live": 3.1, "fast": 0.05}


class Live(FakeReader):
    """A run that goes on by the clock."""

    def __init__(self, per_step_s: float) -> None:
        super().__init__(b.snapshot(300))
        self.began = time.time()
        self.per_step_s = per_step_s
        self.last = (-1, -1)

    def _now(self) -> tuple[int, int]:
        """(step, gauge reading)"""
        passed = time.time() - self.began
        return 300 + int(passed / self.per_step_s), int(passed / 2)

    def changed(self) -> bool:
        return self._now() != self.last

    def read(self, budget_s: float) -> object:  # type: ignore[override]
        now, found = time.time(), self._now()
        step = found[0]
        if found != self.last:
            made = b.snapshot(step)
            assert made.status is not None and made.spec is not None
            console = (*b.CONSOLE[:-1], f"steps:  {step}/920 [21:17<26:15, avr_loss=0.0931]")
            self.snapshot = replace(
                made,
                status=replace(
                    made.status,
                    heartbeat_at=now,
                    checkpoints=self._files(),
                    sample=self._newest(now, found[1]),
                ),
                spec=replace(made.spec, created_at=now - step * 3.1),
                hardware=self._hardware(now),
                console=console,
            )
            self.last = found
        return self.snapshot

    def _files(self) -> tuple[object, ...]:
        return (b.checkpoint(200, saved_at=self.began - 300),)

    def _newest(self, now: float, tick: int) -> HardwareSample:
        """A card that is shared, with all the noise that a real one has."""
        noise = random.Random(tick)
        card = m.rtx(
            index=1,
            percent=80 + 18 * noise.random(),
            memory_used_bytes=int((18.5 + 0.1 * noise.random()) * m.GB),
            temperature_c=73 + 2 * noise.random(),
            power_w=300 + 60 * noise.random(),
            clock_mhz=2500 + 60 * noise.random(),
            users=(m.OURS, m.COMFY),
        )
        return m.sample(
            card,
            m.second(percent=5 * noise.random()),
            at=now - 0.4,
            cpu_percent=30 + 20 * noise.random(),
            tree_cpu_percent=100 + 50 * noise.random(),
            tree_memory_bytes=int(5e9 + 1e8 * noise.random()),
        )

    def _hardware(self, now: float) -> tuple[object, ...]:
        ticks = int((now - self.began) / 2)
        noise = random.Random(1)
        begin = self.began - 240
        return tuple(
            replace(
                sample,
                at=begin + i * 2.0,
                cpu_percent=30 + 20 * noise.random(),
                gpu_percent=80 + 18 * noise.random(),
                tree_memory_bytes=int(5e9 + 1e8 * noise.random()),
                tree_cpu_percent=100 + 50 * noise.random(),
            )
            for i, sample in enumerate(b.hardware(120 + ticks))
        )


def main() -> None:
    mode = sys.argv[1] if len(sys.argv) > 1 else "still"
    actions = FakeBackend(b.snapshot(412))
    clock = time.time
    if mode in PACES:
        actions.reader = Live(PACES[mode])
    elif mode == "hostile":
        evil = "\x1b]52;c;ZXZpbA==\x07\x1b]0;evil\x07\x1b[2J\x1b[?1049lwiped"
        actions = FakeBackend(b.snapshot(412, console=(evil,) * 9, spec=b.spec(name=evil)))
        clock = lambda: b.NOW  # noqa: E731
    else:
        clock = lambda: b.NOW  # noqa: E731
    app = PlasmaApp(actions, run_path=Path("/state/runs/one"), clock=clock)
    app.run(mouse="--no-mouse" not in sys.argv)
    told = os.environ.get("PLASMA_TEST_RSS")
    if told:
        # not ru_maxrss: that one is handed down through fork and exec
        peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
        Path(told).write_text(peak.split()[1])
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
