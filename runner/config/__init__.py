"""plasma.toml: its schema, its flags, and the command line that follows from it.

In: the file, and the flags that the trainer's own parser knows. Out: `model.Config`, or every problem with
its line. Begin with `load`.
"""
