"""Hardware warnings while a training runs: the wrong device, an idle GPU, memory or disk almost full, a
failing card. Pure: samples in, sentences out; the guard makes alarms of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.hardware.samples import own_gpu
from runner.hardware.used import IDLE_PERCENT
from runner.model import AlarmKind, GpuSample, HardwareSample
from runner.model.units import duration, file_size, memory_size, pressure_word

#: conditions must last: one sample means little
LAST_S = 60.0
EDGE_S = 10.0
KEPT_S = 120.0
#: of a GPU's memory; CUDA fails, or spills into main memory on Windows and WSL, when almost full
GPU_FULL = 0.97
#: Main memory: with less than this left and the swap nearly used up, the kernel kills the largest process
MEMORY_LEFT = 0.04
SWAP_LEFT = 0.10
#: Apple swaps long before it fails (a 16 GB Mac lets MPS take 18 GB)
SWAP_GROWN_BYTES = 1 << 30
PRESSURE_WARNING, PRESSURE_CRITICAL = 2, 4


@dataclass(frozen=True, slots=True)
class About:
    """What the run itself knows. `device`: as reported by the trainer; `expected`: `[expect] device`;
    `next_save_bytes`: of the next checkpoint with its state, None: unknown."""

    device: str | None = None
    expected: str | None = None
    training: bool = False
    next_save_bytes: int | None = None

    @property
    def on_cpu(self) -> bool:
        return self.device is not None and self.device.startswith("cpu")


class HardwareWatch:
    """Keeps the readings of the last two minutes and of the time with the best pace."""

    def __init__(self) -> None:
        self._recent: deque[tuple[HardwareSample, bool]] = deque()
        self.best: tuple[HardwareSample, ...] = ()
        self._recoveries: dict[str, int] = {}
        self._swap_bytes: int | None = None
        self._swapped_bytes: int | None = None

    def add(self, sample: HardwareSample, about: About) -> None:
        """The next reading."""
        self._recent.append((sample, about.training))
        while sample.at - self._recent[0][0].at > KEPT_S:
            self._recent.popleft()
        if about.training and self._swap_bytes is None:
            self._swap_bytes, self._swapped_bytes = sample.swap_used_bytes, sample.swapped_out_bytes
        for gpu in sample.gpus:
            if gpu.recoveries is not None:
                self._recoveries.setdefault(gpu.key, gpu.recoveries)

    def mark_best(self) -> None:
        """The pace has never been better: remember the machine at this time."""
        self.best = self.now

    @property
    def now(self) -> tuple[HardwareSample, ...]:
        """The last minute of training."""
        end = self._recent[-1][0].at if self._recent else 0.0
        return tuple(s for s, training in self._recent if training and end - s.at <= LAST_S)

    # ----------------------------------------------------------------- what is wrong

    def findings(self, about: About) -> Mapping[AlarmKind, str]:
        """A sentence for each current problem."""
        if not self._recent:
            return {}
        sample = self._recent[-1][0]
        gpu = None if about.on_cpu else own_gpu(sample.gpus, about.device)
        found = {
            AlarmKind.WRONG_DEVICE: _wrong_device(sample, about) if about.training else "",
            AlarmKind.MEMORY_LOW: self._memory(sample),
            AlarmKind.DISK_LOW: _disk(sample, about),
        }
        if gpu is not None:
            name = gpu.name or "the GPU"
            found[AlarmKind.GPU_TROUBLE] = self._trouble(gpu, name)
            if about.training:
                found[AlarmKind.GPU_IDLE] = self._idle(name)
                found[AlarmKind.GPU_MEMORY_LOW] = self._gpu_memory(gpu, name)
        return {kind: text for kind, text in found.items() if text}

    def _idle(self, name: str) -> str:
        """Over a minute of training; samples are spiky, on Apple zeros among them are normal."""
        window = self.now
        if len(window) < 10 or window[-1].at - window[0].at < LAST_S * 0.8:
            return ""
        seen = [s.gpu_percent for s in window if s.gpu_percent is not None]
        if len(seen) < len(window) * 0.8 or max(seen) >= IDLE_PERCENT:
            return ""
        return f"steps are trained, but {name} has been idle for {duration(LAST_S)}: is it really used?"

    def _lasting(self, test: Callable[[HardwareSample], bool]) -> bool:
        """True for all of several recent readings."""
        end = max(sample.at for sample, _ in self._recent)
        lately = [test(sample) for sample, _ in self._recent if end - sample.at <= EDGE_S]
        return len(lately) >= 3 and all(lately)

    def _memory(self, sample: HardwareSample) -> str:
        pressure = sample.pressure
        if pressure is not None and pressure >= PRESSURE_CRITICAL:
            return (
                f"memory pressure is {pressure_word(pressure)}: close other programs now, or stop the "
                "training at its next save"
            )
        grown = self._swap_growth(sample)
        if self._lasting(lambda s: (s.pressure or 0) >= PRESSURE_WARNING):
            word = pressure_word(PRESSURE_WARNING)
            swap = f", swap has grown by {memory_size(grown)}" if grown else ""
            return f"memory pressure is {word}{swap}: close other programs, or steps will slow down"
        if pressure is None and self._lasting(starved):
            return (
                f"only {memory_size(sample.memory_left_bytes)} of memory left and swap is almost "
                "full: the kernel will kill the largest process, which is the training; close "
                "other programs"
            )
        if grown <= SWAP_GROWN_BYTES:
            return ""
        return (
            f"swap has grown by {memory_size(grown)} since the first step: not enough memory, "
            "steps slow down"
        )

    def _swap_growth(self, sample: HardwareSample) -> int:
        """Since the first step: what was written to swap if reported, else swap used."""
        before, now = self._swapped_bytes, sample.swapped_out_bytes
        if before is None or now is None:
            before, now = self._swap_bytes, sample.swap_used_bytes
        return 0 if before is None or now is None else max(0, now - before)

    def _gpu_memory(self, gpu: GpuSample, name: str) -> str:
        if not gpu.memory_total_bytes or not self._lasting(_gpu_full):
            return ""
        others = ""
        if gpu.memory_others_bytes:
            others = f"; other programs use {memory_size(gpu.memory_others_bytes)} of it"
        return (
            f"{name} has {memory_size(gpu.memory_left_bytes)} of memory left{others}: the next "
            "larger image may fail, and on Windows and WSL it spills into main memory and slows "
            "down"
        )

    def _trouble(self, gpu: GpuSample, name: str) -> str:
        if gpu.problem:
            return f"{name}: {gpu.problem}"
        times = (gpu.recoveries or 0) - self._recoveries.get(gpu.key, 0)
        if times <= 0:
            return ""
        return f"{name} was restarted by its driver, {times} times since the start"


def _wrong_device(sample: HardwareSample, about: About) -> str:
    used, asked = ((one or "").split(":")[0] for one in (about.device, about.expected))
    if not used:
        return ""
    if asked and used != asked:
        return (
            f"training on {about.device}, but [expect] device is {about.expected}; stop it and "
            "run `plasma-tui check`"
        )
    if asked or not about.on_cpu or not sample.gpus:
        return ""
    return (
        f"training on the CPU, but this machine has {sample.gpus[0].name or 'a GPU'}: check "
        "use_cpu in accelerate's configuration"
    )


def _gpu_full(sample: HardwareSample) -> bool:
    used, total = sample.gpu_memory_used_bytes, sample.gpu_memory_total_bytes
    return used is not None and bool(total) and used >= GPU_FULL * (total or 0)


def starved(sample: HardwareSample) -> bool:
    """Is main memory used up, and swap too, as far as known?"""
    total, free = sample.memory_total_bytes, sample.memory_left_bytes
    if not total or free is None or free > MEMORY_LEFT * total:
        return False
    if not sample.swap_total_bytes:
        return True
    left = sample.swap_total_bytes - (sample.swap_used_bytes or 0)
    return left <= SWAP_LEFT * sample.swap_total_bytes


def _disk(sample: HardwareSample, about: About) -> str:
    """The next save fails on a full disk and leaves a truncated file under the final name."""
    free, need = sample.disk_free_bytes, about.next_save_bytes
    if free is None or not need or free > need * 1.2:
        return ""
    return f"{file_size(free)} free where it saves, and the next save needs {file_size(need)}: free some space"
