"""The machine: GPU, memory, CPU, pace and disk, each with its last five minutes; zoomed, everything known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from rich.cells import cell_len
from textual.reactive import reactive

from runner.model import GpuUser, HardwareSample, HardwareUse, RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import (
    ago,
    count,
    duration,
    file_size,
    memory_size,
    pace,
    percent,
    pressure_word,
)
from tui.kit import glyphs
from tui.kit.chart import PAST_BINS, blocks
from tui.kit.paint import EMPTY, Row, Span, cell, fit, labelled, pad
from tui.kit.panel import ScrollingPanel
from tui.panels.verdict import pace_change
from tui.text import clean, crop, crop_parts
from tui.words.machine import (
    STALE_S,
    Device,
    age_of,
    age_words,
    cores_words,
    devices,
    disk_words,
    is_low,
    joined,
    load_words,
    newest,
    others,
    output_disk,
    phrase,
    reading_of,
    room_of,
    size,
    use_sentences,
    user_words,
    users_line,
)
from tui.words.progress import is_live, progress_of

# ---------------------------------------------------------------------------
# The last five minutes of a value. Pure.

#: a history holds means over so many seconds: it moves seldom
BIN_S = 8.0
#: single readings of Apple's GPU are spiky, with zeros between: their mean over so long is shown
MEAN_S = 20.0
#: a card's temperature and power are never still
CARD_MEAN_S = 10.0
#: a step that takes so many times the usual one is a break, such as before a resume
BREAK_STEPS, BREAK_S = 20, 60.0
#: half of a block's level: the usual pace is not at the edge of one
HALF_LEVEL = 1 / 16

Value = Callable[[HardwareSample], float | None]
Past = tuple[float | None, ...]


def history(samples: Sequence[HardwareSample], value: Value, full: float | None = 100.0) -> Past:
    """Means over bins of the clock as parts of `full`, oldest first; a bin without a value is None. The bin
    that is still filling is left out, so that a history changes once a bin."""
    if not samples or not full:
        return ()
    end = int(samples[-1].at // BIN_S)
    bins: dict[int, list[float]] = {}
    for sample in reversed(samples):
        at = int(sample.at // BIN_S)
        if at < end - PAST_BINS:
            break
        found = value(sample) if at < end else None
        if found is not None:
            bins.setdefault(at, []).append(found)
    return tuple(
        max(0.0, min(1.0, sum(bins[at]) / len(bins[at]) / full)) if at in bins else None
        for at in range(min(bins, default=end), end)
    )


def of_card(key: str, field: str) -> Value:
    """That field of one device."""

    def value(sample: HardwareSample) -> float | None:
        one = reading_of(sample, key)
        return getattr(one, field) if one is not None else None

    return value


def pace_history(snapshot: RunSnapshot, usual_s: float, now: float) -> Past:
    """Seconds a step, the usual ones at half the height. It ends with the newest step, in a run that hangs at
    `now`."""
    timed = (one for one in reversed(snapshot.loss.buckets) if one.elapsed_s is not None)
    last = next(timed, None)
    if snapshot.spec is None or last is None or usual_s <= 0:
        return ()
    since = snapshot.spec.created_at
    last_at = since + (last.elapsed_s or 0.0)
    hangs = is_live(snapshot) and now - last_at > 3 * usual_s + BIN_S
    end = int((now if hangs else last_at) // BIN_S)
    seconds: dict[int, float] = {}
    steps: dict[int, float] = {}
    for after, before in pairwise(chain((last,), timed)):
        begun, done = since + (before.elapsed_s or 0.0), since + (after.elapsed_s or 0.0)
        if done < (end - PAST_BINS) * BIN_S:
            break
        number = after.last_step - before.last_step
        each_s = (done - begun) / number if number > 0 else 0.0
        if each_s <= 0 or each_s > max(BREAK_S, BREAK_STEPS * usual_s):
            continue
        for at in range(
            max(end - PAST_BINS, int(begun // BIN_S)), min(end, int(done // BIN_S) + 1)
        ):
            inside = min(done, (at + 1) * BIN_S) - max(begun, at * BIN_S)
            seconds[at] = seconds.get(at, 0.0) + inside
            steps[at] = steps.get(at, 0.0) + inside / each_s
    return tuple(
        min(1.0, seconds[at] / steps[at] / (2 * usual_s) + HALF_LEVEL) if steps.get(at) else None
        for at in range(min(seconds, default=end), end)
    )


def recent_mean(
    samples: Sequence[HardwareSample], value: Value, over_s: float = MEAN_S
) -> float | None:
    found = []
    for sample in reversed(samples):
        if samples[-1].at - sample.at > over_s:
            break
        one = value(sample)
        if one is not None:
            found.append(one)
    return sum(found) / len(found) if found else None


def span_words(samples: Sequence[HardwareSample]) -> str:
    """`last 5 min`; empty while there is too little to show."""
    seconds = min(samples[-1].at - samples[0].at, PAST_BINS * BIN_S) if samples else 0.0
    seconds = seconds // 60 * 60 or seconds // 30 * 30
    return f"last {duration(seconds)}" if seconds > 0 else ""


# ---------------------------------------------------------------------------
# Gauges: what each row of the panel holds.

#: with less than this share of its memory left a card is almost full
LOW = 0.03
#: `kern.memorystatus_vm_pressure_level` of macOS: 1 normal, 2 high, 4 critical
HIGH, CRITICAL = 2, 4
#: swap that grew by so much since the first step slows a training
SWAP_GROWN_BYTES = 1 << 29
GB = 1024**3


@dataclass(frozen=True, slots=True)
class Gauge:
    """One row. `value` empty: a row of words, which are in `note`, as of a value that was not measured. `note`:
    parts split at `, `, the last of which give way first; `short`, `brief`: value and note where it is narrow.
    `past`: fractions, oldest first. `worth`: the least worthy rows give way on a low panel."""

    label: str
    value: str = ""
    note: str = ""
    worth: int = 50
    past: Past = ()
    role: str = "text"
    short: str = ""
    brief: str | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rows are made from: the newest sample, the devices in it (the run's own first), the time."""

    snapshot: RunSnapshot
    sample: HardwareSample
    now: float
    devices: tuple[Device, ...]

    @property
    def own(self) -> Device | None:
        return self.devices[0] if self.devices else None

    @property
    def use(self) -> HardwareUse:
        status = self.snapshot.status
        return status.hardware if status is not None else HardwareUse()

    @property
    def host_age_s(self) -> float:
        return age_of(self.sample, "host", self.now)

    def past(self, value: Value, full: float | None = 100.0) -> Past:
        return history(self.snapshot.hardware, value, full)

    def missing(self, label: str, field: str, worth: int) -> Gauge:
        reasons = self.sample.reasons
        why = reasons.get(field) or reasons.get(field.split("_")[0]) or reasons.get("host") or ""
        return _not_measured(label, why, worth)


