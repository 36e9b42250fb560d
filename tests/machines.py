"""Synthetic machines for the panel of the hardware: what each source delivers, by its own name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from runner.model import DiskFree, GpuSample, GpuUser, HardwareSample, HardwareUse, RunSnapshot
from tests import builders as b

GB = 1024**3
COMFY = GpuUser(4242, "ComfyUI", int(6.1 * GB), 40.0, since_at=b.NOW - 2 * 3600 - 300)
OURS = GpuUser(
    4711, "python train_network.py", int(12.0 * GB), 58.0, ours=True, since_at=b.NOW - 1390
)
DISKS = (
    DiskFree("output", "/project/output", 61_000_000_000, 500_000_000_000),
    DiskFree("cache", "/home/anna/.cache/huggingface", 210_000_000_000, 1_000_000_000_000),
)
USE = HardwareUse(
    samples=640,
    training_s=1270.0,
    gpu_util_max=99.0,
    gpu_util_mean=87.2,
    gpu_idle_s=12.0,
    gpu_training_s=1270.0,
    gpu_memory_max_bytes=int(19.3 * GB),
    gpu_memory_run_max_bytes=int(12.4 * GB),
    temperature_max_c=77.0,
    power_mean_w=318.0,
    energy_wh=112.0,
    throttled_s=0.0,
    cpu_mean=31.0,
    tree_cpu_mean=140.0,
    tree_memory_max_bytes=int(5.6 * GB),
    memory_low_bytes=int(4.8 * GB),
    swap_grown_bytes=0,
    gpu_name="NVIDIA GeForce RTX 4090",
    gpu_source="nvml",
)


def rtx(**changes: object) -> GpuSample:
    made = GpuSample(
        key="GPU-5f2d1c3a-0b1e-4c55-8f0a-3c9d7e1a2b4c",
        source="nvml",
        name="NVIDIA GeForce RTX 4090",
        index=0,
        percent=94.0,
        memory_used_bytes=int(12.6 * GB),
        memory_total_bytes=24 * GB,
        memory_run_bytes=int(12.0 * GB),
        memory_others_bytes=int(0.2 * GB),
        temperature_c=74.0,
        power_w=322.0,
        power_limit_w=450.0,
        clock_mhz=2520.0,
        memory_clock_mhz=10501.0,
        fan_percent=54.0,
        energy_j=812_000.0,
        users=(OURS,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def second(**changes: object) -> GpuSample:
    """A card that this run leaves alone."""
    made = rtx(
        key="GPU-9a8b7c6d-1111-2222-3333-444455556666",
        name="NVIDIA GeForce RTX 3060",
        index=0,
        percent=3.0,
        memory_used_bytes=int(2.1 * GB),
        memory_total_bytes=12 * GB,
        memory_run_bytes=None,
        memory_others_bytes=None,
        temperature_c=41.0,
        power_w=18.0,
        power_limit_w=170.0,
        users=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def apple(**changes: object) -> GpuSample:
    made = GpuSample(
        key="apple-0",
        source="ioreg",
        name="Apple M1 Pro",
        percent=91.0,
        memory_used_bytes=int(7.9 * GB),
        recoveries=0,
        users=(GpuUser(4711, "python3.12", None, 88.0, ours=True),),
        reasons={
            "temperature_c": "ioreg does not tell it; `pip install plasma-tui[mac]` adds it",
            "power_w": "ioreg does not tell it; `pip install plasma-tui[mac]` adds it",
        },
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def radeon(**changes: object) -> GpuSample:
    made = GpuSample(
        key="0000:03:00.0",
        source="amdgpu",
        name="AMD Radeon RX 7900 XTX",
        index=0,
        percent=97.0,
        memory_used_bytes=int(14.2 * GB),
        memory_total_bytes=24 * GB,
        temperature_c=68.0,
        power_w=291.0,
        power_limit_w=339.0,
        clock_mhz=2304.0,
        fan_percent=44.0,
        users=(GpuUser(4711, "python train_network.py", None, 95.0, ours=True),),
        reasons={"memory_run_bytes": "the driver does not report it"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def lean(gpu: GpuSample, percent: float | None) -> GpuSample:
    """As hardware.jsonl keeps it: numbers alone, the end of the key."""
    return GpuSample(
        key=gpu.key[-8:],
        source=gpu.source,
        percent=percent,
        memory_used_bytes=gpu.memory_used_bytes,
        memory_run_bytes=gpu.memory_run_bytes,
        temperature_c=gpu.temperature_c,
        power_w=gpu.power_w,
        clock_mhz=gpu.clock_mhz,
    )


def sample(*gpus: GpuSample, **changes: object) -> HardwareSample:
    """The newest reading, as status.json carries it."""
    own = gpus[0] if gpus else None
    made = HardwareSample(
        at=b.NOW - 0.5,
        cpu_percent=31.0,
        memory_used_bytes=int(21.4 * GB),
        memory_total_bytes=64 * GB,
        swap_used_bytes=0,
        swap_total_bytes=8 * GB,
        tree_cpu_percent=140.0,
        tree_memory_bytes=int(5.4 * GB),
        tree_processes=6,
        disk_free_bytes=61_000_000_000,
        gpu_percent=own.percent if own is not None else None,
        gpu_memory_used_bytes=own.memory_used_bytes if own is not None else None,
        gpu_memory_total_bytes=own.memory_total_bytes if own is not None else None,
        reasons={}
        if own is not None
        else {"nvidia": "no NVIDIA driver here", "gpu": "no GPU found"},
        gpus=gpus,
        disks=DISKS,
        cpu_count=16,
        load=5.2,
        ages_s={"host": 0.6, "nvidia": 0.4},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def on(
    newest: HardwareSample,
    percents: Callable[[int], float] = lambda i: 90 + 6 * math.sin(i / 7),
    count: int = 240,
    **changes: object,
) -> RunSnapshot:
    """A training on that machine, with its history."""
    past = tuple(
        replace(
            newest,
            at=newest.at - 2 * (count - i),
            reasons={},
            ages_s={},
            disks=(),
            cpu_percent=28 + 6 * math.sin(i / 5),
            cpu_count=None,
            gpus=tuple(lean(gpu, percents(i) if gpu.users else 3.0) for gpu in newest.gpus),
            gpu_percent=percents(i) if newest.gpus else None,
        )
        for i in range(count)
    )
    given: dict[str, object] = {"sample": newest, "device": "cuda" if newest.gpus else "cpu"}
    given |= {"hardware": USE} if newest.gpus else {}
    given |= changes
    forecast = replace(b.forecast(), checkpoint_bytes=72_100_000, state_bytes=430_000_000)
    spec = b.spec(forecast=forecast, created_at=b.NOW - 1278)
    return b.snapshot(412, hardware=past, spec=spec, status_changes=given)


def filling_disk() -> RunSnapshot:
    """The disk of the output has no room for the save of step 800."""
    output = DiskFree("output", "/project/output", 700_000_000, 500_000_000_000)
    return on(sample(rtx(), disks=(output, DiskFree("temp", "/tmp", 900_000_000, 8_000_000_000))))


def one_card() -> RunSnapshot:
    return on(sample(rtx()))


def two_cards() -> RunSnapshot:
    """ComfyUI shares the run's card, which gets too hot."""
    own = rtx(
        index=1,
        percent=71.0,
        memory_used_bytes=int(18.6 * GB),
        memory_others_bytes=int(6.1 * GB),
        temperature_c=88.0,
        clock_mhz=1410.0,
        throttle=("heat", "power limit"),
        users=(OURS, COMFY),
    )
    return on(sample(second(), own), gpu_users=(COMFY,))


