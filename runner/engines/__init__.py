"""Programs of a cluster that start a training elsewhere. Only control and the supervisor of a job use them.

In: a request (`model.Engine`) and run folders. Out: job.json in each (`model.JobRecord`), which any reader
understands without asking the cluster. Begin with `slurm/client.py`.
"""