def _not_measured(label: str, why: str | None, worth: int) -> Gauge:
    why = clean(why, 160)
    return Gauge(label, note=f"not measured: {why}" if why else "not measured", worth=worth)


def gauges_of(reading: Reading) -> tuple[Gauge, ...]:
    """In their order. Values of a source that does not answer are grey, without a history."""
    own, host = reading.own, [*_memory(reading), _cpu(reading), *_disks(reading)]
    if reading.host_age_s > STALE_S:
        host = [_silent(one, reading.host_age_s) for one in host]
    words = users_line(others(reading.snapshot), reading.now)
    users = [Gauge("others", note=words, worth=92, role="warn")] if words else []
    cards = _own_card(own, reading) if own is not None else [_no_gpu(reading)]
    rest = [_other_card(one, reading) for one in reading.devices[1:]]
    cut = next((at for at, one in enumerate(host) if one.label == "disk"), len(host))
    memory, disks = host[:cut], host[cut:]
    return (*cards, *users, *rest, *memory, *_pace(reading), *disks)


def _silent(gauge: Gauge, age_s: float) -> Gauge:
    return replace(
        gauge, stale=True, past=(), note=f"no answer for {ago(age_s)}", brief="no answer"
    )


# --------------------------------------------------------------------------- GPUs


