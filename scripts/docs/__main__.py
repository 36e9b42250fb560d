"""Writes the pages of docs/ that are made from the program, and the pictures of a real demo (some minutes)."""

from __future__ import annotations

import argparse

from scripts.docs import ROOT, write_pages

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make docs", description=__doc__)
    parser.add_argument("--pages", action="store_true", help="only the pages: a second")
    if not parser.parse_args().pages:
        from scripts.docs.pictures import write_pictures

        for path in write_pictures():
            print(path.relative_to(ROOT), flush=True)
    for path in write_pages():
        print(path.relative_to(ROOT))
