#!/usr/bin/env python3
"""The built-in trainer with a stop watch around it, so that starting Python and torch does not count.

    python timed_trainer.py RESULT.json FLAG ...

Writes {"wall_s", "cpu_s"} of the whole training to RESULT.json by rename.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import accelerate  # noqa: E402, F401  (imported now, so that the stop watch does not see it)
import torch  # noqa: E402, F401

import runner.embedded.train  # noqa: E402, F401
from runner.embedded.__main__ import main  # noqa: E402


def timed(result: Path, flags: list[str]) -> int:
    wall, cpu = time.monotonic(), time.process_time()
    code = main(flags)
    found = {"wall_s": time.monotonic() - wall, "cpu_s": time.process_time() - cpu}
    temporary = result.with_suffix(".tmp")
    temporary.write_text(json.dumps(found))
    temporary.replace(result)
    return code


if __name__ == "__main__":
    sys.exit(timed(Path(sys.argv[1]), sys.argv[2:]))
