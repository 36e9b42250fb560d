"""The demo: a small project for the built-in trainer, with images drawn here.

In: a folder. Out: images, captions and a plasma.toml in it. Begin with `project`.
"""
