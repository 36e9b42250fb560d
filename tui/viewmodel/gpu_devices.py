"""The devices of a reading: which one is the run's own, how old its values are, whose memory it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.hardware.samples import own_gpu, same_device
from runner.model import GpuSample, HardwareSample, RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import ago
from tui.viewmodel.gauge_model import STALE_S

#: ages of readings are kept by the source's name, its values name the way they were got
_SOURCES = {
    "nvml": "nvidia",
    "nvidia-smi": "nvidia",
    "ioreg": "apple",
    "macmon": "apple",
    "amdgpu": "amd",
    "sysfs": "amd",
}
#: readings that are looked through for the run's own device
_LOOK_BACK = 60


@dataclass(frozen=True, slots=True)
class Device:
    """`label`: what its gauge is called; `age_s`: of its values; `shared`: its memory is the machine's own."""

    gpu: GpuSample
    label: str
    age_s: float
    own: bool

    @property
    def stale(self) -> bool:
        return self.age_s > STALE_S

    @property
    def silence(self) -> str:
        return f"no answer for {ago(self.age_s)}" if self.stale else ""

    @property
    def spiky(self) -> bool:
        """Single readings say little: zeros between are normal on Apple."""
        return source_name(self.gpu.source) == "apple"

    @property
    def shared(self) -> bool:
        """Apple's own GPUs; a card in an older Mac has memory of its own."""
        return self.spiky and self.gpu.memory_total_bytes is None

    @property
    def run_bytes(self) -> int | None:
        """This run's part of the used memory."""
        return self.gpu.memory_run_bytes

    @property
    def others_bytes(self) -> int | None:
        """What is not this run's, the driver's own share included; None: nobody can tell."""
        gpu = self.gpu
        if gpu.memory_used_bytes is not None and gpu.memory_run_bytes is not None:
            return max(0, gpu.memory_used_bytes - gpu.memory_run_bytes)
        return gpu.memory_others_bytes

    @property
    def left_bytes(self) -> int | None:
        return self.gpu.memory_left_bytes


def source_name(source: str) -> str:
    return _SOURCES.get(source.lower(), source.lower())


def newest(snapshot: RunSnapshot) -> HardwareSample | None:
    """The reading with everything that status.json carries, else the last of the journal."""
    carried = snapshot.status.sample if snapshot.status is not None else None
    last = snapshot.hardware[-1] if snapshot.hardware else None
    if carried is None or (last is not None and last.at > carried.at + STALE_S):
        return last
    return carried


def age_of(sample: HardwareSample, source: str, now: float) -> float:
    """Seconds since `source` (a source's or a value's) last answered, as of `now`."""
    ages = sample.ages_s
    known = ages.get(source, ages.get(source_name(source), 0.0))
    return known + max(0.0, now - sample.at)


def devices(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> tuple[Device, ...]:
    """The run's own first. An older journal knows one device, by its plain fields."""
    gpus = sample.gpus or _plain(sample)
    device = snapshot.status.device if snapshot.status is not None else None
    earlier = (past.gpus for past in reversed(snapshot.hardware[-_LOOK_BACK:]))
    own = own_gpu(gpus, device, earlier, steady=True)
    if own is None:
        return ()
    ordered = [own, *(gpu for gpu in gpus if gpu is not own)]
    return tuple(
        Device(gpu, _label(gpu, gpus), age_of(sample, gpu.source, now), gpu is own)
        for gpu in ordered
    )


def _plain(sample: HardwareSample) -> tuple[GpuSample, ...]:
    used, total = sample.gpu_memory_used_bytes, sample.gpu_memory_total_bytes
    if sample.gpu_percent is None and used is None:
        return ()
    made = GpuSample("", "", percent=sample.gpu_percent, memory_used_bytes=used)
    return (replace(made, memory_total_bytes=total, reasons=sample.reasons),)


def _label(gpu: GpuSample, gpus: Sequence[GpuSample]) -> str:
    if len(gpus) == 1:
        return "GPU"
    return f"GPU {gpu.index if gpu.index is not None else gpus.index(gpu)}"


def reading_of(sample: HardwareSample, key: str) -> GpuSample | None:
    """The same device in another reading."""
    for gpu in sample.gpus or _plain(sample):
        if same_device(gpu.key, key) or gpu.key == key:
            return gpu
    return None
