"""The installed command: finds the packages of this installation before those of PYTHONPATH.

`tui`, `runner` or `json` may also be modules of a user's own project. Entries of PYTHONPATH are searched last:
what is installed there works, but cannot replace ours. The variable is not changed: a trainer inherits it.
"""

import os
import sys

# no pathlib here: it imports modules that PYTHONPATH might replace
abspath = os.path.abspath


def main() -> int:
    ours = os.path.dirname(abspath(__file__))  # noqa: PTH120
    given = [abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    named = [one for one in sys.path if one in given and one != ours]
    sys.path[:] = [*(one for one in sys.path if one not in named), *named]

    from tui.cli import main

    return main()
