"""What the readings warn of while a training runs: the wrong device, an idle GPU, memory and disk near their
end, a card in trouble. Pure: samples in, sentences out; the guard makes alarms of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.hardware.samples import own_gpu
from runner.hardware.used import IDLE_PERCENT
from runner.model import AlarmKind, GpuSample, HardwareSample
from runner.model.units import duration, file_size, memory_size, pressure_word

#: what must last: one sample says little
IDLE_S = 60.0
EDGE_S = 10.0
KEPT_S = 120.0
#: of a GPU's memory; CUDA fails, or spills into main memory on Windows and WSL, near its end
GPU_FULL = 0.97
#: Main memory: with less than this left and the swap nearly used up, the kernel kills the largest process
MEMORY_LEFT = 0.04
SWAP_LEFT = 0.10
#: Apple swaps long before it fails (a 16 GB Mac lets MPS take 18 GB)
SWAP_GROWN_BYTES = 1 << 30
PRESSURE_WARNING, PRESSURE_CRITICAL = 2, 4


@dataclass(frozen=True, slots=True)
class About:
    """What the run itself knows. `device`: as the trainer named it; `expected`: `[expect] device`;
    `next_save_bytes`: of the next checkpoint with its state, None: not known."""

    device: str | None = None
    expected: str | None = None
    training: bool = False
    next_save_bytes: int | None = None

    @property
    def on_cpu(self) -> bool:
        return self.device is not None and self.device.startswith("cpu")


class HardwareWatch:
    """Keeps the readings of the last two minutes, and those of the time when the pace was best."""

    def __init__(self) -> None:
        self._recent: deque[tuple[HardwareSample, bool]] = deque()
        self._best: tuple[HardwareSample, ...] = ()
        self._recoveries: dict[str, int] = {}
        self._swap_bytes: int | None = None
        self._swapped_bytes: int | None = None

    def add(self, sample: HardwareSample, about: About) -> None:
        """The next reading."""
        self._recent.append((sample, about.training))
        while self._recent and sample.at - self._recent[0][0].at > KEPT_S:
            self._recent.popleft()
        if about.training and self._swap_bytes is None:
            self._swap_bytes, self._swapped_bytes = sample.swap_used_bytes, sample.swapped_out_bytes
        for gpu in sample.gpus:
            if gpu.recoveries is not None:
                self._recoveries.setdefault(gpu.key, gpu.recoveries)

    def mark_best(self) -> None:
        """The pace has never been better: this is what the machine looks like then."""
        self._best = self._window(60.0)

    @property
    def best(self) -> tuple[HardwareSample, ...]:
        return self._best

    @property
    def now(self) -> tuple[HardwareSample, ...]:
        """The last minute of training."""
        return self._window(60.0)

    def _window(self, seconds: float) -> tuple[HardwareSample, ...]:
        if not self._recent:
            return ()
        end = self._recent[-1][0].at
        return tuple(s for s, training in self._recent if training and end - s.at <= seconds)

    # ----------------------------------------------------------------- what is wrong

    def findings(self, about: About) -> Mapping[AlarmKind, str]:
        """A sentence for each thing that is wrong now."""
        if not self._recent:
            return {}
        sample = self._recent[-1][0]
        gpu = None if about.on_cpu else own_gpu(sample.gpus, about.device)
        found = {
            AlarmKind.WRONG_DEVICE: self._wrong_device(sample, about),
            AlarmKind.GPU_IDLE: self._idle(gpu, about),
            AlarmKind.MEMORY_LOW: self._memory(sample),
            AlarmKind.GPU_MEMORY_LOW: self._gpu_memory(gpu, about),
            AlarmKind.DISK_LOW: _disk(sample, about),
            AlarmKind.GPU_TROUBLE: self._trouble(gpu),
        }
        return {kind: text for kind, text in found.items() if text}

    def _wrong_device(self, sample: HardwareSample, about: About) -> str:
        if about.device is None or not about.training:
            return ""
        used, asked = about.device.split(":")[0], (about.expected or "").split(":")[0]
        if asked and used != asked:
            return (
                f"it trains on {about.device}, but [expect] device is {about.expected}; stop it and "
                "look at what `check` says"
            )
        if not asked and about.on_cpu and sample.gpus:
            name = sample.gpus[0].name or "a GPU"
            return (
                f"it trains on the CPU, and this machine has {name}: look at use_cpu in accelerate's "
                "configuration"
            )
        return ""

    def _idle(self, gpu: GpuSample | None, about: About) -> str:
        """Over a minute of training; samples are spiky, on Apple zeros among them are normal."""
        window = self._window(IDLE_S)
        if gpu is None or not about.training or len(window) < 10:
            return ""
        if window[-1].at - window[0].at < IDLE_S * 0.8:
            return ""
        seen = [s.gpu_percent for s in window if s.gpu_percent is not None]
        if len(seen) < len(window) * 0.8 or max(seen) >= IDLE_PERCENT:
            return ""
        name = gpu.name or "the GPU"
        return f"steps are made, but {name} has done nothing for {duration(IDLE_S)}: is it really used?"

    def _lasting(self, test: Callable[[HardwareSample], bool]) -> bool:
        """True for all readings of the last moments, and there were several."""
        end = max(sample.at for sample, _ in self._recent)
        lately = [test(sample) for sample, _ in self._recent if end - sample.at <= EDGE_S]
        return len(lately) >= 3 and all(lately)

    def _memory(self, sample: HardwareSample) -> str:
        if sample.pressure is not None and sample.pressure >= PRESSURE_CRITICAL:
            return (
                f"memory pressure is {pressure_word(sample.pressure)}: close other programs now, or stop the "
                "training at its next save"
            )
        grown = self._swap_growth(sample)
        swap = f", swap has grown by {memory_size(grown)}" if grown else ""
        if self._lasting(lambda s: (s.pressure or 0) >= PRESSURE_WARNING):
            word = pressure_word(PRESSURE_WARNING)
            return f"memory pressure is {word}{swap}: close other programs, or steps become slow"
        if sample.pressure is None and self._lasting(starved):
            return (
                f"only {memory_size(sample.memory_left_bytes)} of memory are left and the swap is nearly used "
                "up: the kernel will kill the largest process, which is the training; close other programs"
            )
        if grown <= SWAP_GROWN_BYTES:
            return ""
        return (
            f"swap has grown by {memory_size(grown)} since the first step: memory is too small, and steps "
            "become slow"
        )

    def _swap_growth(self, sample: HardwareSample) -> int:
        """Since the first step: what was written to swap where that is told, else what is used of it."""
        if self._swapped_bytes is not None and sample.swapped_out_bytes is not None:
            return max(0, sample.swapped_out_bytes - self._swapped_bytes)
        if self._swap_bytes is None or sample.swap_used_bytes is None:
            return 0
        return max(0, sample.swap_used_bytes - self._swap_bytes)

    def _gpu_memory(self, gpu: GpuSample | None, about: About) -> str:
        if gpu is None or not gpu.memory_total_bytes or not about.training:
            return ""
        if not self._lasting(_gpu_full):
            return ""
        others = ""
        if gpu.memory_others_bytes:
            others = f"; other programs hold {memory_size(gpu.memory_others_bytes)} of it"
        return (
            f"{gpu.name or 'the GPU'} has {memory_size(gpu.memory_left_bytes)} of memory left{others}: the "
            "next larger image may fail, and on Windows and WSL it spills into main memory and becomes slow"
        )

    def _trouble(self, gpu: GpuSample | None) -> str:
        if gpu is None:
            return ""
        if gpu.problem:
            return f"{gpu.name or 'the GPU'}: {gpu.problem}"
        began = self._recoveries.get(gpu.key)
        if began is not None and gpu.recoveries is not None and gpu.recoveries > began:
            times = gpu.recoveries - began
            return f"{gpu.name or 'the GPU'} was restarted by its driver, {times} times since the start"
        return ""


def _gpu_full(sample: HardwareSample) -> bool:
    used, total = sample.gpu_memory_used_bytes, sample.gpu_memory_total_bytes
    return used is not None and bool(total) and used >= GPU_FULL * (total or 0)


def starved(sample: HardwareSample) -> bool:
    """Is main memory used up, and swap too as far as it is known?"""
    total, free = sample.memory_total_bytes, sample.memory_left_bytes
    if not total or free is None or free > MEMORY_LEFT * total:
        return False
    if not sample.swap_total_bytes:
        return True
    left = sample.swap_total_bytes - (sample.swap_used_bytes or 0)
    return left <= SWAP_LEFT * sample.swap_total_bytes


def _disk(sample: HardwareSample, about: About) -> str:
    """The next save dies of a full disk, and leaves a cut-off file under the final name."""
    free, need = sample.disk_free_bytes, about.next_save_bytes
    if free is None or not need or free > need * 1.2:
        return ""
    return f"{file_size(free)} are free where it saves, and the next save needs {file_size(need)}: make room"
