"""All that is true of one trainer program: flags, command, arithmetic, names of files, console.

In: `[trainer]` and flags. Out: what that trainer will do with them. Begin with `protocol` (what a trainer is
asked) and `registry` (where it is chosen); `sd_scripts` is kohya-ss/sd-scripts, `builtin` the one of our own.
"""
