"""Start of a supervisor: detach from its starter, then import and run.

Run as the module `runner.supervisor.detach` with RUN_DIR, and the descriptor of the run's lock if it is
inherited (see runner.process.spawn). The fork comes before every other import, so that the starter waits a
few milliseconds only and never gets a zombie. In the job of a cluster: RUN_DIR --job ATTEMPT TOKEN, in the
foreground, because the job ends with its script.

A run that waits in the queue continues as the small `runner.supervisor.waiting`. It becomes this program again,
without a fork, with a third argument: `wait` (with a fourth: `turn` or `stop` has just failed), `watch`
(nothing is queued), `stop` (remove it from the queue), or its slots as `FD:NAME,...`, with a fourth: the
variables that show the trainer its GPUs, as JSON.
"""

import os
import sys

if __name__ == "__main__":
    path, *more = sys.argv[1:]
    if more[:1] == ["--job"]:
        from runner.supervisor.job import main as main_of_job

        sys.exit(main_of_job(path, int(more[1]), more[2]))
    lock, what = [int(fd) for fd in more[:1]], more[1:2]
    if not what and os.fork():
        os._exit(0)
    if what == ["wait"] or (not what and os.path.exists(f"{path}/queued.json")):  # noqa: PTH110
        from runner.supervisor.waiting import main as wait

        sys.exit(wait(path, lock[0] if lock else None, *more[2:3]))
    from runner.supervisor.main import main

    sys.exit(main(path, lock[0] if lock else None, *more[1:3]))
