"""Processes: starting ours, keeping the trainer, finding and stopping its process tree.

In: command lines and process ids. Out: exit records, members of a process group. Begin with `keeper`, then
`spawn`.
"""
