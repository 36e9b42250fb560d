"""The panel of the hardware: what the machine does, and why a value is missing where one is."""

from __future__ import annotations

from runner.model import HardwareSample, RunSnapshot
from runner.units import ago
from tui.text import clean
from tui.viewmodel.gauge_detail import sections
from tui.viewmodel.gauge_gpu import gpu_rows
from tui.viewmodel.gauge_history import span
from tui.viewmodel.gauge_host import host_rows
from tui.viewmodel.gauge_model import STALE_S, GaugeBoard
from tui.viewmodel.gpu_devices import devices, newest
from tui.viewmodel.progress import is_live

NOTHING = GaugeBoard((), "", False, "")


def gauge_board(snapshot: RunSnapshot | None, now: float, details: bool = False) -> GaugeBoard:
    """The newest reading as gauges; `details`: with everything that is known, for the zoomed panel. Of a run
    that is over the last reading is history, and says so."""
    live = snapshot is None or is_live(snapshot)
    sample = newest(snapshot) if snapshot is not None else None
    if snapshot is None or sample is None:
        return GaugeBoard((), "no sample yet" if live else "none recorded", False, "")
    age_s = max(0.0, now - sample.at)
    stale = live and age_s > STALE_S
    # ages of single sources count where the readings as such are fresh
    at = now if live and not stale else sample.at
    rows = (*gpu_rows(snapshot, sample, at), *host_rows(snapshot, sample, at))
    return GaugeBoard(
        rows,
        _age(snapshot, sample, age_s, live, stale),
        stale,
        span(snapshot.hardware),
        sections(snapshot, sample, at) if details else (),
    )


def _age(
    snapshot: RunSnapshot, sample: HardwareSample, age_s: float, live: bool, stale: bool
) -> str:
    if not live:
        return "at the end of the run"
    if stale:
        return f"{ago(age_s)} ago"
    found = devices(snapshot, sample, sample.at)
    source = clean(found[0].gpu.source, 20) if found else ""
    return f"{source}, {ago(age_s)}" if source else ago(age_s)
