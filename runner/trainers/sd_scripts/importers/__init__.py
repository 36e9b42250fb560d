"""Converts what people have of a training to a plasma.toml: scripts of bash, cmd and PowerShell, notebooks,
Python programs, configurations of kohya_ss, sd-scripts and windows around it, a LoRA with its settings.

In: a file. Out: settings and notes on what could not be mapped. Reads files, never runs them.
Begin with `files`.
"""
