"""Start of a supervisor: detach from its starter, then import and run.

Run as the module `runner.supervisor.detach` with RUN_DIR, and the descriptor of the run's lock if it is
inherited (see runner.process.spawn). The fork comes before every other import, so that the starter waits a
few milliseconds only and never gets a zombie.
"""

import os
import sys

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    from runner.supervisor.main import main

    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:3])))
