"""Events -> state of a run: true steps, pace, checkpoints, evidence. Pure.

In: console events, exact losses, journal lines. Out: rows, journal events, the state. Begin with
`translator`, then `attempt_state` (`apply`) and `step_mapper` (true steps).
"""
