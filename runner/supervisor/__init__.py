"""The one detached process of a run: reads the trainer's output, keeps journal and status, carries out
orders.

In: console.log, event files, the inbox, hardware readings. Out: the files of the run folder. Begin with
`main`.
"""
