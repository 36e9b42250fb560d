"""From what a person already has (a shell script, a kohya_ss JSON, an sd-scripts TOML) to a plasma.toml.

In: a file or a folder. Out: settings and notes on what could not be mapped. Reads files, runs nothing of
them. Begin with `files`.
"""
