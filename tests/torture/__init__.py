"""The fault matrix: real trainings, with a fault at a random moment of their life, reproducible by a seed.

`python -m tests.torture --help`. Begin with `life.py` (one training), `faults.py` (what can be done to it) and
`judge.py` (what must hold afterwards). What was found is written down in docs/reliability.md.
"""