def _no_gpu(reading: Reading) -> Gauge:
    """Where the trainer reports a GPU, it is the reading that is missing."""
    status, reasons = reading.snapshot.status, reading.sample.reasons
    device = (status.device or "") if status is not None else ""
    sources = {"mps": ("apple",), "cuda": ("nvidia", "amd")}.get(device.partition(":")[0], ())
    why = next((reasons[k] for k in ("gpu_percent", *sources, "gpu") if reasons.get(k)), "")
    if device and not device.startswith("cpu"):
        return _not_measured("GPU", why, 100)
    why = clean(why, 160) if why and not device and why != "no GPU found" else ""
    then = "trains on the CPU" if device else "will train on the CPU"
    return Gauge("GPU", note=f"No GPU: {why or then}", worth=88)


def _own_card(own: Device, reading: Reading) -> list[Gauge]:
    """Load, memory, state of the card, what slows it."""
    gpu, most = own.gpu, reading.use.gpu_memory_max_bytes
    rows = [_load(own, reading), *_video_memory(own, reading)]
    if gpu.problem:
        rows.insert(0, Gauge(own.label, note=clean(gpu.problem, 200), worth=110, role="bad"))

    def mean(field: str) -> float | None:
        """Rounded below, so that noise costs no bytes."""
        known = recent_mean(reading.snapshot.hardware, of_card(gpu.key, field), CARD_MEAN_S)
        return known if known is not None else getattr(gpu, field)

    clock = mean("clock_mhz")
    card = joined(
        phrase("{:.0f} °C", mean("temperature_c")),
        power_words(mean("power_w"), gpu.power_limit_w),
        phrase("{:.1f} GHz", clock and clock / 1000),
        f"VRAM peak {gb(most)} GB" if most and not own.shared else "",
    )
    if card:
        rows.append(Gauge("", note=card, worth=60, role="dim", stale=own.stale))
    if gpu.throttle:
        # a card at its power limit is in normal use
        usual = all("power" in one.lower() for one in gpu.throttle)
        words = f"slowed: {joined(*(clean(one, 60) for one in gpu.throttle))}"
        worth, role = (55, "dim") if usual else (95, "warn")
        rows.append(Gauge("", note=words, worth=worth, role=role))
    return rows


def _load(own: Device, reading: Reading) -> Gauge:
    """On Apple the mean of the last readings; elsewhere the driver's own mean over its window."""
    gpu, use, value = own.gpu, reading.use, of_card(own.gpu.key, "percent")
    now = (recent_mean(reading.snapshot.hardware, value) if own.spiky else None) or gpu.percent
    if now is None:
        why = gpu.reasons.get("percent") or gpu.reasons.get("gpu_percent")
        return _not_measured(own.label, why, 100)
    busy = peak = ""
    if use.gpu_idle_s is not None and use.gpu_training_s > 0:
        busy = f"busy {percent(max(0.0, 1 - use.gpu_idle_s / use.gpu_training_s))} of the run"
    if use.gpu_util_max is not None:
        peak = f"peak {load_words(max(use.gpu_util_max, now))}"
    made = Gauge(own.label, load_words(now), joined(busy, peak), 100, reading.past(value))
    return _silent(made, own.age_s) if own.stale else made


