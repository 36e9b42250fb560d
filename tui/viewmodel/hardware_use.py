"""What the machine did for a run, in sentences: for the zoomed panel and for `show`."""

from __future__ import annotations

from runner.model import HardwareUse
from runner.model.units import duration, memory_size
from tui.viewmodel.gauge_model import joined

#: less measured training than this says nothing about how busy a GPU was
LEAST_S = 10.0


def use_sentences(use: HardwareUse) -> tuple[str, ...]:
    """Only what was measured."""
    found = (_gpu(use), _gpu_memory(use), _card(use), _host(use), _memory(use))
    return tuple(f"{text[:1].upper()}{text[1:]}." for text in found if text)


def _gpu(use: HardwareUse) -> str:
    if use.gpu_util_max is None:
        return ""
    most = f"at most {use.gpu_util_max:.0f} %"
    if use.gpu_util_mean is None or use.training_s < LEAST_S:
        return f"GPU busy {most}"
    idle = f"idle for {duration(use.gpu_idle_s)}" if use.gpu_idle_s is not None else ""
    return joined(f"GPU busy {use.gpu_util_mean:.0f} % on average while training", most, idle)


def _gpu_memory(use: HardwareUse) -> str:
    most, ours = use.gpu_memory_max_bytes, use.gpu_memory_run_max_bytes
    if most is None:
        return f"this run held at most {memory_size(ours)} of the GPU's memory" if ours else ""
    mine = f"this run's at most {memory_size(ours)}" if ours is not None else ""
    return joined(f"GPU memory at most {memory_size(most)}", mine)


def _card(use: HardwareUse) -> str:
    return joined(
        f"at most {use.temperature_max_c:.0f} °C" if use.temperature_max_c is not None else "",
        f"{use.power_mean_w:.0f} W on average" if use.power_mean_w is not None else "",
        f"{_energy(use.energy_wh)} used" if use.energy_wh is not None else "",
        f"slowed for {duration(use.throttled_s)}" if use.throttled_s >= 1 else "",
    )


def _energy(watt_hours: float) -> str:
    return f"{watt_hours / 1000:.1f} kWh" if watt_hours >= 1000 else f"{watt_hours:.0f} Wh"


def _host(use: HardwareUse) -> str:
    cores = use.tree_cpu_mean / 100 if use.tree_cpu_mean is not None else None
    return joined(
        f"CPU {use.cpu_mean:.0f} % on average while training" if use.cpu_mean is not None else "",
        f"the training's own {cores:.1f} cores" if cores is not None else "",
    )


def _memory(use: HardwareUse) -> str:
    most, low, grown = use.tree_memory_max_bytes, use.memory_low_bytes, use.swap_grown_bytes
    return joined(
        f"the training took at most {memory_size(most)} of memory" if most is not None else "",
        f"at least {memory_size(low)} were left" if low is not None else "",
        f"swap grew by {memory_size(grown)}" if grown is not None and grown >= 1 << 20 else "",
    )
