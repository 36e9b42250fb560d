"""Everything specific to kohya-ss/sd-scripts: steps, saves, names, LoRA sizes, datasets, scripts to import.

In: flags, dataset configurations, users' scripts. Out: forecast, names and steps of checkpoints, a
plasma.toml. Begin with `forecast`.
"""
