"""The hardware in words: every value with its unit or the reason why there is none."""

from __future__ import annotations

import time
from dataclasses import replace

from runner.hardware.programs import Hold
from runner.hardware.users import User
from runner.model import DiskFree, GpuSample, GpuUser, HardwareSample
from tui.cli.hardware_text import Look, block, line, user_words

GB = 1 << 30
NOW = 1_800_000_000.0
CARD = GpuSample(
    "GPU-4f2a", "nvml", "NVIDIA RTX 4090", 0, percent=97.0, memory_used_bytes=20 * GB,
    memory_total_bytes=24 * GB, memory_run_bytes=17 * GB, memory_others_bytes=3 * GB,
    temperature_c=71.4, power_w=402.0, power_limit_w=450.0, clock_mhz=2520.0, memory_clock_mhz=10501.0,
    energy_j=7.2e6, throttle=("power cap",), reasons={"fan_percent": "not supported by this GPU"},
    users=(
        GpuUser(9, "python", 17 * GB, 90.0, ours=True, since_at=NOW - 7200),
        GpuUser(None, "", 3 * GB, outside=True),
    ),
)  # fmt: skip
MACHINE = HardwareSample(
    NOW, cpu_percent=12.0, cpu_count=8, load=0.5, memory_used_bytes=6 * GB, memory_total_bytes=16 * GB,
    swap_used_bytes=0, swap_total_bytes=2 * GB, disks=(DiskFree("temp", "/tmp", 50 * 10**9, 10**11),),
    gpus=(CARD,), reasons={"apple": "not a Mac", "disk": "no output folder", "tree": "no training process"},
)  # fmt: skip


def rows(look: Look) -> dict[str, str]:
    """The first text of each label."""
    found: dict[str, str] = {}
    for text in block(look):
        label, _, rest = text.strip().partition("  ")
        found.setdefault(label, rest.strip())
    return found


def test_every_value_has_its_unit_or_its_reason() -> None:
    text = "\n".join(block(Look(MACHINE)))
    for part in (
        "CPU        12 % busy, 8 cores, load 0.50",
        "memory     6.0 GB of 16.0 GB used, 10.0 GB left",
        "swap       0 B of 2.0 GB used, 2.0 GB left",
        "disk       50.0 GB of 100 GB free, temp (/tmp)",
        "GPU        NVIDIA RTX 4090 (nvml, GPU-4f2a)",
        "busy           97 %",
        "memory         20.0 GB of 24.0 GB used, 4.0 GB left",
        "of the run     17.0 GB",
        "of others      3.0 GB",
        "temperature    71 °C",
        "power          402 W",
        "power limit    450 W",
        "clock          2520 MHz",
        "memory clock   10501 MHz",
        "fan            not supported by this GPU",
        "energy         2.00 kWh since the driver was loaded",
        "throttled      power cap",
        "used by        python, this run's, pid 9, 17.0 GB, 90 %, for 2 h",
        "used by        a process outside this container, 3.0 GB",
        "source     apple: not a Mac",
    ):
        assert part in text, part
    assert "restarts" not in text, "what no NVIDIA card counts is not missed"
    assert "no output folder" not in text and "no training process" not in text


def test_a_card_that_tells_nothing_says_so_for_each_value() -> None:
    bare = GpuSample("k", "ioreg", reasons={"recoveries": "this chip does not count them"})
    found = rows(Look(replace(MACHINE, gpus=(bare,))))
    assert found["busy"] == "not reported"
    assert found["power limit"] == "not reported"
    assert found["restarts"] == "this chip does not count them"


def test_trouble_of_a_card_stands_first() -> None:
    lost = replace(CARD, problem="The GPU is lost.")
    lines = block(Look(replace(MACHINE, gpus=(lost,))))
    assert lines[lines.index(next(x for x in lines if x.startswith("GPU"))) + 1].endswith(
        "is lost."
    )
    assert "GPU problem: The GPU is lost." in line(Look(replace(MACHINE, gpus=(lost,))))


def test_no_gpu_is_stated_plainly() -> None:
    look = Look(replace(MACHINE, gpus=(), reasons={"nvidia": "no NVIDIA driver on this machine"}))
    assert rows(look)["GPU"] == "none found"
    assert "source     nvidia: no NVIDIA driver on this machine" in block(look)
    assert line(look).endswith("no GPU")


def test_sources_that_are_silent_or_have_become_so_are_told() -> None:
    look = Look(replace(MACHINE, gpus=()), silent=("nvidia",), waited_s=3.0)
    assert "source     nvidia: no answer within 3 s" in block(look)
    assert rows(look)["GPU"] == "no answer"
    host = Look(HardwareSample(NOW), silent=("host",), waited_s=3.0)
    assert block(host)[0] == "machine    CPU, memory and disks: no answer within 3 s"
    assert "no answer" in line(host)
    old = Look(replace(MACHINE, ages_s={"nvidia": 34.0, "host": 1.0}))
    assert "source     nvidia: last answered 30 s ago" in block(old)


def test_foreign_text_cannot_drive_the_terminal() -> None:
    evil = replace(
        CARD, name="\x1b]0;x\x07card\x1b[31m", users=(GpuUser(3, "a\x1b[2Jb\r\n", GB),),
        problem="\x9b31mno", reasons={"fan_percent": "\x1b[1mred"},
    )  # fmt: skip
    users = (User(71, "\x1b[5mgame\x00", on_gpu=True, gpu_memory_bytes=GB),)
    look = Look(replace(MACHINE, gpus=(evil,), reasons={"amd": "\x1b[7mno"}), users)
    for text in (*block(look), line(look)):
        assert text.isprintable(), text


def test_who_else_is_there_is_told_with_what_frees_it() -> None:
    user = User(
        71, "ComfyUI", "python", "close ComfyUI", Hold.MODEL, 2 * GB, 3 * GB, 45.0, NOW - 3600, 8188,
        on_gpu=True,
    )  # fmt: skip
    assert user_words(user, NOW) == (
        "ComfyUI (pid 71), 3.0 GB of GPU memory, 45 % of the GPU, 2.0 GB of memory, for 1 h, "
        "holds a model: close ComfyUI"
    )
    assert user_words(User(None, "a process outside this container", outside=True), NOW) == (
        "a process outside this container"
    )
    assert "ComfyUI 3.0 GB" in line(Look(MACHINE, (user,)))


def test_one_line_holds_what_changes() -> None:
    clock = time.strftime("%H:%M:%S", time.localtime(NOW))
    assert line(Look(MACHINE)) == (
        f"{clock}  CPU 12 %  memory 6.0 GB of 16.0 GB  swap 0 B  "
        "GPU 97 % 20.0 GB of 24.0 GB 71 °C 402 W power cap"
    )
    two = replace(MACHINE, gpus=(CARD, replace(CARD, index=1, percent=None)), pressure=4)
    assert "pressure critical  GPU 0 97 %" in line(Look(two))
    assert "GPU 1 busy unknown" in line(Look(two))
