"""Converts a shell script, a kohya_ss JSON or an sd-scripts TOML to a plasma.toml.

In: a file or a folder. Out: settings and notes on what could not be mapped. Reads files, never runs them.
Begin with `files`.
"""