def _video_memory(own: Device, reading: Reading) -> list[Gauge]:
    """Of a card with memory of its own; Apple's is the machine's."""
    gpu = own.gpu
    if own.shared:
        return []
    used, total, left = gpu.memory_used_bytes, gpu.memory_total_bytes, gpu.memory_left_bytes
    if used is None:
        return [_not_measured("VRAM", gpu.reasons.get("memory_used_bytes"), 97)]
    low = left is not None and left < LOW * (total or 0)
    ours, rest = gpu.memory_run_bytes, own.others_bytes
    whose = joined(f"ours {gb(ours)}", phrase("others {}", rest and gb(rest))) if ours else ""
    past = reading.past(of_card(gpu.key, "memory_used_bytes"), total)
    made = _filling("VRAM", used, total, f"{gb(left or 0)} GB left" if low else "", whose, 98, past)
    return [_silent(made, own.age_s) if own.stale else made]


def _filling(
    label: str, used: int, total: int | None, urgent: str, rest: str, worth: int, past: Past
) -> Gauge:
    """Of a memory. `urgent`: why it is a warning."""
    of = f"of {_round(total)}" if total else ""
    role = "warn" if urgent else "text"
    note, brief = joined(urgent, of, rest), joined(urgent, rest)
    return Gauge(label, memory_size(used), note, worth, past, role, _of(used, total), brief)


def _other_card(device: Device, reading: Reading) -> Gauge:
    gpu = device.gpu
    if gpu.problem:
        return Gauge(device.label, note=clean(gpu.problem, 200), worth=79, role="bad")
    ours = "ours" if gpu.memory_run_bytes or any(user.ours for user in gpu.users) else ""
    used = gpu.memory_used_bytes
    memory = f"{_of(used, gpu.memory_total_bytes)} GB" if used is not None else ""
    value = load_words(gpu.percent) if gpu.percent is not None else "n/a"
    past = reading.past(of_card(gpu.key, "percent"))
    made = Gauge(device.label, value, joined(ours, memory), 79, past)
    return _silent(made, device.age_s) if device.stale else made


# --------------------------------------------------------------------------- the machine


def _memory(reading: Reading) -> list[Gauge]:
    """The machine's memory; pressure and growing swap come first, as they slow a training."""
    sample, own, use = reading.sample, reading.own, reading.use
    used, total = sample.memory_used_bytes, sample.memory_total_bytes
    apple = own is not None and own.shared
    worth = 98 if apple or own is None else 72
    if used is None:
        return [reading.missing("mem", "memory_used_bytes", worth)]
    swap, grown = sample.swap_used_bytes or 0, use.swap_grown_bytes or 0
    level, trainer = sample.pressure or 1, trainer_bytes(sample)
    swapping = grown >= SWAP_GROWN_BYTES
    urgent = joined(
        f"pressure {pressure_word(level)}" if level >= HIGH else "",
        f"swap +{gb(grown)}" if swapping else "",
    )
    held = own.gpu.memory_used_bytes if own is not None and apple else None
    rest = joined(
        f"swap {gb(swap)}" if swap >= GB / 20 and not swapping else "",
        f"GPU {gb(held)}" if held else "",
        f"trainer {gb(trainer)}" if trainer else "",
    )
    past = reading.past(lambda one: one.memory_used_bytes, total)
    made = _filling("mem", used, total, urgent, rest, 99 if urgent else worth, past)
    return [replace(made, role="bad") if level >= CRITICAL else made]


def _cpu(reading: Reading) -> Gauge:
    """Of the cores that the run may use."""
    sample = reading.sample
    used, cores, tree = sample.cpu_percent, sample.cpu_count, sample.tree_cpu_percent
    worth = 97 if reading.own is None else 75
    if used is None:
        return reading.missing("CPU", "cpu_percent", worth)
    note = count(cores, "core") if cores else ""
    if tree is not None:
        note = joined(f"trainer {cores_words(tree)}", f"of {cores}" if cores else "")
    return Gauge("CPU", load_words(used), note, worth, reading.past(lambda one: one.cpu_percent))


def _pace(reading: Reading) -> list[Gauge]:
    """In the header's words; beside it whether it changes."""
    snapshot = reading.snapshot
    seconds = progress_of(snapshot).seconds_per_step
    if seconds is None:
        return []
    kind, usual = pace_change(snapshot.loss, seconds)
    note = {"slower": f"slower, was {pace(usual)}", "faster": f"faster, was {pace(usual)}"}
    past = pace_history(snapshot, usual or seconds, reading.now)
    role = "warn" if kind == "slower" else "text"
    return [Gauge("pace", pace(seconds), note.get(kind, kind if usual else ""), 90, past, role)]


