"""The panel of the hardware: what the machine does, and why a value is missing where one is."""

from __future__ import annotations

from runner.model import RunSnapshot
from runner.model.units import ago
from tui.text import clean
from tui.viewmodel.gauge_gpu import gpu_rows
from tui.viewmodel.gauge_history import span
from tui.viewmodel.gauge_host import host_rows
from tui.viewmodel.gauge_model import STALE_S, GaugeBoard, Section, age_words, joined
from tui.viewmodel.gpu_devices import Device, devices, newest
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
    own = next(iter(devices(snapshot, sample, at)), None)
    rows = (*gpu_rows(snapshot, sample, at), *host_rows(snapshot, sample, at))
    more: tuple[Section, ...] = ()
    if details:
        from tui.viewmodel.gauge_detail import sections  # only when zoomed: not for the first frame

        more = sections(snapshot, sample, at)
    return GaugeBoard(
        rows,
        _age(own, age_s, live, stale),
        stale,
        span(snapshot.hardware),
        more,
        silent=stale or (own is not None and own.stale),
    )


def _age(own: Device | None, age_s: float, live: bool, stale: bool) -> str:
    """Of the run's own device, with its source; of the readings as such where there is none."""
    if not live:
        return "at the end of the run"
    if stale:
        return f"{ago(age_s)} ago"
    source = clean(own.gpu.source, 20) if own is not None else ""
    age_s = own.age_s if own is not None else age_s
    return joined(source, age_words(age_s))
