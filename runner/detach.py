"""The first breath of a supervisor: leave whoever started it, then import and run.

Run as `python -m runner.detach RUN_DIR`. The fork comes before every other import, so that the starter
waits a few milliseconds only and never gets a zombie.
"""

import os
import sys

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    from runner.supervisor import main

    sys.exit(main(sys.argv[1]))
