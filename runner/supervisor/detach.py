"""Start of a supervisor: detach from its starter, then import and run.

Run as the module `runner.supervisor.detach` with RUN_DIR, and the descriptor of the run's lock if it is
inherited (see runner.process.spawn). The fork comes before every other import, so that the starter waits a
few milliseconds only and never gets a zombie. In the job of a cluster: RUN_DIR --job ATTEMPT TOKEN, in the
foreground, because the job ends with its script.
"""

import os
import sys

if __name__ == "__main__":
    if sys.argv[2:3] == ["--job"]:
        from runner.supervisor.job import main as main_of_job

        sys.exit(main_of_job(sys.argv[1], int(sys.argv[3]), sys.argv[4]))
    if os.fork():
        os._exit(0)
    from runner.supervisor.main import main

    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:3])))
