"""Writes the pages of docs/ that are made from the program, and the pictures of a real demo (some minutes)."""

from __future__ import annotations

import argparse
from itertools import islice

from scripts.docs import ROOT, write_pages

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make docs", description=__doc__)
    parser.add_argument("--pages", action="store_true", help="only the pages: a second")
    parser.add_argument("--readme", action="store_true", help="of the pictures only the README's")
    options = parser.parse_args()
    if not options.pages:
        from scripts.docs.pictures import IN_README, write_pictures

        for path in islice(write_pictures(), IN_README if options.readme else None):
            print(path.relative_to(ROOT), flush=True)
    for path in write_pages():
        print(path.relative_to(ROOT))
