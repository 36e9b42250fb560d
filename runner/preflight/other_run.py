"""Is another run writing the same files right now?"""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped
from runner.store.registry import live_runs, same_target


def look(facts: Facts) -> Finding:
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    other = same_target(str(folder), facts.text("output_name"))
    if other is not None:
        return failed(
            short(other.id),
            f"Run {other.id} is writing the same files right now.",
            f"plasma-tui stop {other.id}",
        )
    live = live_runs()
    if live:
        names = ", ".join(snapshot.id for snapshot in live)
        return passed(f"{count(len(live), 'run')} elsewhere", f"Running as well: {names}.")
    return passed("none", "No other run is live.")


CHECK = Check("other_run", "Other run", look)
