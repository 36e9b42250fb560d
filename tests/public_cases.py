"""Inputs from public threads and repositories, rewritten small: `tests/data/public/<case>/` with `expect.json`.

`expect.json` holds the `source`, the `kind` (log, script, dataset or weights), what is `right` and `why`. A
file `open` beside it marks a case that is not right yet: its test must fail until the file is deleted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import DATA

FOLDER = DATA / "public"
Right = dict[str, Any]


def cases(kind: str) -> list[Any]:
    """The cases of a kind, as parameters `(folder, right)`."""
    found = []
    for folder in sorted(FOLDER.iterdir()):
        expect = json.loads((folder / "expect.json").read_text("utf-8"))
        if expect["kind"] == kind:
            marks = [pytest.mark.xfail(strict=True)] if (folder / "open").exists() else []
            found.append(pytest.param(folder, expect["right"], id=folder.name, marks=marks))
    assert found, kind
    return found


def input_of(folder: Path) -> Path:
    """The one input of a case."""
    return next(folder.glob("input.*"))


def wrong(right: Right, seen: dict[str, Any]) -> dict[str, Any]:
    """What is not right, with what was seen instead. `not_KEY`: any other value; `KEY_has`: these texts occur
    in it, in any case of letters."""
    found = {}
    for key, value in right.items():
        name = key.removeprefix("not_").removesuffix("_has")
        assert name in seen, f"no test checks {key}"
        have = seen[name]
        if key.startswith("not_"):
            fine = have != value
        elif key.endswith("_has"):
            texts = [value] if isinstance(value, str) else value
            fine = all(text.lower() in str(have).lower() for text in texts)
        else:
            fine = have == value
        if not fine:
            found[key] = have
    return found
