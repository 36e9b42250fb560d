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

from runner.model import (
    AlarmKind,
    Cause,
    JournalEvent,
    LossSeries,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
)
from runner.model.preview import FlagChange, Preview
from tests import builders as b
from tests import machines as m
from tests import stories as s
from tests.fakes import FakeBackend, fixed_clock
from tui.app import PlasmaApp
from tui.backend.results import Plan
from tui.svg import pin_text

PREVIEW = Preview(
    "Try spyke_plasma_v1 again",
    (
        "From the state of step 400 (spyke-step00000400-state) to step 920, as attempt 2.",
        "520 steps to train, about 27 min; epoch 2 of 4 continues.",
        "The learning rate continues at 6.0e-05, 60 % of the highest.",
        "Steps 401 to 412 are trained again: nothing after step 400 was saved with it.",
        "It saves at the true steps 545, 745, 920.",
    ),
    ("No file of step 600, 800: past the first epoch, save steps shift on resume.",),
    (
        FlagChange("gradient_checkpointing", None, "true"),
        FlagChange("cache_latents", None, "true"),
        FlagChange("env.PYTORCH_MPS_HIGH_WATERMARK_RATIO", "0.7", "0.9"),
        FlagChange("resume", None, "/project/output/loras/spyke/spyke-step00000400-state"),
    ),
    "accelerate launch --num_cpu_threads_per_process 4 train_network.py "
    "--pretrained_model_name_or_path /models/base.safetensors --dataset_config dataset.toml "
    "--output_dir /project/output/spyke-attempt2 --output_name spyke --gradient_checkpointing "
    "--cache_latents --resume /project/output/spyke-step00000400-state --initial_step 400",
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
        "failed": b.ended(Outcome.FAILED, 412, s.OOM),
        "never-began": replace(
            b.ended(Outcome.FAILED, 0, s.MODULE), loss=LossSeries(), preflight=b.CHECKS
        ),
        "alarm": s.alarmed(s.alarm(AlarmKind.STALLED)),
        "alarm-nan": s.alarmed(s.alarm(AlarmKind.NONFINITE)),
        "alarm-slow": s.alarmed(s.alarm(AlarmKind.SLOW)),
        "alarm-over": s.alarmed(s.alarm(AlarmKind.ONE_BAD_STEP, over_at=b.NOW - 60)),
        "alarm-device": s.alarmed(s.alarm(AlarmKind.WRONG_DEVICE)),
        "alarm-disk": s.alarmed(s.alarm(AlarmKind.DISK_LOW)),
        "hw-nvidia": m.one_card(),
        "hw-two": m.two_cards(),
        "hw-mac": m.mac(),
        "hw-mac-pressed": m.mac(pressure=2),
        "hw-amd": m.amd(),
        "hw-none": m.no_gpu(),
        "hw-disk": m.filling_disk(),
        "hw-silent": m.silent_driver(),
        "armed": b.snapshot(412, status_changes={"stop_after_save": True}),
        "resumed": s.resumed(),
        "troubled": s.troubled_files(),
        "diverged-cause": s.diverged_with_cause(),
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
    actions = FakeBackend(snapshot or b.snapshot(), runs=[b.listing(i) for i in range(30)])
    app = PlasmaApp(
        actions,
        run_path=Path("/state/runs/x") if snapshot is not None else None,
        config_path=Path("plasma.toml") if snapshot is None and config else None,
        clock=fixed_clock(),
        **how,  # type: ignore[arg-type]
    )
    actions.made_plan = Plan("spyke_plasma_v1", b.forecast(), b.CHECKS)
    actions.preview = PREVIEW
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
        ("filter", ("h", "slash", "v", "2"), {}),
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
    for name, snapshot, keys in (
        ("retry", scenes()["failed"], ("y",)),
        ("resume", scenes()["killed"], ("r",)),
        ("zoom-checkpoints", scenes()["resumed"], ("tab", "z")),
        ("zoom-troubled", scenes()["troubled"], ("tab", "z", "up")),
        ("zoom-hw-nvidia", m.one_card(), ("tab", "tab", "z")),
        ("zoom-hw-two", m.two_cards(), ("tab", "tab", "z")),
        ("zoom-hw-mac", m.mac(pressure=2), ("tab", "tab", "z")),
        ("zoom-hw-none", m.no_gpu(), ("tab", "tab", "z")),
        ("zoom-hw-silent", m.silent_driver(), ("tab", "tab", "z")),
        ("zoom-cause", scenes()["failed"], ("tab", "tab", "z")),
    ):
        for size in ((80, 24), (120, 40), (200, 60)):
            if not wanted or name in wanted:
                await picture(name, snapshot, size, out, *keys)
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
