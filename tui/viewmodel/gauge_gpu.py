"""The gauges of the GPUs: the run's own in full, the others in a row each."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import GpuUser, HardwareSample, HardwareUse, RunSnapshot
from runner.model.units import memory_size, percent
from tui.text import clean
from tui.viewmodel.gauge_history import MEAN_S, Value, history, recent_mean
from tui.viewmodel.gauge_model import Gauge, Line, joined, part, share
from tui.viewmodel.gpu_devices import Device, devices, reading_of
from tui.viewmodel.gpu_users import others, users_line

#: with less than this share of its memory left a card is near its end
LOW = 0.03
#: what the hardware monitor says where no source has found one: the row says it already
NO_GPU = "no GPU found"
GB = 1024**3
#: a card's temperature and power are never still
CARD_MEAN_S = 10.0


def gpu_rows(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> list[Gauge | Line]:
    """`sample`: the newest reading."""
    found = devices(snapshot, sample, now)
    if not found:
        return [_none(snapshot, sample), *_users(others(snapshot), now)]
    own, samples = found[0], snapshot.hardware
    rows: list[Gauge | Line] = [_load(own, snapshot), *_silence(own), *_memory(own, snapshot)]
    if own.gpu.problem:
        rows.insert(0, Line(own.label, clean(own.gpu.problem, 200), "bad", worth=110))
    rows += [*_card(own, samples), *_slowed(own), *_users(others(snapshot), now)]
    return rows + [_other(device, samples) for device in found[1:]]


def _silence(own: Device) -> list[Line]:
    """Why its values are grey."""
    return [Line("", own.silence, "warn", worth=99)] if own.silence else []


def _none(snapshot: RunSnapshot, sample: HardwareSample) -> Gauge:
    """Without a GPU that is what is said; where the trainer says that it uses one, it is the reading that
    is missing."""
    device = (snapshot.status.device or "") if snapshot.status is not None else ""
    if device and not device.startswith("cpu"):
        return Gauge("GPU", None, "not measured", _reason(sample, device), known=False, worth=100)
    reason = "" if device else _reason(sample, device)
    unsaid = "trains on the CPU" if device else "it will train on the CPU"
    said = reason if reason and reason != NO_GPU else unsaid
    return Gauge("GPU", None, "No GPU", said, known=False, worth=100)


def _reason(sample: HardwareSample, device: str) -> str:
    """Why there is nothing, of the source that this machine should have."""
    first = {"mps": ("apple",), "cuda": ("nvidia", "amd")}
    wanted = first.get(device.partition(":")[0], ())
    for key in ("gpu_percent", *wanted, "gpu"):
        if sample.reasons.get(key):
            return clean(sample.reasons[key], 160)
    return ""


def _load(own: Device, snapshot: RunSnapshot) -> Gauge:
    """On Apple the mean of the last readings; elsewhere the driver's own mean over its window."""
    gpu, samples = own.gpu, snapshot.hardware

    def value(sample: HardwareSample) -> float | None:
        one = reading_of(sample, gpu.key)
        return one.percent if one is not None else None

    now = (recent_mean(samples, value) if own.spiky else None) or gpu.percent
    if now is None:
        reason = clean(gpu.reasons.get("percent") or gpu.reasons.get("gpu_percent"), 160)
        return Gauge(own.label, None, "not measured", reason, known=False, worth=100)
    peak = f"peak {_peak(snapshot, value, now):.0f}"
    return Gauge(
        own.label,
        share(now),
        percent(share(now)),
        joined(f"{MEAN_S:.0f} s mean" if own.spiky else "", peak),
        history(samples, lambda sample: share(value(sample))),
        stale=own.stale,
        worth=100,
    )


def _peak(snapshot: RunSnapshot, value: Value, now: float) -> float:
    """Of the whole run where the supervisor kept it."""
    use = use_of(snapshot)
    if use.gpu_util_max is not None:
        return min(100.0, max(use.gpu_util_max, now))
    return min(100.0, max([now, *(v for v in map(value, snapshot.hardware) if v is not None)]))


def use_of(snapshot: RunSnapshot) -> HardwareUse:
    return snapshot.status.hardware if snapshot.status is not None else HardwareUse()


# --------------------------------------------------------------------------- memory


