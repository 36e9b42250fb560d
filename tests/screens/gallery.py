"""Pictures of the screen in many states, for people to look at: `python -m tests.screens.gallery OUT
[NAME ...]`. Not a test. Every picture is an SVG; `rsvg-convert -o x.png x.svg` makes it a PNG.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

from runner.model import Cause, JournalEvent, LossSeries, Outcome, Phase, RunSnapshot, RunState
from tests import builders as b
from tests.fakes import FakeActions, fixed_clock
from tui.actions import Plan
from tui.app import PlasmaApp
from tui.svg import pin_text

OOM = Cause(
    "mps_out_of_memory",
    "RuntimeError: MPS backend out of memory (MPS allocated: 15.12 GB, max allowed: 18.13 GB)",
    "Everything else on the GPU counts too: close it, or keep the latents in the cache",
    "cache_latents=true",
)


def scenes() -> dict[str, RunSnapshot | None]:
    """Names and snapshots of all states."""
    empty = replace(b.in_phase(Phase.LAUNCHING), loss=LossSeries(), hardware=(), preflight=())
    gap = b.losses(412)
    gap[200:204] = [math.nan] * 4
    stopping = b.snapshot(
        412,
        state=RunState.STOPPING,
        status_changes={"state": RunState.STOPPING},
        events=(JournalEvent(b.NOW - 7, "signalled", 1, None, {"signal": "SIGINT"}),),
    )
    return {
        "training": b.snapshot(412),
        "unread": None,
        "starting": empty,
        "caching": b.in_phase(Phase.CACHING, detail="latents", hardware=b.hardware(3, gpu=False)),
        "first-step": replace(b.snapshot(1), loss=b.series(b.losses(1))),
        "five-steps": replace(b.snapshot(5), loss=b.series(b.losses(5))),
        "saving": b.in_phase(Phase.SAVING, 400, status_changes={"saving_since": b.NOW - 2}),
        "stopping": stopping,
        "spike": replace(b.snapshot(412), loss=b.series(b.losses(412, spike_at=120))),
        "gap": replace(b.snapshot(412), loss=b.series(gap)),
        "diverging": b.diverged(live=True),
        "succeeded": b.ended(Outcome.SUCCEEDED),
        "failed": b.ended(Outcome.FAILED, 412, OOM),
        "stopped": b.ended(Outcome.STOPPED, 412),
        "killed": b.ended(Outcome.KILLED, 412),
        "nothing": replace(
            b.ended(
                Outcome.NOTHING_TRAINED, 0, Cause("no_data", "No data found.", "Check image_dir")
            ),
            loss=LossSeries(),
        ),
        "diverged": b.diverged(),
        "lost": b.snapshot(412, state=RunState.LOST, supervisor_alive=False),
        "orphaned": b.snapshot(412, supervisor_alive=False),
        "unreadable": replace(
            empty, spec=None, status=None, problems=("status.json: torn at byte 312",), id="x-1"
        ),
        "average": replace(b.snapshot(412), loss=b.series(b.losses(412), exact=False)),
        "no-total": b.snapshot(
            412,
            spec=b.spec(forecast=None, created_at=b.NOW - 1278),
            status_changes={"total_steps": None, "eta_s": None},
        ),
    }


async def picture(
    name: str,
    snapshot: RunSnapshot | None,
    size: tuple[int, int],
    out: Path,
    *keys: str,
    config: bool = True,
    **how: object,
) -> None:
    actions = FakeActions(snapshot or b.snapshot(), runs=[b.listing(i) for i in range(30)])
    app = PlasmaApp(
        actions,
        run_path=Path("/state/runs/x") if snapshot is not None else None,
        config_path=Path("plasma.toml") if snapshot is None and config else None,
        clock=fixed_clock(),
        **how,  # type: ignore[arg-type]
    )
    actions.made_plan = Plan("spyke_plasma_v1", b.forecast(), b.CHECKS)
    async with app.run_test(size=size) as pilot:
        for _ in range(40):
            await pilot.pause(0.02)
            if snapshot is None or app.snapshot is not None:
                break
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        svg = app.export_screenshot(title=f"plasma-tui {name}")
    target = out / f"{name}-{size[0]}x{size[1]}.svg"
    target.write_text(pin_text(svg), encoding="utf-8")


async def extras(out: Path, wanted: list[str]) -> None:
    """Screens and themes that a snapshot alone does not show."""
    shot = b.snapshot(412)
    for name, keys, how in (
        ("drawer", ("l",), {}),
        ("zoom", ("z",), {}),
        ("stop", ("a",), {}),
        ("kill", ("a", "up", "s", "p"), {}),
        ("help", ("question_mark",), {}),
        ("runs", ("h",), {}),
        ("filter", ("h", "v", "2"), {}),
        ("light", (), {"theme_name": "plasma-light"}),
        ("contrast", (), {"theme_name": "high-contrast"}),
        ("nord", (), {"theme_name": "nord"}),
        ("ansi", (), {"theme_name": "ansi-dark"}),
        ("ascii", (), {"ascii_only": True}),
        ("palette", ("ctrl+p",), {}),
        ("notice", ("s",), {}),
    ):
        for size in ((80, 24), (120, 40), (40, 10)):
            if not wanted or name in wanted:
                await picture(name, shot, size, out, *keys, **how)  # type: ignore[arg-type]
    if not wanted or "welcome" in wanted:
        for size in ((80, 24), (120, 40), (40, 10)):
            await picture("welcome", None, size, out, config=False)


async def main(out: Path, wanted: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, snapshot in scenes().items():
        for width, height in ((80, 24), (120, 40), (200, 60), (40, 10)):
            full = f"{name}-{width}x{height}"
            if not wanted or name in wanted or full in wanted:
                await picture(name, snapshot, (width, height), out)
    await extras(out, wanted)


if __name__ == "__main__":
    os.environ.setdefault("COLORTERM", "truecolor")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
