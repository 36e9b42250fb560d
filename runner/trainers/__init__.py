"""All that is true of one trainer program: flags, arithmetic, names of files, console.

In: flags and datasets. Out: what that trainer will do with them. `sd_scripts` is kohya-ss/sd-scripts.
"""