def _disks(reading: Reading) -> list[Gauge]:
    """The output's disk; those of logs, cache and temporary files only where they are nearly full."""
    sample, disk = reading.sample, output_disk(reading.sample)
    if disk is None or disk.free_bytes is None:
        rows = [reading.missing("disk", "disk_free_bytes", 85)]
    else:
        room = room_of(reading.snapshot, disk.free_bytes)
        full, words = room is not None and room.full_at_step is not None, disk_words(room)
        note = words if full else f"free: {words}" if words else "free"
        role = "bad" if full else "text"
        size, worth = file_size(disk.free_bytes), 96 if full else 85
        rows = [Gauge("disk", size, note, worth, role=role, brief=words or "free")]
    return rows + [
        Gauge(
            clean(one.what, 5),
            file_size(one.free_bytes),
            "free: nearly full",
            91,
            role="warn",
            brief="nearly full",
        )
        for one in sample.disks
        if one is not disk and is_low(one)
    ]


def trainer_bytes(sample: HardwareSample) -> int | None:
    """On Apple the footprint: what is resident leaves out the GPU's and the compressed part."""
    return sample.footprint_bytes or sample.tree_memory_bytes


# --------------------------------------------------------------------------- numbers


def gb(size_bytes: float) -> str:
    return f"{size_bytes / GB:.1f}"


def _of(used: int | None, total: int | None) -> str:
    """`10.9 of 16`, in GB."""
    if used is None:
        return ""
    return f"{gb(used)} of {total / GB:.0f}" if total else f"{gb(used)} GB"


def _round(size_bytes: int) -> str:
    return memory_size(size_bytes).replace(".0 ", " ")


def power_words(power_w: float | None, limit_w: float | None) -> str:
    """To 10 W above 100 W: a card's power is never still."""
    if power_w is None:
        return ""
    step = 10 if power_w >= 100 else 1
    shown = f"{round(power_w / step) * step:.0f}"
    return f"{shown} of {limit_w:.0f} W" if limit_w else f"{shown} W"


# ---------------------------------------------------------------------------
# Everything known of the machine, for the zoomed panel.

#: (label, text, role); facts without a text are left out
Fact = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """`note`: where its values come from, and their age."""

    title: str
    facts: tuple[Fact, ...]
    note: str = ""
    stale: bool = False


_FIELDS = {
    "percent": "load",
    "memory_used_bytes": "memory",
    "memory_run_bytes": "ours",
    "memory_others_bytes": "others",
    "temperature_c": "degrees",
    "power_w": "power",
    "power_limit_w": "limit",
    "clock_mhz": "clock",
    "memory_clock_mhz": "clock",
    "fan_percent": "fan",
    "energy_j": "energy",
}


def sections_of(reading: Reading) -> tuple[Section, ...]:
    sample, status = reading.sample, reading.snapshot.status
    host = ("psutil", reading.host_age_s)
    listed = {user.pid for one in sample.gpus for user in one.users}
    unlisted = [u for u in others(reading.snapshot) if u.pid is None or u.pid not in listed]
    so_far = [("", sentence, "text") for sentence in use_sentences(reading.use)]
    awake = ("awake", clean(getattr(status, "awake", None) or "", 200), "dim")
    reasons = [(clean(key, 9), clean(why, 300), "dim") for key, why in sample.reasons.items()]
    found = [
        *(
            _section(_title(one), _device(one, reading.now), one.gpu.source, one.age_s)
            for one in reading.devices
        ),
        _section("Also running", (_user(user, reading.now) for user in unlisted)),
        _section("Memory", _memory_facts(sample), *host),
        _section("CPU", _cpu_facts(sample), *host),
        _section("Disks", _disk_facts(reading), *host),
        _section("So far", (*so_far, awake)),
        _section("Not measured", reasons),
    ]
    return tuple(one for one in found if one.facts)


