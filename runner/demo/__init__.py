"""The demo: a small project for the built-in trainer, with generated images.

In: a folder. Out: images, captions and a plasma.toml in it. Begin with `project`.
"""
