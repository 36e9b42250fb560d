"""What the command prints for people, beside its approved text in `goldens/` (update: `--update-goldens`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.hardware.programs import Hold
from runner.hardware.users import User
from runner.history.compare import Comparison, compared_run, comparison
from runner.history.compare_lines import Axis
from runner.model import (
    AlarmKind,
    AttemptStatus,
    DiskFree,
    ExitRecord,
    ExpectedCheckpoint,
    Forecast,
    GpuSample,
    GpuUser,
    HardwareSample,
    Label,
    Outcome,
    RunSnapshot,
    RunState,
)
from tests import builders as b
from tests import machines as m
from tests import stories as s
from tests.goldens import approve
from tests.hostile import HOSTILE
from tests.unit.tui.test_forecast_text import FOUND
from tui.cli.compare import text_lines
from tui.cli.forecast_text import forecast_lines
from tui.cli.hardware_text import Look, block, line
from tui.cli.show_review import table
from tui.cli.show_text import HEADS, checkpoint_cells, show_lines

GB = 1 << 30
CARD = GpuSample(
    "GPU-4f2a", "nvml", "NVIDIA RTX 4090", 0, percent=97.0, memory_used_bytes=20 * GB,
    memory_total_bytes=24 * GB, memory_run_bytes=17 * GB, memory_others_bytes=3 * GB,
    temperature_c=71.4, power_w=402.0, power_limit_w=450.0, clock_mhz=2520.0, memory_clock_mhz=10501.0,
    energy_j=7.2e6, throttle=("power cap",), reasons={"fan_percent": "not supported by this GPU"},
    users=(
        GpuUser(9, "python", 17 * GB, 90.0, ours=True, since_at=b.NOW - 7200),
        GpuUser(None, "", 3 * GB, outside=True),
    ),
)  # fmt: skip
MACHINE = HardwareSample(
    b.NOW, cpu_percent=12.0, cpu_count=8, load=0.5, memory_used_bytes=6 * GB, memory_total_bytes=16 * GB,
    swap_used_bytes=0, swap_total_bytes=2 * GB, disks=(DiskFree("temp", "/tmp", 50 * 10**9, 10**11),),
    gpus=(CARD,), reasons={"apple": "not a Mac", "disk": "no output folder", "tree": "no training process"},
)  # fmt: skip
COMFY = User(
    71, "ComfyUI", "python", "close ComfyUI", Hold.MODEL, 2 * GB, 3 * GB, 45.0, b.NOW - 3600, 8188,
    on_gpu=True,
)  # fmt: skip


def shown(snapshot: RunSnapshot, label: Label | None = None) -> Iterator[str]:
    """`show` without the points of its review."""
    yield from show_lines(snapshot, label)
    yield ""
    yield from table(HEADS, checkpoint_cells(snapshot))


def resumed() -> RunSnapshot:
    """Killed by a signal, then resumed twelve steps before."""
    run = s.resumed()
    assert run.status is not None
    first = replace(run.status.attempts[0], exit=ExitRecord(1, None, 9, b.NOW))
    return replace(run, status=replace(run.status, attempts=(first, *run.status.attempts[1:])))


def alone() -> RunSnapshot:
    """One attempt and an alarm that is over; the guard has ordered a stop."""
    changes = {
        "attempts": (AttemptStatus(1, b.NOW),),
        "alarms": (s.alarm(AlarmKind.SLOW, over_at=b.NOW),),
        "stop_after_save": True,
        "stop_by": "guard",
    }
    return b.snapshot(412, status_changes=changes)


def looks(**changes: object) -> Look:
    return Look(replace(MACHINE, **changes))  # type: ignore[arg-type]


def compared(count: int = 3) -> Comparison:
    tables = [{"learning_rate": f"{i + 1}e-4", "seed": "1"} for i in range(count)]
    runs = [
        compared_run(
            "ABCDEFGH"[i],
            replace(b.ended(Outcome.SUCCEEDED), loss=b.series(b.losses(920 - 100 * i, i + 1))),
            tables[i],
            "spyke",
        )
        for i in range(count)
    ]
    return comparison(runs, tables)


def without_loss() -> Comparison:
    made = compared(2)
    bare = replace(made.runs[1], buckets=(), seconds=())
    return comparison([made.runs[0], bare], [{}, {}])


def both(look: Look) -> list[str]:
    """Once, and as a line of --follow."""
    return [*block(look), "", line(look)]


LOST = replace(CARD, problem="The GPU is lost.")
SILENT = Look(replace(MACHINE, gpus=()), silent=("nvidia",), waited_s=3.0)
TEXTS: dict[str, Callable[[], object]] = {
    "show-training": lambda: shown(
        m.two_cards(), Label("spyke", ("good",), "rank 8\nnext: rank 16")
    ),
    "show-ended": lambda: shown(
        replace(m.two_cards(), state=RunState.ENDED, outcome=Outcome.STOPPED)
    ),
    "show-failed": lambda: shown(b.ended(Outcome.FAILED, 412, s.OOM)),
    "show-resumed": lambda: shown(resumed()),
    "show-alarm": lambda: shown(alone()),
    "show-bad-files": lambda: shown(s.troubled_files()),
    "show-filling-disk": lambda: shown(m.filling_disk()),
    "hardware": lambda: both(Look(MACHINE, (COMFY,))),
    "hardware-bare-gpu": lambda: both(
        looks(gpus=(GpuSample("k", "ioreg", reasons={"recoveries": "not counted by this chip"}),))
    ),
    "hardware-lost-gpu": lambda: both(looks(gpus=(LOST,))),
    "hardware-two-gpus": lambda: both(
        looks(gpus=(CARD, replace(CARD, index=1, percent=None)), pressure=4)
    ),
    "hardware-no-gpu": lambda: both(looks(gpus=(), reasons={"nvidia": "no NVIDIA driver"})),
    "hardware-no-answer": lambda: both(SILENT),
    "hardware-no-host": lambda: both(Look(HardwareSample(b.NOW), silent=("host",), waited_s=3.0)),
    "hardware-old": lambda: both(looks(ages_s={"nvidia": 34.0, "host": 1.0})),
    "forecast": lambda: forecast_lines(FOUND, ["a warning"]),
    "forecast-many": lambda: forecast_lines(
        Forecast(
            steps=100,
            checkpoints=tuple(ExpectedCheckpoint(f"x-{n}", n, 1) for n in range(1, 101)),
        ),
        [],
    ),
    "compare-80": lambda: text_lines(compared(), Axis.STEP, 80, 12),
    "compare-40": lambda: text_lines(compared(8), Axis.EPOCH, 40, 12),
    "compare-no-loss": lambda: text_lines(without_loss(), Axis.TIME, 100, 12),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_as_approved(name: str, pytestconfig: pytest.Config) -> None:
    made = TEXTS[name]()
    text = "\n".join(str(one).rstrip() for one in made) + "\n"  # type: ignore[attr-defined]
    approve(Path(__file__).parent / "goldens" / f"{name}.txt", text, pytestconfig)


@pytest.mark.parametrize("foreign", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_cannot_drive_the_terminal(foreign: str) -> None:
    one = b.checkpoint(200, name=foreign, problem=foreign, remark=foreign)
    run = b.ended(Outcome.FAILED, 412, replace(s.OOM, evidence=foreign, changes=(foreign,)))
    assert run.status is not None
    alarms = (s.alarm(AlarmKind.SLOW, text=foreign),)
    status = replace(run.status, checkpoints=(one,), alarms=alarms, reasons=(foreign,))
    card = replace(
        CARD, name=foreign, users=(GpuUser(3, foreign, GB),), problem=foreign,
        reasons={"fan_percent": foreign},
    )  # fmt: skip
    user = User(71, foreign, on_gpu=True, gpu_memory_bytes=GB)
    look = Look(replace(MACHINE, gpus=(card,), reasons={"amd": foreign}), (user,))
    for text in (*shown(replace(run, status=status, problems=(foreign,))), *both(look)):
        assert text.isprintable(), text
