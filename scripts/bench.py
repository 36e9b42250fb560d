#!/usr/bin/env python3
"""Speeds and memory of plasma-tui against their budgets, on a real pseudo terminal.

.venv/bin/python scripts/bench.py [NAME ...] [--all] [--json FILE]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts.bench.cli import main  # noqa: E402  (the folder of this script would come first)

if __name__ == "__main__":
    sys.exit(main())
