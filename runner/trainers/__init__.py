"""Everything specific to one trainer program: flags, command, arithmetic, file names, console. In:
`[trainer]` and flags. Out: what that trainer will do with them. Begin with `protocol` (the interface of a
trainer) and `registry` (its selection); `sd_scripts` is kohya-ss/sd-scripts, `builtin` our own.
"""
