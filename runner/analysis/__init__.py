"""Evaluates a run: alarms while it trains, the verdict when it ends, the cause of a failure. Pure.

In: facts about a run. Out: `Alarm`s, `Verdict`, `Cause`. Begin with `outcome`, then `guard` and `diagnosis`.
"""
