"""GPU, memory and disk as text shared by screen and command. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.hardware.samples import own_gpu, same_device
from runner.model import (
    Checkpoint,
    CheckResult,
    DiskFree,
    GpuSample,
    GpuUser,
    HardwareSample,
    HardwareUse,
    RunSnapshot,
)
from runner.model.lean import dataclass
from runner.model.units import ago, count, duration, memory_size
from tui.text import capital, clean
from tui.words.progress import expected_checkpoints
from tui.words.questions import Choice, Question

#: readings come every 2 s; older ones are not of now
STALE_S = 10.0
#: a disk other than the output's is nearly full below either of these
DISK_LOW, DISK_LOW_BYTES = 0.03, 2_000_000_000


def joined(*parts: str) -> str:
    """Those that are not empty, the most important first."""
    return ", ".join(one for one in parts if one)


def phrase(template: str, *values: object) -> str:
    """The template with its values; empty where one of them is unknown (None)."""
    return "" if None in values else template.format(*values)


def size(size_bytes: float | None) -> str | None:
    return None if size_bytes is None else memory_size(size_bytes)


def load_words(percent: float) -> str:
    """Sources are known to report 137 %."""
    return f"{max(0.0, min(100.0, percent)):.0f} %"


def age_words(age_s: float) -> str:
    """Readings come every 2 s, in the journal of a long run every 5 s: both are `now`."""
    return "now" if age_s < 6 else f"{ago(age_s)} ago"


def cores_words(cpu_percent: float) -> str:
    """100 % of psutil's is one core."""
    cores = cpu_percent / 100
    return f"{cores:.1f} cores" if cores < 9.95 else f"{cores:.0f} cores"


def is_low(disk: DiskFree) -> bool:
    if disk.free_bytes is None:
        return False
    return disk.free_bytes < max(DISK_LOW_BYTES, DISK_LOW * (disk.total_bytes or 0))


# ---------------------------------------------------------------------------
# The devices of a reading: which one is the run's own, how old its values are, what its memory holds.

#: ages of readings are kept by these names
_SOURCES = {
    "nvml": "nvidia",
    "nvidia-smi": "nvidia",
    "ioreg": "apple",
    "macmon": "apple",
    "amdgpu": "amd",
    "sysfs": "amd",
}
#: readings that are searched for the run's own device
_LOOK_BACK = 60


@dataclass(frozen=True, slots=True)
class Device:
    """`label`: of its gauge; `age_s`: of its values; `shared`: its memory is the machine's."""

    gpu: GpuSample
    label: str
    age_s: float
    own: bool

    @property
    def stale(self) -> bool:
        return self.age_s > STALE_S

    @property
    def spiky(self) -> bool:
        """Single readings say little: zeros between are normal on Apple."""
        return source_name(self.gpu.source) == "apple"

    @property
    def shared(self) -> bool:
        """Apple's own GPUs; a card in an older Mac has memory of its own."""
        return self.spiky and self.gpu.memory_total_bytes is None

    @property
    def others_bytes(self) -> int | None:
        """What is not this run's, the driver's share included; None: unknown."""
        gpu = self.gpu
        if gpu.memory_used_bytes is not None and gpu.memory_run_bytes is not None:
            return max(0, gpu.memory_used_bytes - gpu.memory_run_bytes)
        return gpu.memory_others_bytes


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
    return (
        GpuSample(
            "", "", percent=sample.gpu_percent, memory_used_bytes=used, memory_total_bytes=total,
            reasons=sample.reasons,
        ),
    )  # fmt: skip


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


# ---------------------------------------------------------------------------
# Who else is on the GPU, as text; and the question whether ComfyUI should free its memory.

COMFY = "comfyui"
#: a share below this is not worth a word
LEAST_PERCENT = 1.0


def others(snapshot: RunSnapshot) -> tuple[GpuUser, ...]:
    """All but this run, the largest first; by memory, then by share."""
    status = snapshot.status
    if status is None:
        return ()
    found = {_key(user): user for user in status.gpu_users if not user.ours}
    for gpu in status.sample.gpus if status.sample is not None else ():
        for user in gpu.users:
            if not user.ours:
                found.setdefault(_key(user), user)
    # another training slows a CPU as well; a ComfyUI holds only a GPU's memory
    shared = has_gpu(snapshot)
    users = (user for user in found.values() if shared or not _is_comfy(user))
    return tuple(sorted(users, key=_size, reverse=True))


def _is_comfy(user: GpuUser) -> bool:
    return COMFY in user.name.lower().replace(" ", "")


def has_gpu(snapshot: RunSnapshot) -> bool:
    """False only where it is certain: a GPU that the trainer uses exists, read or not."""
    status = snapshot.status
    if status is None or status.sample is None or status.sample.gpus:
        return True
    return bool(status.device) and not str(status.device).startswith("cpu")