def _memory(own: Device, snapshot: RunSnapshot) -> list[Gauge | Line]:
    """Of a card with memory of its own; Apple's is the machine's, and its gauge tells it."""
    gpu = own.gpu
    if own.shared:
        return []
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    if used is None:
        reason = clean(gpu.reasons.get("memory_used_bytes"), 160)
        return [Gauge("GPU mem", None, "not measured", reason, known=False, worth=97)]
    ours, whole = part(own.run_bytes, total), part(used, total)
    gauge = Gauge(
        "GPU mem",
        ours if ours is not None else whole,
        memory_size(used),
        f"of {_round(total)}" if total else "",
        history(snapshot.hardware, lambda sample: _filled(sample, gpu.key, total)),
        beside=max(0.0, (whole or 0.0) - ours) if ours is not None else 0.0,
        role="warn" if _is_low(own) else "text",
        stale=own.stale,
        worth=98,
    )
    words = _memory_words(own, use_of(snapshot))
    role = "warn" if _is_low(own) else "dim"
    return (
        [gauge, Line("", words, role, own.stale, 93 if _is_low(own) else 76)] if words else [gauge]
    )


def _filled(sample: HardwareSample, key: str, total: int | None) -> float | None:
    """The journal leaves out what never changes: the total."""
    one = reading_of(sample, key)
    return part(one.memory_used_bytes, total) if one is not None else None


def _is_low(device: Device) -> bool:
    left, total = device.left_bytes, device.gpu.memory_total_bytes
    return left is not None and bool(total) and left < LOW * (total or 0)


def _memory_words(own: Device, use: HardwareUse) -> str:
    """What is left, the peak, whose it is; in GB, as the gauge above."""
    left, ours, rest = own.left_bytes, own.run_bytes, own.others_bytes
    used = own.gpu.memory_used_bytes or 0
    peak = max(use.gpu_memory_max_bytes or 0, used)
    return joined(
        f"{gb(left)} left" if left is not None else "",
        f"peak {gb(peak)}" if peak else "",
        f"ours {gb(ours)}" if ours is not None else "",
        f"others {gb(rest)}" if ours is not None and rest is not None else "",
    )


def gb(size_bytes: float) -> str:
    """In GB, without the unit: the words beside it have it."""
    return f"{size_bytes / GB:.1f}"


def _round(size_bytes: int) -> str:
    return memory_size(size_bytes).replace(".0 ", " ")


# --------------------------------------------------------------------------- the card, its users


def _card(own: Device, samples: Sequence[HardwareSample]) -> list[Line]:
    """Temperature, power and clock: means of the last seconds, rounded, so that noise costs nothing."""

    def mean(field: str) -> float | None:
        def value(sample: HardwareSample) -> float | None:
            one = reading_of(sample, own.gpu.key)
            found = getattr(one, field) if one is not None else None
            return float(found) if found is not None else None

        known = recent_mean(samples, value, CARD_MEAN_S)
        return known if known is not None else getattr(own.gpu, field)

    celsius, clock = mean("temperature_c"), mean("clock_mhz")
    words = joined(
        f"{celsius:.0f} °C" if celsius is not None else "",
        power_words(mean("power_w"), own.gpu.power_limit_w),
        f"{clock / 1000:.1f} GHz" if clock is not None else "",
    )
    return [Line("", words, "dim", own.stale, 78)] if words else []


def power_words(power_w: float | None, limit_w: float | None) -> str:
    """To 10 W above 100 W: a card's power is never still."""
    if power_w is None:
        return ""
    step = 10 if power_w >= 100 else 1
    shown = f"{round(power_w / step) * step:.0f}"
    return f"{shown} of {limit_w:.0f} W" if limit_w else f"{shown} W"


def _slowed(own: Device) -> list[Line]:
    """Running at its power limit is what a card is bought for; anything else is worth a look."""
    reasons = [clean(one, 60) for one in own.gpu.throttle]
    if not reasons:
        return []
    usual = all("power" in one.lower() for one in reasons)
    text = joined(f"slowed: {reasons[0]}", *reasons[1:])
    return [Line("", text, "dim" if usual else "warn", own.stale, 60 if usual else 95)]


def _users(users: Sequence[GpuUser], now: float) -> list[Line]:
    words = users_line(users, now)
    return [Line("others", words, "warn", worth=90)] if words else []


def _other(device: Device, samples: Sequence[HardwareSample]) -> Gauge | Line:
    """Another card, in one row."""
    gpu = device.gpu
    if gpu.problem:
        return Line(device.label, clean(gpu.problem, 200), "bad", worth=79)
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    memory = f"{gb(used)}/{_round(total)}" if used is not None and total else ""
    value = percent(share(gpu.percent)) if gpu.percent is not None else "n/a"
    key = gpu.key
    return Gauge(
        device.label,
        share(gpu.percent),
        value,
        device.silence or memory,
        history(samples, lambda sample: _percent_of(sample, key)),
        stale=device.stale,
        worth=79,
    )


def _percent_of(sample: HardwareSample, key: str) -> float | None:
    one = reading_of(sample, key)
    return share(one.percent) if one is not None else None