def _section(
    title: str, facts: Iterator[Fact] | Sequence[Fact], source: str = "", age_s: float = 0.0
) -> Section:
    stale = age_s > STALE_S
    age = f"no answer for {ago(age_s)}" if stale else age_words(age_s)
    note = joined(clean(source, 20), age) if source else ""
    return Section(title, tuple(fact for fact in facts if fact[1]), note, stale)


def _title(device: Device) -> str:
    name = clean(device.gpu.name, 60)
    title = f"{device.label}: {name}" if name else device.label
    return f"{title}, this run's" if device.own and device.label != "GPU" else title


def _device(device: Device, now: float) -> Iterator[Fact]:
    gpu, own = device.gpu, not device.shared
    total, left = gpu.memory_total_bytes, gpu.memory_left_bytes
    single = ", a single reading: they vary a lot" if device.spiky else ""
    memory = joined(
        phrase(
            "{}" + (f" of {_round(total)}" if total and own else ""), size(gpu.memory_used_bytes)
        ),
        phrase("{} left", size(left)) if own else "part of the machine's memory",
    )
    whose = joined(
        phrase("this run's {}", size(gpu.memory_run_bytes)),
        phrase("others' and the driver's {}", size(device.others_bytes)),
    )
    card = joined(
        phrase("{:.0f} °C", gpu.temperature_c),
        power_words(gpu.power_w, gpu.power_limit_w),
        phrase("{:.0f} MHz", gpu.clock_mhz),
        phrase("memory {:.0f} MHz", gpu.memory_clock_mhz),
        phrase("fan {:.0f} %", gpu.fan_percent),
    )
    yield "trouble", clean(gpu.problem, 300), "bad"
    yield "load", load_words(gpu.percent) + single if gpu.percent is not None else "", "text"
    yield "memory", memory if gpu.memory_used_bytes is not None else "", "text"
    yield "whose", whose, "text"
    yield "card", card, "text"
    yield "slowed", joined(*(clean(one, 80) for one in gpu.throttle)), "warn"
    yield (
        "restarts",
        phrase("{} by its driver since it was started", gpu.recoveries or None),
        "warn",
    )
    for user in sorted(gpu.users, key=lambda user: (not user.ours, -(user.memory_bytes or 0))):
        yield _user(user, now)
    for field, why in gpu.reasons.items():
        label = clean(_FIELDS.get(field, field), 9)
        yield label, phrase("not measured: {}", clean(why, 200) or None), "dim"


def _user(user: GpuUser, now: float) -> Fact:
    pid = f" (process {user.pid})" if user.pid is not None else ""
    head, _, rest = user_words(user, now).partition(", ")
    text = f"{head}{pid}{', ' + rest if rest else ''}"
    return ("ours", text, "text") if user.ours else ("other", text, "warn")


def _memory_facts(sample: HardwareSample) -> Iterator[Fact]:
    total, most, written = (
        sample.memory_total_bytes,
        sample.swap_total_bytes,
        sample.swapped_out_bytes,
    )
    used = phrase("{}" + (f" of {_round(total)}" if total else ""), size(sample.memory_used_bytes))
    swap = phrase("{}" + (f" of {_round(most)}" if most else ""), size(sample.swap_used_bytes))
    grown = phrase("{} written since boot", size(written or None))
    yield "in use", joined(used, phrase("{} left", size(sample.memory_left_bytes))), "text"
    yield "pressure", pressure_word(sample.pressure) if sample.pressure is not None else "", "text"
    yield "swap", joined("none" if most == 0 else swap, grown), "text"
    tree = phrase("{} with its workers", size(sample.tree_memory_bytes))
    footprint = size(sample.footprint_bytes or None)
    yield (
        "trainer",
        joined(tree, phrase("footprint {}, the GPU's part included", footprint)),
        "text",
    )