def _key(user: GpuUser) -> tuple[int | None, str]:
    return (user.pid, "" if user.pid is not None else user.name)


def _size(user: GpuUser) -> tuple[int, float]:
    return (user.memory_bytes or 0, user.percent or 0.0)


def name_of(user: GpuUser) -> str:
    name = clean(user.name, 40)
    if user.outside:
        return name or "a process outside this container"
    return name or (f"process {user.pid}" if user.pid is not None else "unknown process")


def user_words(user: GpuUser, now: float) -> str:
    """`ComfyUI 6.1 GB, 40 %, for 2 h`: name and memory stay together, the rest gives way."""
    memory = f" {memory_size(user.memory_bytes)}" if user.memory_bytes else ""
    parts = [f"{name_of(user)}{memory}"]
    if user.percent is not None and user.percent >= LEAST_PERCENT:
        parts.append(f"{user.percent:.0f} %")
    if user.since_at is not None and now - user.since_at >= 60:
        parts.append(f"for {_long(now - user.since_at)}")
    return ", ".join(parts)


def _long(seconds: float) -> str:
    """In one unit: minutes do not matter after hours."""
    if seconds >= 7200:
        return f"{seconds // 3600:.0f} h" if seconds < 172_800 else f"{seconds // 86_400:.0f} days"
    return duration(seconds // 60 * 60)


def users_line(users: Sequence[GpuUser], now: float) -> str:
    """The first, and how many more; empty without any."""
    if not users:
        return ""
    words = user_words(users[0], now)
    if len(users) == 1:
        return words
    head, _, tail = words.partition(", ")
    more = f"and {count(len(users) - 1, 'other')}"
    return f"{head}, {more}, {tail}" if tail else f"{head}, {more}"


# --------------------------------------------------------------------------- asking ComfyUI


def comfy_of(snapshot: RunSnapshot | None) -> GpuUser | None:
    """The ComfyUI among the other users of the GPU."""
    users = others(snapshot) if snapshot is not None else ()
    return next(filter(_is_comfy, users), None)


def comfy_in(checks: Mapping[str, CheckResult]) -> bool | None:
    """Did the check of GPU users find a ComfyUI? None: it has no result, or was skipped."""
    found = checks.get("gpu_users")
    if found is None or found.status == "skip":
        return None
    return COMFY in f"{found.evidence} {found.detail}".lower()


def free_question(user: GpuUser, now: float) -> Question:
    """What asking does."""
    pid = f" (process {user.pid})" if user.pid is not None else ""
    name, _, rest = user_words(user, now).partition(", ")
    return _free_question(f"On the GPU now: {name}{pid}{', ' + rest if rest else ''}.")


def free_question_before(found: CheckResult) -> Question:
    """The same before a run, when the check has found it."""
    return _free_question(clean(found.detail or found.evidence))


def _free_question(held: str) -> Question:
    return Question(
        "Ask ComfyUI to free its memory?",
        (
            held,
            "It is asked to unload its models (POST /free); its next image loads them again. No process is "
            "ended, and with jobs in its queue ComfyUI is left alone.",
            "This takes some seconds and may free only a part. The training is not touched.",
        ),
        (Choice("free", "Ask it"),),
    )


# ---------------------------------------------------------------------------
# The use of the machine over a run, in sentences: for the zoomed panel and for `show`.

#: with less measured training than this a mean load means nothing
LEAST_S = 10.0


def use_sentences(use: HardwareUse) -> tuple[str, ...]:
    """Only what was measured."""
    found = (_gpu(use), _gpu_memory(use), _card(use), _host(use), _memory(use))
    return tuple(f"{capital(text)}." for text in found if text)


def _gpu(use: HardwareUse) -> str:
    most = phrase("at most {:.0f} %", use.gpu_util_max)
    if not most or use.gpu_util_mean is None or use.training_s < LEAST_S:
        return most and f"GPU busy {most}"
    idle = phrase(
        "idle for {}", use.gpu_idle_s if use.gpu_idle_s is None else duration(use.gpu_idle_s)
    )
    return joined(f"GPU busy {use.gpu_util_mean:.0f} % on average while training", most, idle)


def _gpu_memory(use: HardwareUse) -> str:
    most, ours = size(use.gpu_memory_max_bytes), size(use.gpu_memory_run_max_bytes)
    if most is None:
        return phrase("this run held at most {} of the GPU's memory", ours)
    return joined(f"GPU memory at most {most}", phrase("this run's at most {}", ours))


def _card(use: HardwareUse) -> str:
    energy = use.energy_wh
    return joined(
        phrase("at most {:.0f} °C", use.temperature_max_c),
        phrase("{:.0f} W on average", use.power_mean_w),
        phrase("{:.1f} kWh used" if (energy or 0) >= 1000 else "{:.0f} Wh used",
             energy / 1000 if energy and energy >= 1000 else energy),
        f"slowed for {duration(use.throttled_s)}" if use.throttled_s >= 1 else "",
    )  # fmt: skip


def _host(use: HardwareUse) -> str:
    cores = use.tree_cpu_mean / 100 if use.tree_cpu_mean is not None else None
    return joined(
        phrase("CPU {:.0f} % on average while training", use.cpu_mean),
        phrase("the training used {:.1f} cores", cores),
    )


def _memory(use: HardwareUse) -> str:
    grown = use.swap_grown_bytes or 0
    return joined(
        phrase("the training used at most {} of memory", size(use.tree_memory_max_bytes)),
        phrase("at least {} was left", size(use.memory_low_bytes)),
        f"swap grew by {memory_size(grown)}" if grown >= 1 << 20 else "",
    )


# ---------------------------------------------------------------------------
# Will all coming saves fit on the disk? Pure; None wherever a size is unknown.


@dataclass(frozen=True, slots=True)
class Write:
    """What a step does to the disk: first it adds, then it frees (sd-scripts saves the new file before it
    deletes the old one of save_last_n_*)."""

    step: int
    added_bytes: int = 0
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """`full_at_step`: the first true step whose save does not fit, None: all fit. `need_bytes`: the most that
    will be needed at once, beyond what is used now."""

    full_at_step: int | None
    need_bytes: int


def disk_room(free_bytes: int, writes: Sequence[Write]) -> DiskRoom:
    """Plays the writes one after another against `free_bytes`."""
    used = need = 0
    full_at: int | None = None
    for write in sorted(writes, key=lambda one: one.step):
        used += write.added_bytes
        need = max(need, used)
        if used > free_bytes and full_at is None:
            full_at = write.step
        used -= write.freed_bytes
    return DiskRoom(full_at, need)


def writes_to_come(snapshot: RunSnapshot) -> tuple[Write, ...] | None:
    """The coming saves with what they delete; None: their number or a size is unknown."""
    coming = expected_checkpoints(snapshot)
    weights, state = _weights_bytes(snapshot), _state_bytes(snapshot)
    if not coming or weights is None:
        return None
    if state is None and any(one.state_name for one in coming):
        return None
    state = state or 0
    writes = [Write(one.step, weights + (state if one.state_name else 0)) for one in coming]
    for one in coming:
        if one.removed_at_step is not None:
            writes.append(Write(one.removed_at_step, freed_bytes=weights))
        if one.state_removed_at_step is not None and one.state_name:
            writes.append(Write(one.state_removed_at_step, freed_bytes=state))
    for file in _written(snapshot):
        writes += _freed(file, weights, state)
    return tuple(writes)


def room_of(snapshot: RunSnapshot, free_bytes: int | None) -> DiskRoom | None:
    """None: unknown."""
    writes = writes_to_come(snapshot)
    return disk_room(free_bytes, writes) if writes and free_bytes is not None else None


def _freed(file: Checkpoint, weights: int, state: int) -> list[Write]:
    freed = []
    if file.removed_at_step is not None:
        freed.append(Write(file.removed_at_step, freed_bytes=file.size_bytes or weights))
    if file.state_removed_at_step is not None and file.state_path:
        freed.append(Write(file.state_removed_at_step, freed_bytes=state))
    return freed


def _written(snapshot: RunSnapshot) -> tuple[Checkpoint, ...]:
    """What still exists."""
    written = snapshot.status.checkpoints if snapshot.status is not None else ()
    return tuple(one for one in written if not one.removed and not one.missing)


def _weights_bytes(snapshot: RunSnapshot) -> int | None:
    """Of the newest complete file, else as forecast."""
    sizes = [one.size_bytes for one in _written(snapshot) if one.complete and one.size_bytes]
    if sizes:
        return sizes[-1]
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    return forecast.checkpoint_bytes if forecast is not None else None


def _state_bytes(snapshot: RunSnapshot) -> int | None:
    forecast = snapshot.spec.forecast if snapshot.spec is not None else None
    return forecast.state_bytes if forecast is not None else None


def output_disk(sample: HardwareSample) -> DiskFree | None:
    """The disk that the run saves on."""
    for disk in sample.disks:
        if "output" in disk.what:
            return disk
    if sample.disk_free_bytes is None:
        return None
    return DiskFree("output", "", sample.disk_free_bytes)


def disk_words(room: DiskRoom | None) -> str:
    """Empty where it is unknown."""
    if room is None:
        return ""
    if room.full_at_step is not None:
        return f"full at step {room.full_at_step}"
    return "all saves fit"
