"""`python -m scripts.docs` writes the generated pages of docs/."""

from __future__ import annotations

from scripts.docs import ROOT, write_pages

for path in write_pages():
    print(path.relative_to(ROOT))