def _cpu_facts(sample: HardwareSample) -> Iterator[Fact]:
    used, tree, number = sample.cpu_percent, sample.tree_cpu_percent, sample.tree_processes
    cores = f" of {count(sample.cpu_count, 'core')}" if sample.cpu_count else ""
    busy = load_words(used) + cores if used is not None else ""
    processes = f"{number} process{'' if number == 1 else 'es'} with launcher and workers"
    yield "in use", joined(busy, phrase("load {:.1f}", sample.load)), "text"
    own = cores_words(tree) if tree is not None else ""
    yield "training", joined(own, processes if number is not None else ""), "text"


def _disk_facts(reading: Reading) -> Iterator[Fact]:
    output = output_disk(reading.sample)
    for disk in reading.sample.disks or ((output,) if output is not None else ()):
        if disk.free_bytes is None:
            continue
        total = f" of {file_size(disk.total_bytes)}" if disk.total_bytes else ""
        room = room_of(reading.snapshot, disk.free_bytes) if disk is output else None
        full = room is not None and room.full_at_step is not None
        need = f"coming saves need {file_size(room.need_bytes)}" if room is not None else ""
        free = f"{file_size(disk.free_bytes)} free{total}"
        role = "bad" if full else "warn" if is_low(disk) else "text"
        yield clean(disk.what, 9), joined(free, disk_words(room), need, clean(disk.path, 200)), role


# ---------------------------------------------------------------------------
# The model of the panel.

#: what a name of a card begins with, and needs no room in the title
_MAKERS = ("NVIDIA ", "GeForce ", "AMD ", "Apple ")


@dataclass(frozen=True, slots=True)
class GaugeBoard:
    """`title`: the run's own device; `age`: of the readings, where they are not of now; `span`: how long the
    histories are. `stale`: nothing is known of now; `silent`: or nothing of the run's own device."""

    rows: tuple[Gauge, ...] = ()
    title: str = ""
    age: str = ""
    span: str = ""
    stale: bool = False
    silent: bool = False
    sections: tuple[Section, ...] = ()


def gauge_board(snapshot: RunSnapshot | None, now: float, details: bool = False) -> GaugeBoard:
    """`details`: with everything known, for the zoomed panel. Of a run that is over the last reading is shown,
    and the title says so."""
    live = snapshot is None or is_live(snapshot)
    sample = newest(snapshot) if snapshot is not None else None
    if snapshot is None or sample is None:
        return GaugeBoard(age="no reading yet" if live else "none recorded")
    age_s = max(0.0, now - sample.at)
    stale = live and age_s > STALE_S
    # ages of single sources count where the readings as such are fresh
    at = now if live and not stale else sample.at
    reading = Reading(snapshot, sample, at, devices(snapshot, sample, at))
    own = reading.own
    silent = own is not None and own.stale
    name = clean(own.gpu.name, 40) if own is not None else ""
    for maker in _MAKERS:
        name = name.removeprefix(maker)
    age = f"{ago(age_s)} ago" if stale else "at the end" if not live else ""
    if own is not None and silent and not age:
        age = f"{ago(own.age_s)} ago"
    return GaugeBoard(
        gauges_of(reading),
        name,
        age,
        span_words(snapshot.hardware),
        stale,
        stale or silent,
        sections_of(reading) if details else (),
    )


# ---------------------------------------------------------------------------
# Rows.

LABEL, VALUE = 6, 11
#: words without a value begin here
TEXT = LABEL + 2
#: from this width on a row has a note, of so many cells where there is room
NOTED, NOTE, LEAST_PAST = 44, 20, 12
FACT_LABEL = 11
#: from this width on the sections have two columns
TWO_COLUMNS = 116


