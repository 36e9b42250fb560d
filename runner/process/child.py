"""Runs one module of this installation in a separate process: `python -E -P child.py MODULE ARGUMENTS`.

Run by its path, with the interpreter's environment variables ignored: neither the working folder nor
PYTHONPATH decides which `runner` is imported, and nothing is added to the environment, which the trainer
inherits. PYTHONPATH entries are last: an installation there works, but cannot shadow ours.
"""

import os
import runpy
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - 10 ms


def find_our_package() -> None:
    """Import `runner` from next to this file, everything else the normal way."""
    found = [*sys.path]
    sys.path.insert(0, ROOT)
    import runner  # noqa: F401 - its submodules are found through it from here on

    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # The starter's working folder is not ours: relative paths cannot be resolved.
    more = [ROOT, *(folder for folder in named if os.path.isabs(folder))]  # noqa: PTH117
    sys.path[:] = [*found, *(folder for folder in dict.fromkeys(more) if folder not in found)]


if __name__ == "__main__":
    find_our_package()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
