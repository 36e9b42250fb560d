"""Events -> state of a run: true steps, pace, checkpoints, evidence. Pure.

In: console events, exact losses, journal lines. Out: rows, journal events, the state. Begin with `progress`,
then `ledger` (true steps).
"""