def mac(pressure: int = 1, **changes: object) -> RunSnapshot:
    """A Mac: spiky readings with zeros, memory shared with the GPU."""
    swap = int((3.4 if pressure > 1 else 0.6) * GB)
    newest = sample(
        apple(),
        memory_used_bytes=int((15.1 if pressure > 1 else 11.2) * GB),
        memory_total_bytes=16 * GB,
        swap_used_bytes=swap,
        swap_total_bytes=4 * GB,
        pressure=pressure,
        swapped_out_bytes=15_000_000_000,
        footprint_bytes=int(9.4 * GB),
        cpu_count=10,
        ages_s={"host": 0.6, "apple": 1.1},
    )
    use = replace(
        USE,
        gpu_name="Apple M1 Pro",
        gpu_source="ioreg",
        gpu_memory_max_bytes=None,
        gpu_memory_run_max_bytes=None,
        temperature_max_c=None,
        power_mean_w=None,
        energy_wh=None,
        swap_grown_bytes=int(2.8 * GB) if pressure > 1 else 0,
    )
    given = {"device": "mps", "hardware": use} | changes
    return on(newest, lambda i: 0.0 if i % 5 == 0 else 96.0, 240, **given)


def amd() -> RunSnapshot:
    return on(sample(radeon(), ages_s={"host": 0.6, "amd": 0.9}))


def no_gpu() -> RunSnapshot:
    return on(sample(tree_cpu_percent=720.0, cpu_percent=52.0))


def silent_driver() -> RunSnapshot:
    """The driver has hung; everything else answers."""
    return on(sample(rtx(), ages_s={"host": 0.6, "nvidia": 41.0}))
