"""The run folder: the contract between all parts. Only append and rename.

In: records and journal lines. Out: the same, and `RunSnapshot` for readers. Begin with `rundir` (names
of the files), then `journal` (writing) and `reader` (reading).
"""