def gauge_row(gauge: Gauge, width: int, stale: bool = False) -> Row:
    """Label, value, the last minutes as blocks, note. The number comes first: it changes more often, and a row
    is sent again from its left end up to what changed."""
    stale, plain = stale or gauge.stale, gauge.role == "text"
    label, tint = f" {gauge.label}", "dim" if stale else "text"
    if not gauge.value:
        role = "faint" if stale else "dim" if plain else gauge.role
        return (cell(label, TEXT, tint), Span(crop_parts(gauge.note, width - TEXT), role))
    noted, room = width >= NOTED, width - LABEL - VALUE - 2
    value = gauge.value if noted else gauge.short or gauge.value
    role = "dim" if stale else "strong" if plain else gauge.role
    note_role = "dim" if plain or stale else gauge.role
    spans: Row = (cell(label, LABEL, tint), cell(value, VALUE, role, "right"), Span("  "))
    # on a narrow panel a warning is worth more than the past: never by colour alone
    if stale or not gauge.past or not (noted or plain):
        note = gauge.note if noted or gauge.brief is None else gauge.brief
        return (*spans, Span(crop_parts(note, room), note_role))
    if not noted:
        return (*spans, *blocks(gauge.past, room - 1))
    size = max(LEAST_PAST, min(PAST_BINS, room - NOTE - 2))
    note = crop_parts(gauge.note, room - size - 2)
    return (*spans, *blocks(gauge.past, size), Span(f"  {note}", note_role))


def section_rows(sections: Sequence[Section], width: int) -> list[Row]:
    """All sections, in two columns where there is room."""
    if width < TWO_COLUMNS or len(sections) < 2:
        return [row for one in sections for row in _section_rows(one, width)]
    half = (width - 3) // 2
    made = [_section_rows(one, half) for one in sections]
    total, left = sum(map(len, made)), 0
    cut = 0
    while cut < len(made) and (not cut or left + len(made[cut]) // 2 <= total // 2):
        left += len(made[cut])
        cut += 1
    columns = [[row for one in side for row in one] for side in (made[:cut], made[cut:])]
    height = max(map(len, columns))
    first, second = (side + [EMPTY] * (height - len(side)) for side in columns)
    return [(*pad(a, half), Span("   "), *b) for a, b in zip(first, second, strict=True)]


def _section_rows(section: Section, width: int) -> list[Row]:
    note = f" {section.note} " if section.note else ""
    title = f" {crop(section.title, max(8, width - 6 - cell_len(note)))} "
    rest = width - 2 - cell_len(title) - cell_len(note)
    head: Row = (
        Span(glyphs.RULE, "faint"),
        Span(title, "strong"),
        Span(glyphs.RULE * max(1, rest), "faint"),
        Span(note, "warn" if section.stale else "dim"),
        Span(glyphs.RULE if note else "", "faint"),
    )
    rows = [fit(head, width)]
    for label, text, role in section.facts:
        role = "faint" if section.stale and role == "text" else role
        rows += labelled(f" {label}", text, FACT_LABEL if label else 1, width, role)
    return [*rows, EMPTY]


# ---------------------------------------------------------------------------
# The widget.


class GaugePanel(ScrollingPanel):
    """Where not all rows fit, the least worthy give way; scrolled down, or zoomed (`details`), all come in
    their order."""

    TITLE = "Machine"
    FOLLOWS = False

    model: reactive[GaugeBoard] = reactive(GaugeBoard(), layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    watch_details = watch_model

    def note(self) -> Row:
        board, width = self.model, self.content_size.width
        if board.age:
            return (Span(board.age, "warn" if board.silent else "dim"),)
        words = joined(board.title, board.span) if width >= NOTED else board.title or board.span
        return (Span(crop(words, width // 2), "dim"),) if words else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        board = self.model
        rows = [gauge_row(one, width, board.stale) for one in board.rows]
        if self.details:
            rows += [EMPTY, *section_rows(board.sections, width)]
        top = self.window(len(rows), height, 0)
        if top == 0 and not self.details and len(rows) > height:
            worthy = sorted(range(len(rows)), key=lambda at: -board.rows[at].worth)[:height]
            return [rows[at] for at in sorted(worthy)]
        return rows[top : top + height]
