"""Detaches from its starter, then sends pending notifications: the module `runner.notify` with RUN_DIR.
`--trial`: see sender.py.

The fork comes before every other import: the starter waits a few milliseconds only and never gets a zombie.
"""

import os
import sys

if __name__ == "__main__":
    if sys.argv[1] == "--trial":
        from runner.notify.sender import main as trial

        sys.exit(trial(sys.argv[2:]))
    if os.fork():
        os._exit(0)
    from runner.notify.deliver import main

    sys.exit(main(sys.argv[1]))
